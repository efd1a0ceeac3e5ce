// SPDX-License-Identifier: Apache-2.0
package main

import (
	"errors"
	"sync/atomic"
	"time"
)

// What the functions call: each fails at first, as the real thing would now and then.
type failing struct {
	times atomic.Int32
	why   string
}

func failingTimes(times int32, why string) *failing {
	f := &failing{why: why}
	f.times.Store(times)
	return f
}

func (f *failing) fail() error {
	if f.times.Add(-1) >= 0 {
		return errors.New(f.why)
	}
	return nil
}

type click struct {
	Button  string `json:"button"`
	Attempt int    `json:"attempt"`
}

type rows struct {
	Rows int `json:"rows"`
}

type saved struct {
	Saved int `json:"saved"`
}

type message struct {
	Message string `json:"message"`
}

type (
	clickTable    struct{ *failing }
	sourceSystem  struct{ *failing }
	syncTable     struct{ *failing }
	userTable     struct{}
	digestMailer  struct{}
	messageSender struct{ *failing }
)

var (
	clicks   = clickTable{failingTimes(2, "database is locked")}
	source   = sourceSystem{failingTimes(1, "no route to host")}
	syncs    = syncTable{failingTimes(2, "connection reset")}
	users    = userTable{}
	digests  = digestMailer{}
	messages = messageSender{failingTimes(1, "busy")}
)

func (t clickTable) insert(click click) (any, error)     { return click, t.fail() }
func (s sourceSystem) fetch() (rows, error)              { return rows{Rows: 3}, s.fail() }
func (t syncTable) insert(data rows) (saved, error)      { return saved{Saved: data.Rows}, t.fail() }
func (digestMailer) send(address string) (string, error) { return address, nil }

func (userTable) emailOf(userID string) (string, error) {
	if userID != "ada" {
		return "", errors.New("UserNotFound")
	}
	return "ada@example.com", nil
}

func (s messageSender) create(phone string) (message, time.Duration, error) {
	return message{Message: "welcome, " + phone}, 2 * time.Second, s.fail()
}

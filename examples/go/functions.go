// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"errors"
	"time"

	"github.com/inngest/inngestgo"
	"github.com/inngest/inngestgo/step"
)

type Clicked struct {
	ButtonID string `json:"buttonId"`
}

type Requested struct {
	UserID string `json:"userId"`
}

type Created struct {
	Phone string `json:"phone"`
}

// Eleven attempts in all, whatever goes wrong.
func clickRecorder(client inngestgo.Client) error {
	_, err := inngestgo.CreateFunction(client,
		inngestgo.FunctionOpts{ID: "click-recorder", Retries: inngestgo.IntPtr(10)},
		inngestgo.EventTrigger("app/button.clicked", nil),
		func(ctx context.Context, input inngestgo.Input[Clicked]) (any, error) {
			return clicks.insert(click{Button: input.Event.Data.ButtonID, Attempt: input.InputCtx.Attempt})
		})
	return err
}

// Each step has five attempts of its own; data that was fetched is not fetched again.
func syncSystems(client inngestgo.Client) error {
	_, err := inngestgo.CreateFunction(client,
		inngestgo.FunctionOpts{ID: "sync-systems"},
		inngestgo.EventTrigger("auto/sync.request", nil),
		func(ctx context.Context, input inngestgo.Input[any]) (any, error) {
			data, err := step.Run(ctx, "get-data", func(ctx context.Context) (rows, error) {
				return source.fetch()
			})
			if err != nil {
				return nil, err
			}
			return step.Run(ctx, "save-data", func(ctx context.Context) (saved, error) {
				return syncs.insert(data)
			})
		})
	return err
}

// A step that failed for good is an error that can be looked at; some errors are not worth another attempt.
func userWeeklyDigest(client inngestgo.Client) error {
	_, err := inngestgo.CreateFunction(client,
		inngestgo.FunctionOpts{ID: "user-weekly-digest", Retries: inngestgo.IntPtr(2)},
		inngestgo.EventTrigger("user/weekly.digest.requested", nil),
		func(ctx context.Context, input inngestgo.Input[Requested]) (any, error) {
			email, err := step.Run(ctx, "get-user-email", func(ctx context.Context) (string, error) {
				return users.emailOf(input.Event.Data.UserID)
			})
			if err != nil {
				return nil, inngestgo.NoRetryError(errors.New("User no longer exists; stopping"))
			}
			return step.Run(ctx, "send-digest", func(ctx context.Context) (string, error) {
				return digests.send(email)
			})
		})
	return err
}

// The service says itself when it can be asked again.
func sendWelcomeNotification(client inngestgo.Client) error {
	_, err := inngestgo.CreateFunction(client,
		inngestgo.FunctionOpts{ID: "send-welcome-notification"},
		inngestgo.EventTrigger("app/user.created", nil),
		func(ctx context.Context, input inngestgo.Input[Created]) (any, error) {
			return step.Run(ctx, "send-message", func(ctx context.Context) (message, error) {
				sent, retryAfter, err := messages.create(input.Event.Data.Phone)
				if err != nil {
					return message{}, inngestgo.RetryAtError(errors.New("Hit the rate limit"), time.Now().Add(retryAfter))
				}
				return sent, nil
			})
		})
	return err
}

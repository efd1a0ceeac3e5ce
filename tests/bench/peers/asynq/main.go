// SPDX-License-Identifier: Apache-2.0

// bench REDIS_PORT noop|chain|retry|late COUNT WAITING: what asynq does with COUNT tasks, as one line of JSON.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

const steps = 10

var payload = make([]byte, 200)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// enqueue adds COUNT tasks from several goroutines; asynq has no bulk call.
func enqueue(client *asynq.Client, name string, count int, options ...asynq.Option) {
	var group sync.WaitGroup
	for worker := 0; worker < 16; worker++ {
		group.Add(1)
		go func(from int) {
			defer group.Done()
			for i := from; i < count; i += 16 {
				_, err := client.Enqueue(asynq.NewTask(name, payload), options...)
				must(err)
			}
		}(worker)
	}
	group.Wait()
}

func report(result map[string]any) {
	must(json.NewEncoder(os.Stdout).Encode(result))
}

func main() {
	redis := asynq.RedisClientOpt{Addr: "127.0.0.1:" + os.Args[1], PoolSize: 64}
	mode := os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	waiting, _ := strconv.Atoi(os.Args[4])
	client := asynq.NewClient(redis)
	server := asynq.NewServer(redis, asynq.Config{Concurrency: 64, LogLevel: asynq.FatalLevel, DelayedTaskCheckInterval: time.Second,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 200 * time.Millisecond }})
	var seen atomic.Int64
	var mutex sync.Mutex
	var late []float64
	done := make(chan bool, 1)
	finish := func(total int) {
		if seen.Add(1) == int64(total) {
			done <- true
		}
	}
	mux := asynq.NewServeMux()
	mux.HandleFunc("noop", func(context.Context, *asynq.Task) error { finish(count); return nil })
	mux.HandleFunc("retry", func(ctx context.Context, _ *asynq.Task) error {
		if retried, _ := asynq.GetRetryCount(ctx); retried == 0 {
			return errors.New("again")
		}
		finish(count)
		return nil
	})
	mux.HandleFunc("chain", func(_ context.Context, task *asynq.Task) error {
		step := task.Payload()[0]
		if step+1 == steps {
			finish(count)
			return nil
		}
		next := append([]byte(nil), task.Payload()...)
		next[0]++
		_, err := client.Enqueue(asynq.NewTask("chain", next))
		return err
	})
	mux.HandleFunc("late", func(_ context.Context, task *asynq.Task) error {
		due := int64(binary.LittleEndian.Uint64(task.Payload()))
		mutex.Lock()
		late = append(late, float64(time.Now().UnixMicro()-due)/1000)
		mutex.Unlock()
		finish(count)
		return nil
	})
	if mode != "late" {
		enqueue(client, mode, count)
		begun := time.Now()
		must(server.Start(mux))
		<-done
		report(map[string]any{"events": count, "seconds": time.Since(begun).Seconds()})
		return
	}
	enqueue(client, "noop", waiting, asynq.ProcessIn(time.Hour))
	must(server.Start(mux))
	begun := time.Now()
	for i := 0; i < count; i++ {
		time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Millisecond)))
		due := time.Now().Add(time.Second)
		body := make([]byte, 200)
		binary.LittleEndian.PutUint64(body, uint64(due.UnixMicro()))
		_, err := client.Enqueue(asynq.NewTask("late", body), asynq.ProcessAt(due))
		must(err)
	}
	<-done
	sort.Float64s(late)
	report(map[string]any{"events": count, "p50_ms": late[len(late)/2], "p99_ms": late[len(late)*99/100]})
}

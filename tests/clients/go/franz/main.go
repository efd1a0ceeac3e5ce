// SPDX-License-Identifier: Apache-2.0

// franz-go against a broker: BROKER TOPIC COUNT. What came of it, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var result = map[string]any{}

// What the client says is the result.
func attempt(name string, call func(ctx context.Context) (any, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	value, err := call(ctx)
	if err != nil {
		value = err.Error()
	}
	result[name] = value
}

func main() {
	broker, topic := kgo.SeedBrokers(os.Args[1]), os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	attempt("produced", func(ctx context.Context) (any, error) { return produce(ctx, broker, topic, count) })
	attempt("read", func(ctx context.Context) (any, error) { return read(ctx, broker, topic, count) })
	attempt("committed", func(ctx context.Context) (any, error) { return transact(ctx, broker, topic, kgo.TryCommit) })
	attempt("aborted", func(ctx context.Context) (any, error) { return transact(ctx, broker, topic, kgo.TryAbort) })
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}

func produce(ctx context.Context, broker kgo.Opt, topic string, count int) (any, error) {
	client, err := kgo.NewClient(broker, kgo.AllowAutoTopicCreation())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for i := 0; i < count; i++ {
		record := &kgo.Record{Topic: topic, Key: []byte(strconv.Itoa(i)), Value: []byte(strconv.Itoa(i))}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return nil, err
		}
	}
	return count, nil
}

func transact(ctx context.Context, broker kgo.Opt, topic string, end kgo.TransactionEndTry) (any, error) {
	client, err := kgo.NewClient(broker, kgo.AllowAutoTopicCreation(), kgo.TransactionalID(fmt.Sprint(topic, bool(end))))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return nil, err
	}
	record := &kgo.Record{Topic: topic + "-transaction", Value: []byte("x")}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return nil, err
	}
	return "done", client.EndTransaction(ctx, end)
}

func read(ctx context.Context, broker kgo.Opt, topic string, count int) (any, error) {
	client, err := kgo.NewClient(broker, kgo.ConsumerGroup(topic+"-group"), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	seen := map[string]bool{}
	for len(seen) < count && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(record *kgo.Record) { seen[string(record.Value)] = true })
	}
	administer(kadm.NewClient(client), topic)
	return len(seen), nil
}

func administer(admin *kadm.Client, topic string) {
	attempt("create", func(ctx context.Context) (any, error) {
		if _, err := admin.CreateTopic(ctx, 3, 1, nil, topic+"-made"); err != nil {
			return nil, err
		}
		topics, err := admin.ListTopics(ctx, topic+"-made")
		return len(topics[topic+"-made"].Partitions), err
	})
	attempt("configs", func(ctx context.Context) (any, error) {
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		return len(configs) == 1 && len(configs[0].Configs) > 0, err
	})
	attempt("groups", func(ctx context.Context) (any, error) {
		groups, err := admin.ListGroups(ctx)
		_, found := groups[topic+"-group"]
		return found, err
	})
	attempt("members", func(ctx context.Context) (any, error) {
		groups, err := admin.DescribeGroups(ctx, topic+"-group")
		return len(groups[topic+"-group"].Members) == 1, err
	})
	attempt("delete", func(ctx context.Context) (any, error) {
		responses, err := admin.DeleteTopics(ctx, topic+"-made")
		if err == nil {
			err = responses[topic+"-made"].Err
		}
		return "done", err
	})
}

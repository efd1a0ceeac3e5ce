// SPDX-License-Identifier: Apache-2.0

// kafka-go against a broker: BROKER TOPIC COUNT. What came of it, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

var result = map[string]any{}

// What the client says is the result.
func attempt(name string, call func(ctx context.Context) (any, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	value, err := call(ctx)
	if err != nil {
		value = err.Error()
	}
	result[name] = value
}

func main() {
	broker, topic := os.Args[1], os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	client := &kafka.Client{Addr: kafka.TCP(broker), Timeout: 20 * time.Second}
	attempt("create", func(ctx context.Context) (any, error) {
		response, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 4, ReplicationFactor: 1}}})
		if err == nil {
			err = response.Errors[topic]
		}
		return 3, err
	})
	attempt("produced", func(ctx context.Context) (any, error) { return produce(ctx, broker, topic, count) })
	attempt("read", func(ctx context.Context) (any, error) { return read(ctx, client, broker, topic, count) })
	attempt("delete", func(ctx context.Context) (any, error) {
		response, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		if err == nil {
			err = response.Errors[topic]
		}
		return "done", err
	})
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}

func produce(ctx context.Context, broker, topic string, count int) (any, error) {
	writer := kafka.Writer{Addr: kafka.TCP(broker), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
	defer writer.Close()
	messages := make([]kafka.Message, count)
	for i := range messages {
		messages[i] = kafka.Message{Key: []byte(strconv.Itoa(i)), Value: []byte(strconv.Itoa(i))}
	}
	return count, writer.WriteMessages(ctx, messages...)
}

func read(ctx context.Context, client *kafka.Client, broker, topic string, count int) (any, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: topic, GroupID: topic + "-group", MaxWait: 200 * time.Millisecond})
	defer reader.Close()
	seen := map[string]bool{}
	for len(seen) < count {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return len(seen), err
		}
		seen[string(message.Value)] = true
	}
	attempt("groups", func(ctx context.Context) (any, error) {
		response, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
		return err == nil && len(response.Groups) > 0, err
	})
	attempt("members", func(ctx context.Context) (any, error) {
		response, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{topic + "-group"}})
		return err == nil && len(response.Groups[0].Members) == 1, err
	})
	return len(seen), nil
}

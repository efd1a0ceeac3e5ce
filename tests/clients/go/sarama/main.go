// SPDX-License-Identifier: Apache-2.0

// sarama against a broker: BROKER TOPIC COUNT. What came of it, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

var result = map[string]any{}

// What the client says is the result.
func attempt(name string, call func() (any, error)) {
	value, err := call()
	if err != nil {
		value = err.Error()
	}
	result[name] = value
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	if spoken, err := sarama.ParseKafkaVersion(os.Getenv("SPEAKS")); err == nil {
		config.Version = spoken
	}
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func main() {
	brokers, topic := []string{os.Args[1]}, os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	attempt("produced", func() (any, error) { return produce(brokers, topic, count) })
	attempt("read", func() (any, error) { return read(brokers, topic, count) })
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}

func produce(brokers []string, topic string, count int) (any, error) {
	producer, err := sarama.NewSyncProducer(brokers, config())
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	for i := 0; i < count; i++ {
		value := sarama.StringEncoder(strconv.Itoa(i))
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: value, Value: value}); err != nil {
			return nil, err
		}
	}
	return count, nil
}

// All that its group was given.
type reader struct{ values chan string }

func (reader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (reader reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		session.MarkMessage(message, "")
		reader.values <- string(message.Value)
	}
	return nil
}

func read(brokers []string, topic string, count int) (any, error) {
	group, err := sarama.NewConsumerGroup(brokers, topic+"-group", config())
	if err != nil {
		return nil, err
	}
	values, seen := make(chan string, count), map[string]bool{}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- group.Consume(ctx, []string{topic}, reader{values}) }()
	for len(seen) < count && ctx.Err() == nil {
		select {
		case value := <-values:
			seen[value] = true
		case err := <-ended:
			return nil, fmt.Errorf("the group ended: %v", err)
		case <-ctx.Done():
		}
	}
	attempt("admin", func() (any, error) { return administer(brokers, topic) })
	return len(seen), nil
}

func administer(brokers []string, topic string) (any, error) {
	admin, err := sarama.NewClusterAdmin(brokers, config())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	attempt("create", func() (any, error) {
		if err := admin.CreateTopic(topic+"-made", &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false); err != nil {
			return nil, err
		}
		topics, err := admin.DescribeTopics([]string{topic + "-made"})
		return len(topics[0].Partitions), err
	})
	attempt("configs", func() (any, error) {
		entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
		return len(entries) > 0, err
	})
	attempt("groups", func() (any, error) {
		groups, err := admin.ListConsumerGroups()
		return groups[topic+"-group"] != "", err
	})
	attempt("members", func() (any, error) {
		groups, err := admin.DescribeConsumerGroups([]string{topic + "-group"})
		return len(groups) == 1 && len(groups[0].Members) == 1, err
	})
	attempt("delete", func() (any, error) { return "done", admin.DeleteTopic(topic + "-made") })
	return true, nil
}

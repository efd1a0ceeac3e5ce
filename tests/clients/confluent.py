# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka against a broker: PROGRAM BROKER TOPIC COUNT. What came of it, as JSON."""
import json
import sys
import time

from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

broker, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
result = {}


def attempt(name, call):
    try:
        result[name] = call()
    except Exception as error:  # what the client says is the result
        result[name] = f"{type(error).__name__}: {error}"


def produce():
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True})
    for i in range(count):
        producer.produce(topic, key=str(i), value=str(i))
    return count - producer.flush(20)


def transact(id, end):
    producer = Producer({"bootstrap.servers": broker, "transactional.id": f"{topic}-{id}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(f"{topic}-transaction", value="x")
    producer.flush(20)
    end(producer)
    return "done"


def read(consumer):
    seen = set()
    end = time.monotonic() + 20
    while len(seen) < count and time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            seen.add(message.value())
    return len(seen)


def offsets_by_time(consumer):
    """From 1970 on there is a first message in each of the four partitions, from the next hour on there is none."""
    def offsets(time_ms):
        return [at.offset for at in consumer.offsets_for_times([TopicPartition(topic, i, time_ms) for i in range(4)], 20)]
    return offsets(1) == [0] * 4 and offsets(int(time.time() + 3600) * 1000) == [OFFSET_END] * 4


def consume():
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"{topic}-group", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    seen = read(consumer)
    attempt("times", lambda: offsets_by_time(consumer))
    administer()
    consumer.close()
    return seen


def consume_by_new_protocol():
    errors = []
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"{topic}-new", "group.protocol": "consumer",
                         "error_cb": lambda error: errors.append(error.str())})
    consumer.subscribe([topic])
    end = time.monotonic() + 15
    while not errors and time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is not None and message.error() is not None:
            errors.append(message.error().str())
    consumer.close()
    return " ".join(errors)


def first(futures):
    return next(iter(futures.values())).result(20)


def administer():
    admin = AdminClient({"bootstrap.servers": broker})

    def create():
        first(admin.create_topics([NewTopic(f"{topic}-made", 3, 1)]))
        return len(admin.list_topics(f"{topic}-made").topics[f"{topic}-made"].partitions)
    attempt("create", create)
    attempt("configs", lambda: "retention.bytes" in first(admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)])))
    attempt("groups", lambda: f"{topic}-group" in [group.group_id for group in admin.list_consumer_groups().result(20).valid])
    attempt("members", lambda: len(first(admin.describe_consumer_groups([f"{topic}-group"])).members) == 1)
    attempt("delete", lambda: str(first(admin.delete_topics([f"{topic}-made"]))))


attempt("produced", produce)
attempt("read", consume)
attempt("committed", lambda: transact("committed", lambda producer: producer.commit_transaction(20)))
attempt("aborted", lambda: transact("aborted", lambda producer: producer.abort_transaction(20)))
attempt("new_protocol", consume_by_new_protocol)
print(json.dumps(result))

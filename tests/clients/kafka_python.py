# SPDX-License-Identifier: Apache-2.0
"""kafka-python against a broker: PROGRAM BROKER TOPIC COUNT. What came of it, as JSON."""
import inspect
import json
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

broker, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
result = {}


def attempt(name, call):
    try:
        result[name] = call()
    except Exception as error:  # what the client says is the result
        result[name] = f"{type(error).__name__}: {error}"


def produce():
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    for i in range(count):
        producer.send(topic, key=b"%d" % i, value=b"%d" % i)
    producer.flush()
    producer.close()
    return count


def offsets_by_time(consumer):
    """From 1970 on there is a first message in each of the four partitions, from the next hour on there is none."""
    def offsets(time_ms):
        found = consumer.offsets_for_times({TopicPartition(topic, i): time_ms for i in range(4)})
        return [at and at.offset for at in found.values()]
    return offsets(1) == [0] * 4 and offsets(int(time.time() + 3600) * 1000) == [None] * 4


def consume():
    consumer = KafkaConsumer(topic, bootstrap_servers=broker, group_id=f"{topic}-group", auto_offset_reset="earliest", consumer_timeout_ms=20000)
    seen = set()
    for message in consumer:
        seen.add(message.value)
        if len(seen) == count:
            break
    consumer.commit()
    attempt("times", lambda: offsets_by_time(consumer))
    administer()
    consumer.close()
    return len(seen)


def create(admin):
    admin.create_topics([NewTopic(f"{topic}-made", 3, 1)])
    return len(admin.describe_topics([f"{topic}-made"])[0]["partitions"])


def configs(admin):
    all_of_them = {"config_filter": "all"} if "config_filter" in inspect.signature(admin.describe_configs).parameters else {}
    return admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], **all_of_them)


def administer():
    admin = KafkaAdminClient(bootstrap_servers=broker)
    attempt("create", lambda: create(admin))
    attempt("configs", lambda: "retention.bytes" in str(configs(admin)))
    attempt("groups", lambda: f"{topic}-group" in str(admin.list_groups() if hasattr(admin, "list_groups") else admin.list_consumer_groups()))
    attempt("members", lambda: "Stable" in str(admin.describe_groups([f"{topic}-group"]) if hasattr(admin, "describe_groups") else
                                               admin.describe_consumer_groups([f"{topic}-group"])))
    attempt("delete", lambda: str(admin.delete_topics([f"{topic}-made"])))
    admin.close()


attempt("produced", produce)
attempt("read", consume)
print(json.dumps(result))

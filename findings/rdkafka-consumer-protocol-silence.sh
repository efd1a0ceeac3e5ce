#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A consumer of librdkafka 2.16.1 with group.protocol=consumer says nothing where the brokers do not have that protocol: no error, no event, no
# line in its log; it is never given a partition. The brokers here are the mock cluster of librdkafka 2.0.2, which is older than the protocol.
. "$(dirname "$0")/lib.sh"

python confluent-kafka==2.0.2
mv venv old
python confluent-kafka==2.16.1
cat >brokers.py <<'P'
import sys

import confluent_kafka

producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
producer.produce("t", b"x")
producer.flush(10)
broker = next(iter(producer.list_topics("t").brokers.values()))
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
P
cat >join.py <<'P'
import sys
import time

import confluent_kafka

heard = []
consumer = confluent_kafka.Consumer({"bootstrap.servers": sys.argv[1], "group.id": "g", "group.protocol": sys.argv[2], "auto.offset.reset": "earliest",
                                     "error_cb": lambda error: heard.append(error.name())}, logger=None)
consumer.subscribe(["t"])
end = time.monotonic() + 30
while time.monotonic() < end and not heard:
    message = consumer.poll(0.5)
    if message is not None:
        heard.append(message.error().name() if message.error() else "a message")
print(*heard or ["nothing in 30 s"])
P

mkfifo hold
old/bin/python3 brokers.py <hold >address 2>/dev/null &
exec 9>hold
while [ ! -s address ]; do sleep 0.2; done
seen 'classic' "$(venv/bin/python join.py "$(cat address)" classic 2>/dev/null)" 'a message'
seen 'consumer' "$(venv/bin/python join.py "$(cat address)" consumer 2>/dev/null)" 'nothing in 30 s'

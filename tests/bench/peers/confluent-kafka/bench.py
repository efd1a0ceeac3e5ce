# SPDX-License-Identifier: Apache-2.0
"""bench.py BOOTSTRAP TOPIC COUNT: what confluent-kafka's consumer does with a topic in batches, as one line of JSON."""
import json
import os
import sys
import time

from confluent_kafka import Consumer

BATCH = 10000
bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"confluent-{os.urandom(4).hex()}", "auto.offset.reset": "earliest",
                     "enable.auto.commit": False})
consumer.subscribe([topic])
begun, seen, length = None, 0, 0
while seen < count:
    messages = consumer.consume(BATCH, 0.1)
    if messages and begun is None:
        begun = time.monotonic()
    for message in messages:
        length += len(message.value())
    seen += len(messages)
print(json.dumps({"events": count, "seconds": time.monotonic() - begun, "bytes": length}), flush=True)
consumer.close()

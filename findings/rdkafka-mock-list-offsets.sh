#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The mock cluster of librdkafka 2.0.2 answers ListOffsets from version 4 on with a leader epoch of eight bytes, where the protocol
# has four: a client of another kind reads past the first partition at the wrong place.
. "$(dirname "$0")/lib.sh"

python confluent-kafka==2.0.2
cat >ask.py <<'P'
import socket
import struct

import confluent_kafka

producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
producer.produce("t", b"x")
producer.flush(10)
broker = next(iter(producer.list_topics("t").brokers.values()))


def text(value):
    return struct.pack(">h", len(value)) + value


# ListOffsets 4 of one partition's end: replica, isolation, [topic, [partition, current leader epoch, time]]
body = struct.pack(">ib", -1, 0) + struct.pack(">i", 1) + text(b"t") + struct.pack(">i", 1) + struct.pack(">iiq", 0, -1, -1)
request = struct.pack(">hhi", 2, 4, 7) + text(b"finding") + body
with socket.create_connection((broker.host, broker.port)) as link:
    link.sendall(struct.pack(">i", len(request)) + request)
    size, = struct.unpack(">i", link.recv(4, socket.MSG_WAITALL))
    link.recv(size, socket.MSG_WAITALL)

# correlation, throttle time, count, topic, count, partition: index, error, time, offset, leader epoch
print("librdkafka", confluent_kafka.libversion()[0], "answers", size, "bytes, the protocol", 4 + 4 + 4 + 2 + 1 + 4 + 4 + 2 + 8 + 8 + 4)
P

seen 'ListOffsets 4' "$(venv/bin/python ask.py)" 'librdkafka 2.0.2 answers 49 bytes, the protocol 45'

# SPDX-License-Identifier: Apache-2.0
"""faust-streaming against a broker: PROGRAM BROKER TOPIC COUNT. An agent that counts a topic's events in a table."""
import json
import os
import sys

import faust

broker, topic_name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = faust.App(topic_name, broker=f"kafka://{broker}", value_serializer="raw", topic_partitions=4, web_enabled=False)
topic = app.topic(topic_name, value_type=bytes, partitions=4)
table = app.Table("counts", default=int, partitions=4)
seen = set()


@app.agent(topic)
async def work(events):
    async for event in events:
        table["all"] += 1
        seen.add(bytes(event))
        if len(seen) == count:
            os.write(1, json.dumps({"produced": count, "read": len(seen)}).encode() + b"\n")  # print() goes to its log
            os._exit(0)  # an agent can't wait for its own end


@app.task
async def produce():
    for i in range(count):
        await topic.send(key=b"%d" % i, value=b"%d" % i)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel=error"]
    app.main()

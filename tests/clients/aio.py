# SPDX-License-Identifier: Apache-2.0
"""aiokafka against a broker: PROGRAM BROKER TOPIC COUNT. What came of it, as JSON."""
import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

broker, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
result = {}


async def attempt(name, call):
    try:
        result[name] = await call()
    except Exception as error:  # what the client says is the result
        result[name] = f"{type(error).__name__}: {error}"


async def produce():
    async with AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True) as producer:
        for i in range(count):
            await producer.send_and_wait(topic, key=b"%d" % i, value=b"%d" % i)
    return count


async def transact(id, end):
    async with AIOKafkaProducer(bootstrap_servers=broker, transactional_id=f"{topic}-{id}") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(f"{topic}-transaction", b"x")
        await getattr(producer, end)()
    return "done"


async def read(consumer, seen):
    async for message in consumer:
        seen.add(message.value)
        if len(seen) == count:
            return


async def offsets_by_time(consumer):
    """From 1970 on there is a first message in each of the four partitions, from the next hour on there is none."""
    async def offsets(time_ms):
        found = await consumer.offsets_for_times({TopicPartition(topic, i): time_ms for i in range(4)})
        return [at and at.offset for at in found.values()]
    return await offsets(1) == [0] * 4 and await offsets(int(time.time() + 3600) * 1000) == [None] * 4


async def consume():
    seen = set()
    async with AIOKafkaConsumer(topic, bootstrap_servers=broker, group_id=f"{topic}-group", auto_offset_reset="earliest") as consumer:
        await asyncio.wait_for(read(consumer, seen), 20)
        await attempt("times", lambda: offsets_by_time(consumer))
        await administer()
    return len(seen)


async def administer():
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()

    async def create():
        await admin.create_topics([NewTopic(f"{topic}-made", 3, 1)])
        return len((await admin.describe_topics([f"{topic}-made"]))[0]["partitions"])

    async def configs():
        return "retention.bytes" in str(await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))

    async def groups():
        return f"{topic}-group" in str(await admin.list_consumer_groups())

    async def members():
        return "Stable" in str(await admin.describe_consumer_groups([f"{topic}-group"]))

    async def delete():
        return str(await admin.delete_topics([f"{topic}-made"]))
    for call in (create, configs, groups, members, delete):
        await attempt(call.__name__, call)
    await admin.close()


async def main():
    await attempt("produced", produce)
    await attempt("read", consume)
    await attempt("committed", lambda: transact("committed", "commit_transaction"))
    await attempt("aborted", lambda: transact("aborted", "abort_transaction"))
    print(json.dumps(result))


asyncio.run(main())

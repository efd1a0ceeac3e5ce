// SPDX-License-Identifier: Apache-2.0
// kafkajs against a broker: BROKER TOPIC COUNT. What came of it, as JSON.
const { Kafka, logLevel, ConfigResourceTypes } = require('kafkajs');

const [broker, topic, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const kafka = new Kafka({ clientId: 'test', brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 3 } });
const result = {};

async function attempt(name, call) {
  try {
    result[name] = await call();
  } catch (error) { // what the client says is the result
    result[name] = `${error.name}: ${error.message}`;
  }
}

async function produce() {
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic, messages: Array.from({ length: count }, (_, i) => ({ key: `${i}`, value: `${i}` })) });
  await producer.disconnect();
  return count;
}

async function transact(id, end) {
  const producer = kafka.producer({ transactionalId: `${topic}-${id}`, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: `${topic}-transaction`, messages: [{ value: 'x' }] });
  await end(transaction);
  await producer.disconnect();
  return 'done';
}

async function consume() {
  const consumer = kafka.consumer({ groupId: `${topic}-group` });
  const seen = new Set();
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => { seen.add(message.value.toString()); } });
  for (let left = 200; left > 0 && seen.size < count; left--) await new Promise((done) => setTimeout(done, 100));
  await administer();
  await consumer.disconnect();
  return seen.size;
}

async function administer() {
  const admin = kafka.admin();
  await admin.connect();
  await attempt('create', async () => {
    await admin.createTopics({ topics: [{ topic: `${topic}-made`, numPartitions: 3 }] });
    return (await admin.fetchTopicMetadata({ topics: [`${topic}-made`] })).topics[0].partitions.length;
  });
  await attempt('configs', async () => {
    const described = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] });
    return described.resources[0].configEntries.some((entry) => entry.configName === 'retention.bytes');
  });
  await attempt('groups', async () => (await admin.listGroups()).groups.some((group) => group.groupId === `${topic}-group`));
  await attempt('members', async () => (await admin.describeGroups([`${topic}-group`])).groups[0].members.length === 1);
  await attempt('times', async () => {
    // From 1970 on there is a first message in each of the four partitions, from the next hour on there is none.
    const offsets = async (time) => (await admin.fetchTopicOffsetsByTimestamp(topic, time)).map((partition) => partition.offset);
    const [first, end] = [await offsets(1), await offsets(Date.now() + 3600000)];
    return first.length === 4 && first.every((offset) => offset === '0') && end.every((offset) => Number(offset) > 0);
  });
  await attempt('delete', async () => { await admin.deleteTopics({ topics: [`${topic}-made`] }); return 'done'; });
  await admin.disconnect();
}

async function main() {
  await attempt('produced', produce);
  await attempt('read', consume);
  await attempt('committed', () => transact('committed', (transaction) => transaction.commit()));
  await attempt('aborted', () => transact('aborted', (transaction) => transaction.abort()));
  console.log(JSON.stringify(result));
  process.exit(0);
}

main();

// SPDX-License-Identifier: Apache-2.0
// @platformatic/kafka against a broker: BROKER TOPIC COUNT. What came of it, as JSON.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';

const [broker, topic, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const common = { clientId: 'test', bootstrapBrokers: [broker] };
const result = {};

async function attempt(name, call) {
  try {
    result[name] = await call();
  } catch (error) { // what the client says is the result
    result[name] = [error, ...(error.errors ?? [])].map(String).join(' ');
  }
}

async function produce() {
  const producer = new Producer({ ...common, serializers: stringSerializers, idempotent: true, autocreateTopics: true });
  await producer.send({ messages: Array.from({ length: count }, (_, i) => ({ topic, key: `${i}`, value: `${i}` })) });
  await producer.close();
  return count;
}

async function consume() {
  const consumer = new Consumer({ ...common, groupId: `${topic}-group`, deserializers: stringDeserializers });
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: true });
  const seen = new Set();
  stream.on('data', (message) => seen.add(message.value));
  for (let left = 200; left > 0 && seen.size < count; left--) await new Promise((done) => setTimeout(done, 100));
  await administer();
  await consumer.close(true);
  return seen.size;
}

async function administer() {
  const admin = new Admin(common);
  await attempt('create', async () => {
    await admin.createTopics({ topics: [`${topic}-made`], partitions: 3, replicas: 1 });
    return (await admin.metadata({ topics: [`${topic}-made`] })).topics.get(`${topic}-made`).partitionsCount;
  });
  await attempt('groups', async () => (await admin.listGroups()).has(`${topic}-group`));
  await attempt('delete', async () => { await admin.deleteTopics({ topics: [`${topic}-made`] }); return 'done'; });
  await admin.close();
}

await attempt('produced', produce);
await attempt('read', consume);
console.log(JSON.stringify(result));
process.exit(0);

// SPDX-License-Identifier: Apache-2.0
// bench.js BOOTSTRAP TOPIC COUNT: a kafkajs consumer that takes the topic in batches, as its manual has it for speed.
import { Kafka, logLevel } from 'kafkajs';

const [bootstrap, topic, text] = process.argv.slice(2);
const count = Number(text);
const kafka = new Kafka({ clientId: 'bench', brokers: [bootstrap], logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: `kafkajs-${process.pid}-${Date.now()}`, maxBytesPerPartition: 4 << 20 });
let begun = 0;
let seen = 0;
let length = 0;

await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const seconds = await new Promise((done) => {
  consumer.run({
    eachBatchAutoResolve: true,
    partitionsConsumedConcurrently: 4,
    eachBatch: async ({ batch }) => {
      begun ||= performance.now();
      for (const message of batch.messages) length += message.value.length;
      seen += batch.messages.length;
      if (seen >= count) done((performance.now() - begun) / 1000);
    },
  });
});
console.log(JSON.stringify({ events: count, seconds, bytes: length }));
await consumer.disconnect();
process.exit(0);

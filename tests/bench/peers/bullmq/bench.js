// SPDX-License-Identifier: Apache-2.0
// bench.js REDIS_PORT noop|chain|retry|late COUNT WAITING: what BullMQ does with COUNT jobs, as one line of JSON.
import { Queue, Worker } from "bullmq";

const [port, mode, countText, waitingText] = process.argv.slice(2);
const count = Number(countText);
const waiting = Number(waitingText);
const steps = 10;
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const options = { removeOnComplete: true, removeOnFail: true };
const text = "x".repeat(180);
const queue = new Queue("bench", { connection, defaultJobOptions: options });

async function addAll(total, make) {
  for (let at = 0; at < total; at += 1000) {
    await queue.addBulk(Array.from({ length: Math.min(1000, total - at) }, make));
  }
}

function finished(total, handle) {
  let seen = 0;
  return new Promise((resolve) => {
    new Worker("bench", async (job) => {
      if (await handle(job)) {
        seen += 1;
        if (seen === total) resolve();
      }
    }, { connection, concurrency: 64, ...options });
  });
}

function report(result) {
  process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0));
}

async function throughput() {
  const opts = mode === "retry" ? { attempts: 2, backoff: { type: "fixed", delay: 200 } } : {};
  await addAll(count, () => ({ name: mode, data: { step: 0, text }, opts }));
  const begun = process.hrtime.bigint();
  await finished(count, async (job) => {
    if (mode === "retry" && job.attemptsMade === 0) throw new Error("again");
    if (mode === "noop" || mode === "retry" || job.data.step + 1 === steps) return true;
    await queue.add("chain", { step: job.data.step + 1, text });
    return false;
  });
  report({ events: count, seconds: Number(process.hrtime.bigint() - begun) / 1e9 });
}

async function lateness() {
  const late = [];
  await addAll(waiting, () => ({ name: "noop", data: { text }, opts: { delay: 3600000 } }));
  const all = finished(count, async (job) => {
    late.push(Date.now() - job.data.due);
    return true;
  });
  const begun = Date.now();
  for (let i = 0; i < count;) {
    const target = Math.min(count, Date.now() - begun);
    const jobs = [];
    for (; i < target; i++) jobs.push({ name: "late", data: { text, due: Date.now() + 1000 }, opts: { delay: 1000 } });
    if (jobs.length > 0) await queue.addBulk(jobs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await all;
  late.sort((a, b) => a - b);
  report({ events: count, p50_ms: late[Math.floor(count / 2)], p99_ms: late[Math.floor(count * 0.99)] });
}

await (mode === "late" ? lateness() : throughput());

// SPDX-License-Identifier: Apache-2.0
// An app of one function, `noop` or `steps` (ten of them), on bench/event. On a port and a thread of their own, GET
// /counts: runs that ended, and the seconds of CPU that this process has used.
import http from "node:http";
import { Worker, isMainThread, workerData } from "node:worker_threads";

const [port, kind, version, countsPort] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4]), Number(process.argv[5])];

function count(ended) {
  http.createServer((_, response) => {
    const { user, system } = process.cpuUsage();
    response.end(JSON.stringify({ ended: Atomics.load(ended, 0), cpu_s: (user + system) / 1e6 }));
  }).listen(countsPort, "127.0.0.1");
}

async function work(ended) {
  const sdk = version >= 4 ? "inngest4" : "inngest";
  const { Inngest } = await import(sdk);
  const { serve } = await import(`${sdk}/node`);
  const inngest = new Inngest({ id: "bench" });
  const bodies = {
    noop: async () => { Atomics.add(ended, 0, 1); },
    steps: async ({ step }) => {
      for (let i = 0; i < 10; i++) await step.run(`s${i}`, () => i);
      Atomics.add(ended, 0, 1);
    },
  };
  const trigger = { event: "bench/event" };
  const made = version >= 4 ? inngest.createFunction({ id: kind, triggers: [trigger] }, bodies[kind])
    : inngest.createFunction({ id: kind }, trigger, bodies[kind]);
  http.createServer(serve({ client: inngest, functions: [made] })).listen(port, "127.0.0.1");
}

if (isMainThread) {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), workerData: shared });
  await work(shared);
} else {
  count(workerData);
}

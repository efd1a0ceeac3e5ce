// SPDX-License-Identifier: Apache-2.0
// An app of one function, `noop` or `steps` (ten of them), on bench/event. GET /counts: runs that ended, and the
// seconds of CPU that this process has used.
import http from "node:http";
import { Inngest } from "inngest";
import { serve } from "inngest/node";

const [port, kind] = [Number(process.argv[2]), process.argv[3]];
const inngest = new Inngest({ id: "bench" });
let ended = 0;

const bodies = {
  noop: async () => { ended++; },
  steps: async ({ step }) => {
    for (let i = 0; i < 10; i++) await step.run(`s${i}`, () => i);
    ended++;
  },
};
const answer = serve({ client: inngest, functions: [inngest.createFunction({ id: kind }, { event: "bench/event" }, bodies[kind])] });

http.createServer((request, response) => {
  if (request.url !== "/counts") return answer(request, response);
  const { user, system } = process.cpuUsage();
  response.end(JSON.stringify({ ended, cpu_s: (user + system) / 1e6 }));
}).listen(port, "127.0.0.1");

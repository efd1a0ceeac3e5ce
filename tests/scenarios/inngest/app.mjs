// SPDX-License-Identifier: Apache-2.0
// Functions that fail in every way, and a record of each call of them: GET /calls, GET /seen.
import http from "node:http";
import { Readable } from "node:stream";
import { Inngest, NonRetriableError, RetryAfterError } from "inngest";
import { serve } from "inngest/node";

const [port, version] = [Number(process.argv[2]), Number(process.argv[3])];
const inngest = new Inngest({ id: "oracle" });
const calls = [];
const seen = [];

const see = (id, step, attempt) => seen.push([id, step, attempt]);
const make = (id, run, options = {}, trigger = { event: id }) => version >= 4
  ? inngest.createFunction({ id, triggers: [trigger], ...options }, run)
  : inngest.createFunction({ id, ...options }, trigger, run);
const failUntil = (last) => (attempt) => { if (attempt < last) throw new Error(`attempt ${attempt}`); };

const functions = [
  make("never", async () => { throw new Error("no"); }, { retries: 2 }),
  make("zero", async () => { throw new Error("no"); }, { retries: 0 }),
  make("mixed", async ({ attempt, step }) => {
    await step.run("a", () => { failUntil(2)(attempt); return 7; });
    if (attempt === 0) throw new Error("once");
    await step.run("b", () => {});
  }),
  make("times", async ({ attempt, step }) => {
    await step.run("busy", () => { if (attempt === 0) throw new RetryAfterError("busy", 2000); });
    await step.sleep("nap", 300);
    await step.sleepUntil("past", new Date(1000));
  }),
  make("after", async ({ attempt }) => { if (attempt === 0) throw new RetryAfterError("later", 3000); }),
  make("fatal", async ({ attempt }) => { throw attempt === 0 ? new Error("x") : new NonRetriableError("stop"); }),
  make("unhandled", async ({ attempt, step }) => {
    await step.run("bad", () => failUntil(3)(attempt));
  }, { retries: 2 }),
  make("handled", async ({ step }) => {
    try { await step.run("bad", () => { throw new Error("bad"); }); }
    catch (error) { return step.run("rollback", () => `rolled back: ${error.message}`); }
  }, { retries: 1 }),
  make("sender", async ({ attempt, step }) => {
    await step.sendEvent("tell", { name: "told", data: { from: "sender" } });
    if (attempt < 2) throw new Error("after");
  }),
  make("told", async ({ event, attempt }) => see("told", event.data.from, attempt)),
  make("parallel", async ({ attempt, step }) => Promise.all([
    step.run("p1", () => { see("parallel", "p1", attempt); failUntil(1)(attempt); return 1; }),
    step.run("p2", () => { see("parallel", "p2", attempt); return 2; }),
  ])),
  make("loop", async ({ step }) => {
    const sum = [];
    for (let i = 0; i < 3; i++) sum.push(await step.run("same", () => i));
    return sum;
  }),
  make("waits", async ({ step }) => ({ came: await step.waitForEvent("w", { event: "signal", timeout: "1h", if: "async.data.n == event.data.n" }), gone: await step.waitForEvent("gone", { event: "signal", timeout: "1s" }) }), { retries: 0 }),
  make("onfail", async () => { throw new Error("gone"); },
    { retries: 1, onFailure: async ({ event, attempt }) => see("onfail", event.data.error.message, attempt) }),
  make("listener", async ({ event, attempt }) => see("listener", event.data.function_id, attempt), {}, { event: "inngest/function.failed" }),
  make("slow", async ({ step }) => {
    for (let i = 0; i < 10; i++) await step.run(`s${i}`, async () => { see("slow", i, 0); await new Promise((done) => setTimeout(done, 50)); return i; });
    return "done";
  }),
];

const answer = serve({ client: inngest, functions });

async function record(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const copy = Object.assign(Readable.from(body.length ? [body] : []), { headers: request.headers, method: request.method, url: request.url, socket: request.socket });
  const written = [];
  const [write, end] = [response.write.bind(response), response.end.bind(response)];
  response.write = (data, ...more) => { written.push(Buffer.from(data)); return write(data, ...more); };
  response.end = (data, ...more) => {
    if (data && typeof data !== "function") written.push(Buffer.from(data));
    if (request.method === "POST") {
      const { ctx, steps } = JSON.parse(body);
      const reply = JSON.parse(Buffer.concat(written).toString() || "null");
      const ops = response.statusCode === 206 ? reply.map((op) => [op.op, op.displayName ?? ""]) : [];
      calls.push([new URL(request.url, "http://x").searchParams.get("fnId"), [ctx.attempt, ctx.max_attempts, Object.keys(steps).length, response.statusCode, ops]]);
    }
    return end(data, ...more);
  };
  return answer(copy, response);
}

http.createServer((request, response) => {
  if (request.url === "/calls") response.end(JSON.stringify(calls));
  else if (request.url === "/seen") response.end(JSON.stringify(seen));
  else record(request, response);
}).listen(port, "127.0.0.1");

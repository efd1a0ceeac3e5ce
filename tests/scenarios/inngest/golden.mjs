// SPDX-License-Identifier: Apache-2.0
// Functions that wait for the world in every way that the SDK has: events, each other, the clock, a server.
import { Inngest } from "inngest";
import { serve } from "inngest/node";
import http from "node:http";

const [port, version] = [Number(process.argv[2]), Number(process.argv[3])];
const inngest = new Inngest({ id: "golden" });
const on = (trigger) => (id, run, options = {}) => version >= 4
  ? inngest.createFunction({ id, triggers: [trigger ?? { event: id }], ...options }, run)
  : inngest.createFunction({ id, ...options }, trigger ?? { event: id }, run);
const make = on(null);

const quick = make("quick", async ({ event }) => ({ twice: event.data.n * 2 }));
const bad = make("bad", async () => { throw new TypeError("no good"); }, { retries: 0 });

// SDK 4 ends a function only once all steps that it began have ended, the losers of a race too: there they are short.
const racing = (group, run) => version >= 4 ? group.parallel({ mode: "race" }, run) : run();
const long = version >= 4 ? "15s" : "1h";

const functions = [
  quick, bad,
  make("all", async ({ step, event }) => {
    const [a, b, gone, i, slept, own] = await Promise.all([
      step.waitForEvent("a", { event: "go/a", timeout: "1h", if: "async.data.id == event.data.id" }),
      step.waitForEvent("b", { event: "go/b", timeout: "1h" }),
      step.waitForEvent("gone", { event: "never", timeout: "1s" }),
      step.invoke("i", { function: quick, data: { n: event.data.id } }),
      step.sleep("nap", "1s"),
      step.run("own", () => "ran"),
    ]);
    return { a: a.data, b: b.data, names: [a.name, b.name], gone, i, slept: slept ?? null, own };
  }),
  make("race", async ({ step, group }) => racing(group, () => Promise.race([
    step.waitForEvent("w", { event: "go/race", timeout: long }).then((event) => event.data),
    step.sleep("nap", long).then(() => "slept"),
  ]))),
  make("late", async ({ step, group }) => racing(group, () => Promise.race([
    step.waitForEvent("w", { event: "never", timeout: long }),
    step.sleep("nap", "1s").then(() => "slept"),
  ]))),
  make("caught", async ({ step }) => {
    try { await step.invoke("i", { function: bad, data: {} }); return "not caught"; }
    catch (error) { return error.message; }
  }, { retries: 0 }),
  make("fetched", async ({ step, event }) => {
    const answer = await step.fetch(event.data.url, { method: "POST", headers: { "x-own": "1" }, body: JSON.stringify({ n: 1 }) });
    return { status: answer.status, body: await answer.json(), own: answer.headers.get("x-from") };
  }),
  make("signalled", async ({ step, event }) => {
    const got = await step.waitForSignal("w", { signal: `s/${event.data.id}`, timeout: event.data.timeout, onConflict: event.data.conflict });
    return { got };
  }, { retries: 0 }),
  make("signals", async ({ step, event }) => {
    const sent = await step.sendSignal("s", { signal: `s/${event.data.id}`, data: { n: 7 } });
    return { sent, nobody: (await inngest.sendSignal({ signal: "s/nobody", data: 1 })).runId ?? null };
  }),
  make("stopped", async ({ step }) => { await step.waitForEvent("w", { event: "never", timeout: "1h" }); return "not stopped"; },
    { cancelOn: [{ event: "stop", if: "async.data.id == event.data.id" }] }),
  on({ cron: "TZ=Europe/Paris * * * * *" })("ticking", async ({ event, step }) => {
    await step.sleep("nap", "1s");
    return { event: { id: event.id, name: event.name, ts: event.ts, data: event.data }, own: await step.run("own", () => event.ts) };
  }),
];
http.createServer(serve({ client: inngest, functions })).listen(port, "127.0.0.1");

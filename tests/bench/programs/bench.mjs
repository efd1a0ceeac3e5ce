// SPDX-License-Identifier: Apache-2.0
// The measured functions for Node.js. What they have seen goes into the file $BOOK, as in bench.py.
import { openSync, writeSync } from "node:fs";

const { default: stepd } = await import(process.env.STEPD_CLIENT);
const book = openSync(process.env.BOOK, "w+");
const text = "x".repeat(100);
const steps = 10;
const count = Buffer.alloc(8);
let seen = 0;

setInterval(() => {
  count.writeBigUInt64LE(BigInt(seen));
  writeSync(book, count, 0, 8, 0);
}, 5).unref();

const functions = {
  noop: () => stepd.function({ id: "program-noop", event: "bench/event" }, async () => { seen += 1; }),
  steps: () => stepd.function({ id: "program-steps", event: "bench/event" }, async (event, step) => {
    for (let i = 0; i < steps; i++) {
      await step.run("step", () => text);
      seen += 1;
    }
  }),
};
functions[process.argv[2]]();
await stepd.serve();

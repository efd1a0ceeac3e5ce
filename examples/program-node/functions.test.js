// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import stepd from "stepd";
import { clickRecorder, sendWelcomeNotification, syncSystems, userWeeklyDigest } from "./functions.js";

test("a click is recorded at the third attempt", async () => {
  const run = await stepd.testing.run(clickRecorder, { buttonId: "buy" });
  assert.deepEqual(run.result, { button: "buy", attempt: 2 });
  assert.equal(run.attempts, 3);
});

test("each step of the sync is retried by itself, and done once", async () => {
  const run = await stepd.testing.run(syncSystems);
  assert.deepEqual(run.steps, { "get-data": { rows: 3 }, "save-data": { saved: 3 } });
  assert.deepEqual(run.delays, [15, 15, 30]);
});

test("a digest is sent, but not to somebody who is gone", async () => {
  const sent = await stepd.testing.run(userWeeklyDigest, { userId: "ada" });
  assert.deepEqual(sent.result, { sentTo: "ada@example.com" });
  const gone = await stepd.testing.run(userWeeklyDigest, { userId: "bob" });
  assert.equal(gone.error.message, "User no longer exists; stopping");
});

test("a welcome waits as long as the service says", async () => {
  const run = await stepd.testing.run(sendWelcomeNotification, { phone: "555" });
  assert.deepEqual(run.result, { message: "welcome, 555" });
  assert.deepEqual(run.delays, [2]);
});

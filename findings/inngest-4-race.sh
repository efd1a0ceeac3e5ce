#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inngest's SDK 4 for TypeScript (4.24.0) ends no function while a step of it that it began is open: a race that its first step has won is answered
# with the step that lost, also within group.parallel({mode: "race"}). SDK 3 (3.54.2) answers with the winner's result. So on any
# server a run of SDK 4 lives as long as the longest branch of its races.
. "$(dirname "$0")/lib.sh"

cat >app.mjs <<'J'
import { createHash } from "node:crypto";
import http from "node:http";
import { Inngest } from "inngest";
import { serve } from "inngest/node";

const isFourth = process.argv[2] === "4";
const client = new Inngest({ id: "app", isDev: true });
const race = ({ step, group }) => {
  const run = () => Promise.race([step.run("a", () => "won"), step.run("b", () => "lost")]);
  return isFourth ? group.parallel({ mode: "race" }, run) : run();
};
const made = isFourth ? client.createFunction({ id: "f", triggers: [{ event: "e" }] }, race)
  : client.createFunction({ id: "f" }, { event: "e" }, race);
const server = http.createServer(serve({ client, functions: [made] })).listen(0, "127.0.0.1", async () => {
  const id = createHash("sha1").update("a").digest("hex"), event = { name: "e", data: {}, id: "1", ts: 1 };
  const ctx = { attempt: 0, disable_immediate_execution: true, env: "", run_id: "1", fn_id: "1", stack: { current: 1, stack: [id] }, use_api: false };
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/api/inngest?fnId=app-f&stepId=step`, {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ ctx, event, events: [event], steps: { [id]: { type: "data", data: "won" } }, use_api: false, version: -1 }),
  });
  const body = JSON.parse(await answer.text());
  console.log(answer.status, Array.isArray(body) ? body.map((op) => `${op.op} ${op.displayName}`).join() : body);
  process.exit();
});
J
for version in 3.54.2 4.24.0; do
    rm -rf node_modules package*.json
    npm install --silent "inngest@$version" || { echo "npm can't install inngest $version"; exit 2; }
    case $version in
        3.*) seen "inngest $version, one step of two has ended" "$(node app.mjs 3 2>/dev/null)" '200 won' ;;
        *) seen "inngest $version, one step of two has ended" "$(node app.mjs 4 2>/dev/null)" '206 StepPlanned b' ;;
    esac
done

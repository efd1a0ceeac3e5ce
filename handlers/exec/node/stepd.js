// SPDX-License-Identifier: Apache-2.0
// For programs that stepd's exec runs. A step that has returned is never run again in its run: the
// program is started again after a failure, and step() answers with what was returned before.
'use strict';
const fs = require('fs');

class StepFailed extends Error {
  constructor(step, { name, message }) {
    super(`${step}: ${name}: ${message}`);
    this.name = 'StepFailed';
    this.step = step;
    this.reason = { name, message };
  }
}

// Thrown in a step, it fails now; elsewhere, the run: no other attempt is made.
class NonRetriable extends Error {}

let unread = Buffer.alloc(0);

function readLine() {
  const part = Buffer.alloc(65536);
  for (;;) {
    const end = unread.indexOf(10);
    if (end >= 0) {
      const line = unread.toString('utf8', 0, end);
      unread = unread.subarray(end + 1);
      return line;
    }
    const size = fs.readSync(4, part);
    if (size === 0) throw new Error('stepd is gone');
    unread = Buffer.concat([unread, part.subarray(0, size)]);
  }
}

function ask(step, request) {
  fs.writeSync(3, JSON.stringify(request) + '\n');
  const answer = JSON.parse(readLine());
  if (answer.error) throw new Error(answer.error);
  if (answer.suspend) process.exit(0);
  if (answer.failed) throw new StepFailed(step, answer.failed);
  return answer;
}

// What `run` returned (or its promise gave), now or in an earlier attempt; as JSON holds it.
async function step(name, run) {
  const answer = ask(name, { step: name });
  if ('result' in answer) return answer.result;
  let result;
  try {
    result = JSON.parse(JSON.stringify((await run()) ?? null));
  } catch (error) {
    const told = { name: error.name ?? 'Error', message: String(error.message ?? error), retriable: !(error instanceof NonRetriable) };
    ask(name, { step: name, error: told });
    throw error;
  }
  ask(name, { step: name, result });
  return result;
}

module.exports = {
  StepFailed,
  NonRetriable,
  step,
  event: () => JSON.parse(fs.readFileSync(0, 'utf8')),
  sleep: (name, ms) => void ask(name, { sleep: name, ms: Math.ceil(ms) }),
  send: (name, eventName, data = null) => void ask(name, { send: name, name: eventName, data }),
  output: (value) => void ask('output', { output: value }),
};

process.on('uncaughtException', (error) => {
  console.error(error.stack ?? String(error));
  process.exit(error instanceof NonRetriable || error instanceof StepFailed ? 65 : 1);
});

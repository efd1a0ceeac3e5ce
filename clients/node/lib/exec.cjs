// SPDX-License-Identifier: Apache-2.0
// For programs that stepd's exec runs, in one file that may be copied beside them. A step that has returned is never run again in its run: the
// program is started again after a failure, and step() answers with what was returned before.
'use strict';
const { AsyncLocalStorage } = require('async_hooks');
const { randomUUID } = require('crypto');
const fs = require('fs');

// ---- errors ----------------------------------------------------------------------------------------

const UNITS_MS = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000 };

// "250ms", "15s", "1m30s", "1.5h", "7d", or a number of seconds.
function durationMs(given) {
  if (typeof given === 'number' && given >= 0 && given !== Infinity) return Math.ceil(given * 1000);
  if (given === '0') return 0;
  if (typeof given === 'string' && /^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(given)) {
    let total = 0;
    for (const [, quantity, unit] of given.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) total += Number(quantity) * UNITS_MS[unit];
    return Math.round(total);
  }
  throw new TypeError(`${shown(given)} is no duration: write "250ms", "15s", "1m30s", "2h", "7d", or a number of seconds`);
}

const shown = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

// A step failed for good: `name` and `message` are its error's. Unhandled, it fails the run; handled, the function goes on.
class StepError extends Error {
  constructor(step, { name, message = '' }, options) {
    super(message, options);
    this.name = name;
    this.step = this.stepId = step;
    this.reason = { name, message };
  }
}

// Thrown in a step, it fails now; elsewhere, the run: no other attempt is made.
class NonRetriable extends Error {}

// Another attempt is worth it in so many seconds ("5s", or at a Date), whatever the schedule says.
class RetryAfter extends Error {
  constructor(seconds, message, options) {
    const ms = seconds instanceof Date ? Math.max(0, seconds - Date.now()) : durationMs(typeof seconds === 'number' ? Math.max(0, seconds) : seconds);
    super(message || `again in ${ms / 1000} s`, options);
    this.seconds = ms / 1000;
  }
}

// An error's own name; for classes that leave it at Error, the class's. Those of stepd stay Error, but for their class.
function nameOf(error) {
  if (!(error instanceof Error)) return String(error?.name || 'Error');
  return error.name && error.name !== 'Error' ? String(error.name) : error.constructor?.name || 'Error';
}

// ---- JSON ------------------------------------------------------------------------------------------

const MARK = randomUUID(); // begins the texts that stand for numbers on the way, and no others
const MARKED = new RegExp(`"${MARK}([^"]+)"`, 'g');

// Where the string that begins at `at` is over.
function endOfString(text, at) {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
  return text.length;
}

// Behind what may stand before a value. It is in a string, where one has begun and is not over; a fraction or an exponent may follow.
const LARGE = /(?:^|[:[,\s])(-?\d{16,})/g;

function markLargeIntegers(text) {
  const parts = [];
  let from = 0;
  let quote = text.indexOf('"'); // where the next string begins
  LARGE.lastIndex = 0;
  for (let found = LARGE.exec(text); found !== null; found = LARGE.exec(text)) {
    const [, digits] = found;
    const end = LARGE.lastIndex;
    const begin = end - digits.length;
    while (quote >= 0 && quote < begin) {
      const after = endOfString(text, quote);
      if (after > begin) LARGE.lastIndex = after;
      quote = text.indexOf('"', after);
    }
    if (LARGE.lastIndex !== end || '.eE'.includes(text[end] ?? ' ') || Number.isSafeInteger(Number(digits))) continue;
    parts.push(text.slice(from, begin), `"${MARK}${digits}"`);
    from = end;
  }
  return from === 0 ? text : parts.join('') + text.slice(from);
}

function unmark(value) {
  if (typeof value === 'string') return value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value;
  if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      const held = value[key];
      if (typeof held === 'string' ? held.startsWith(MARK) : typeof held === 'object') value[key] = unmark(held);
    }
  }
  return value;
}

const DIGITS = 16; // an integer of fewer is exact

const isDigit = (code) => code >= 48 && code <= 57;

// Whether so many digits stand in a row somewhere: then one of them stands at a multiple of that.
function hasManyDigits(text) {
  for (let at = DIGITS - 1; at < text.length; at += DIGITS) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let begin = at;
    let end = at + 1;
    while (isDigit(text.charCodeAt(begin - 1))) begin--;
    while (isDigit(text.charCodeAt(end))) end++;
    if (end - begin >= DIGITS) return true;
  }
  return false;
}

// Integers that a Number does not hold exactly are BigInts.
function parse(text) {
  if (!hasManyDigits(text)) return JSON.parse(text);
  const marked = markLargeIntegers(text);
  return marked === text ? JSON.parse(text) : unmark(JSON.parse(marked));
}

function base64(bytes) {
  return (ArrayBuffer.isView(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.from(bytes)).toString('base64');
}

const isBytes = (value) => value instanceof Uint8Array || value instanceof ArrayBuffer || value instanceof DataView;

// A BigInt is its digits. A Number beyond the exact ones has an exponent, so that it comes back as a Number.
function mark(key, value) {
  if (typeof value === 'bigint') return MARK + value;
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return MARK + '-0';
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? MARK + value.toExponential() : value;
  }
  return typeof value === 'object' && isBytes(this[key]) ? base64(this[key]) : value;
}

// JSON.stringify() escapes surrogates where they are alone: U+FFFD, as they would come back.
function stringify(value) {
  if (value === undefined || value === null) return 'null';
  const text = (typeof value === 'string' ? JSON.stringify(value) : JSON.stringify(value, mark)) ?? 'null';
  const plain = text.includes(MARK) ? text.replace(MARKED, '$1') : text;
  return !plain.includes('\\u') ? plain : plain.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/g, (escape, lone) => (lone ? '\\ufffd' : escape));
}

// ---- asking ----------------------------------------------------------------------------------------

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

function writeAll(text) {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) written += fs.writeSync(3, bytes, written);
}

function ask(step, request) {
  writeAll(stringify(request) + '\n');
  const answer = parse(readLine());
  if (answer.error) throw new Error(answer.error);
  if (answer.suspend) process.exit(0);
  if (answer.failed) throw new StepError(step, answer.failed);
  return answer;
}

// ---- steps beside each other ------------------------------------------------------------------------
//
// What is asked before the program awaits anything goes in one line, and runs beside each other: Promise.all() and
// Promise.race() over steps. One that is not to go on in this process, since it failed and is tried again later, or sleeps,
// waits for a promise that never settles; once all others are finished the process ends, and is started again.

const BETWEEN_STEPS_MS = 1000; // for what the program awaits between two steps while others wait for later

const within = new AsyncLocalStorage();
let asked = []; // not yet told
let replays = []; // that are on record, and not yet given
let running = 0;
let later = 0; // that go no further in this process
let moves = 0; // how often something went on
let hasOutput = false;

const never = () => new Promise(() => {});

function refuseNested() {
  if (within.getStore()) throw new NonRetriable('steps do not nest: ask for what comes next when the step has returned');
}

function reach(request, run) {
  return new Promise((resolve, reject) => {
    moves++;
    asked.push({ request, run, resolve, reject });
    if (asked.length === 1) queueMicrotask(askAll);
  });
}

function askAll() {
  const batch = asked;
  asked = [];
  let answers;
  try {
    answers = ask(null, { steps: batch.map(({ request }) => request) }).steps;
  } catch (error) {
    for (const { reject } of batch) reject(error);
    return;
  }
  const recorded = replays.length;
  batch.forEach((each, i) => begin(each, answers[i]));
  if (recorded === 0 && replays.length > 0) giveLater();
  lookAround();
}

function begin(each, answer) {
  if (answer.later) later++;
  else if (answer.run) execute(answer.id, each).then(each.resolve, each.reject);
  else replays.push({ ...each, answer });
}

// Recorded steps are given one by one in the order in which they were finished, so that a race is won by the same again.
const giveLater = () => setImmediate(giveFirst); // when all that the one before set off has run

function giveFirst() {
  const at = replays.reduce((first, { answer }, i) => (answer.position < replays[first].answer.position ? i : first), 0);
  const [{ answer, resolve, reject }] = replays.splice(at, 1);
  if (answer.failed) reject(new StepError(answer.id, answer.failed));
  else resolve(answer.result);
  if (replays.length > 0) giveLater();
  else lookAround();
}

async function execute(name, { run }) {
  running++;
  let result;
  let told;
  let thrown = null;
  try {
    result = parse(stringify(await within.run(true, run)));
    told = { step: name, result };
  } catch (error) {
    thrown = { error };
    told = { step: name, error: errorOf(error) };
  }
  running--;
  moves++;
  const answer = ask(name, told);
  lookAround();
  if (answer.later) {
    later++;
    return never();
  }
  if (thrown !== null) throw thrown.error;
  return result;
}

function errorOf(error) {
  const told = {
    name: nameOf(error).slice(0, 60),
    message: String(error?.message ?? error),
    retriable: !(error instanceof NonRetriable),
  };
  if (error instanceof RetryAfter) told.retry_after_ms = Math.max(0, Math.ceil(error.seconds * 1000));
  return told;
}

// Nothing can go on: stepd answers with `suspend`, which ends the process. A program that has told its output needs no more.
function suspend() {
  if (later > 0 && running === 0 && asked.length === 0 && replays.length === 0 && !hasOutput) ask(null, { suspend: true });
}

function lookAround() {
  if (later === 0) return;
  const at = moves;
  setTimeout(() => at === moves && suspend(), BETWEEN_STEPS_MS).unref();
}

const isIdle = () => running === 0 && later === 0 && asked.length === 0 && replays.length === 0;

// What has no code of its own: at once, or beside the steps that are under way.
function askOne(name, request, read) {
  refuseNested();
  return isIdle() ? read(ask(name, request)) : reach(request).then((result) => read({ result }));
}

// What `run` returned (or its promise gave), now or in an earlier attempt; as JSON holds it.
async function step(name, run) {
  refuseNested();
  return reach({ step: name }, run);
}

const timed = (request, timeout) => (timeout === undefined ? request : { ...request, timeout_ms: durationMs(timeout) });

module.exports = {
  StepError,
  StepFailed: StepError,
  NonRetriable,
  RetryAfter,
  step,
  event: () => parse(fs.readFileSync(0, 'utf8')),
  sleep: (name, ms) => askOne(name, { sleep: name, ms: Math.ceil(ms) }, () => undefined),
  // The event, or null once the time is over; `timeout` as everywhere.
  wait: (name, { event, when = null, timeout }) => askOne(name, timed({ wait: name, event, when }, timeout), ({ result }) => result),
  invoke: (name, invoked, data = null, { timeout } = {}) =>
    askOne(name, timed({ invoke: name, function: invoked, data }, timeout), ({ result }) => result),
  send: (name, eventName, data = null) => askOne(name, { send: name, name: eventName, data }, () => undefined),
  // The run's output. Whatever else runs or waits is not waited for.
  output: (value) => {
    refuseNested();
    ask('output', { output: value });
    hasOutput = true;
  },
  // For the package's other half, programs that stay.
  inside: { durationMs, nameOf, parse, shown, stringify },
};

function end(error) {
  console.error(error?.stack ?? String(error));
  if (error instanceof RetryAfter) {
    console.error(`Retry-After: ${Math.max(0, Math.ceil(error.seconds))}`);
    process.exit(75);
  }
  process.exit(error instanceof NonRetriable || error instanceof StepError ? 65 : 1);
}

if (process.env.STEPD_RUN_ID !== undefined && process.env.STEPD_PROGRAM === undefined) {
  process.on('uncaughtException', end);
  process.on('beforeExit', suspend);
}

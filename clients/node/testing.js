// SPDX-License-Identifier: Apache-2.0
// A function tried in memory: retries and sleeps are jumped over, what it returns goes through JSON as it does in stepd.
import { randomUUID } from 'node:crypto';
import exec from './lib/exec.cjs';
import { Call } from './lib/call.js';
import { declared, isDeclared } from './lib/declare.js';
import { stepError, errorToWire } from './lib/errors.js';
import { captureConsole } from './lib/run-log.js';

const { durationMs, parse, stringify } = exec.inside;

const RETRIES = 4;
const SCHEDULE = ['15s', '30s', '1m', '2m', '5m', '10m', '20m', '40m', '1h', '2h'];
const ENVELOPE = ['id', 'name', 'data', 'ts', 'user', 'v'];
const PLACE = ['topic', 'partition', 'offset', 'key', 'headers'];

// ---- the event -------------------------------------------------------------------------------------

function isEnvelope(given) {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  if (typeof given.name === 'string' && 'data' in given) return true;
  return ('data' in given || typeof given.name === 'string') && Object.keys(given).every((key) => ENVELOPE.includes(key) || PLACE.includes(key));
}

function eventToWire(given, { event, topic }) {
  const trigger = Array.isArray(event) ? event[0] : event;
  const envelope = isEnvelope(given) ? { ...given } : { data: given ?? null };
  if (envelope.ts instanceof Date) envelope.ts = envelope.ts.getTime();
  return parse(stringify({
    id: randomUUID(), name: trigger ?? topic ?? 'test', data: null, ts: Date.now(), topic: topic ?? 'events', partition: 0, offset: 0, headers: {}, ...envelope,
  }));
}

// ---- the run ---------------------------------------------------------------------------------------

class TestRun {
  #declared;
  #options;
  #wire;
  #schedule;
  #retries;
  #call;
  #isFlushing = false;
  #lines = [];
  #reporting = new Set();
  #records = []; // as `steps` of a call
  #attempts = {}; // of steps beside others
  #attempt = 0;
  #later = new Map(); // step -> when it is due
  #due = []; // of the function itself
  #nowMs = 0;
  #phase = 'function';
  #failure;
  #ended;
  #endedBy; // what the call came to
  outcome = { status: 'completed', result: null, error: null, steps: {}, delays: [], attempts: 0, sent: [], log: [] };

  constructor(one, event, options) {
    this.#declared = one;
    this.#options = options;
    const events = options.events ?? [event];
    this.#wire = events.map((each) => eventToWire(each, one.wire));
    this.#retries = one.wire.retries ?? RETRIES;
    this.#schedule = (one.wire.schedule ?? SCHEDULE).map(durationMs);
  }

  async finish() {
    while (!(await this.#tryOnce()));
    if (this.outcome.error !== null && this.#declared.onFailure !== null && this.#phase === 'function') await this.#finishFailure();
    return this.outcome;
  }

  async #finishFailure() {
    const { name, message, stepId } = this.outcome.error;
    this.#phase = 'on_failure';
    this.#failure = { name, message, step_id: stepId ?? null };
    this.#records = [];
    this.#attempts = {};
    this.#attempt = 0;
    this.#later.clear();
    const { outcome } = this;
    this.outcome = { ...outcome, error: null };
    while (!(await this.#tryOnce()));
    this.outcome = { ...this.outcome, result: outcome.result, error: outcome.error, onFailureError: this.outcome.error };
  }

  // One attempt. True: the run has ended.
  async #tryOnce() {
    this.#due = [];
    this.outcome.attempts++;
    await new Promise((resolve) => {
      this.#ended = resolve;
      this.#call = new Call(this.#declared, this.#toWire(), this);
      this.#call.start();
    });
    return this.#judge(this.#endedBy);
  }

  #toWire() {
    return parse(stringify({
      type: 'call', call: this.outcome.attempts, function: this.#declared.id, run_id: 'test', attempt: this.#attempt, max_attempts: this.#retries + 1,
      phase: this.#phase, failure: this.#failure, event: this.#wire[0], events: this.#wire.length > 1 ? this.#wire : undefined,
      steps: this.#records, attempts: this.#attempts, later: [...this.#later.keys()],
    }));
  }

  #judge(end) {
    if (end.type === 'output') {
      this.outcome.result = end.output;
      return true;
    }
    if (end.type === 'error') return !this.#retryLater(end.error, this.#attempt++, this.#due);
    return this.#jump();
  }

  // To when something can go on.
  #jump() {
    const next = Math.min(...this.#later.values(), ...this.#due);
    if (next === Infinity) throw new Error('the function waits for a promise that nothing will settle');
    if (next > this.#nowMs) this.outcome.delays.push((next - this.#nowMs) / 1000);
    this.#nowMs = Math.max(this.#nowMs, next);
    for (const [name, due] of this.#later) {
      if (due <= this.#nowMs) this.#later.delete(name);
    }
    return false;
  }

  // False: it failed for good, which is told.
  #retryLater(error, attempt, due) {
    if (error.retriable === false || error.step_id !== undefined || attempt >= this.#policyOf(error.name).retries) {
      this.outcome.status = this.#phase === 'function' ? 'failed' : this.outcome.status;
      this.outcome.error = stepError(error.step_id ?? null, error);
      return false;
    }
    due.push(this.#nowMs + this.#delayOf(error, attempt));
    this.#jump();
    return true;
  }

  #delayOf(error, attempt) {
    const { schedule } = this.#policyOf(error.name);
    return error.retry_after_ms ?? schedule[Math.min(attempt, schedule.length - 1)];
  }

  // Of the first entry of onError that the name matches, else the function's.
  #policyOf(name) {
    const entry = this.#declared.wire.on_error?.find(({ error }) => (error.endsWith('*') ? name.startsWith(error.slice(0, -1)) : name === error));
    return { retries: entry?.retries ?? this.#retries, schedule: entry?.backoff?.map(durationMs) ?? this.#schedule };
  }

  // ---- what the call says --------------------------------------------------------------------------

  write(line) {
    this.#lines.push(line);
    this.#flushSoon();
  }

  report(call) {
    this.#reporting.add(call);
    this.#flushSoon();
  }

  log(level, message) {
    this.outcome.log.push({ level, message });
  }

  ended() {}

  #flushSoon() {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      const lines = this.#lines;
      this.#lines = [];
      for (const call of this.#reporting) lines.push(...call.takeReports());
      this.#reporting.clear();
      for (const line of lines) this.#take(parse(line));
    });
  }

  #take(message) {
    if (['output', 'error', 'suspend'].includes(message.type)) {
      this.#endedBy = message;
      this.#ended();
      return;
    }
    if (message.type !== 'steps') {
      void this.#step(message);
      return;
    }
    for (const step of message.steps) void this.#step({ ...step, type: 'step', beside: true });
  }

  async #step(message) {
    const { id, type, beside = false } = message;
    const call = this.#call;
    try {
      const answer = await this.#answerTo(type, message, id, beside);
      call.answer({ id, ...answer });
    } catch (error) { // of what the test stands in for
      call.answer({ id, ...this.#record(id, { error: errorToWire(error) }) });
    }
  }

  #answerTo(type, message, id, beside) {
    switch (type) {
      case 'step': return message.error ? this.#failed(id, message.error, beside) : this.#finished(id, message.result, beside);
      case 'sleep': return this.#sleep(id, message);
      case 'send': return this.#send(id, message, beside);
      case 'wait': return this.#wait(id, message, beside);
      default: return this.#invoke(id, message, beside);
    }
  }

  #record(id, { result = null, error }) {
    this.#records.push(error === undefined ? { id, result } : { id, error });
    this.outcome.steps[id] = error === undefined ? result : stepError(id, error);
    return error === undefined ? { status: 'ok', result } : { status: 'failed', error };
  }

  #finished(id, result, beside) {
    if (!beside) this.#attempt = 0;
    return this.#record(id, { result });
  }

  #failed(id, error, beside) {
    const attempt = beside ? this.#attempts[id] ?? 0 : this.#attempt;
    if (error.retriable === false || attempt >= this.#policyOf(error.name).retries) return this.#record(id, { error });
    const due = this.#nowMs + this.#delayOf(error, attempt);
    if (beside) {
      this.#attempts[id] = attempt + 1;
      this.#later.set(id, due);
    } else {
      this.#attempt++;
      this.#due.push(due);
    }
    return { status: 'later' };
  }

  #sleep(id, { ms, until_ms: untilMs }) {
    const due = ms === undefined ? this.#nowMs + Math.max(0, untilMs - Date.now()) : this.#nowMs + ms;
    if (due <= this.#nowMs) return this.#record(id, {});
    this.#later.set(id, due);
    this.#record(id, {}); // on record by the time that it is not in `later`
    return { status: 'later' };
  }

  #send(id, { name, data }, beside) {
    this.outcome.sent.push({ id, name, data });
    return this.#finished(id, null, beside);
  }

  // What the test says that comes; nothing in time, else.
  #wait(id, { event, timeout_ms: timeoutMs = 0 }, beside) {
    const coming = this.#options.waits?.[id] ?? this.#options.waits?.[event];
    if (coming !== undefined && coming !== null) return this.#finished(id, eventToWire(coming, { event }), beside);
    if (timeoutMs > 0) return this.#sleep(id, { ms: timeoutMs });
    throw new exec.NonRetriable(`nothing ends the wait ${id}: say what comes by {waits: {${JSON.stringify(id)}: data}}, or give it a timeout`);
  }

  async #invoke(id, { function: invoked, data }, beside) {
    const standIn = this.#options.invokes?.[invoked] ?? this.#options.invokes?.[id];
    if (standIn !== undefined) return this.#finished(id, parse(stringify(typeof standIn === 'function' ? await standIn(data) : standIn)), beside);
    const found = declared().find((each) => each.id === invoked);
    if (found === undefined) return this.#record(id, { error: { name: 'NoSuchFunction', message: `there is no function '${invoked}'` } });
    const { error, result } = await new TestRun(found, { data }, this.#options).finish();
    return error === null ? this.#finished(id, result, beside) : this.#record(id, { error: { name: error.name, message: error.message } });
  }
}

// How a run of `one` on `event` ends: {status, result, error, steps, delays, attempts, sent, log}.
export async function run(one, event = null, options = {}) {
  if (!isDeclared(one)) throw new TypeError('testing.run() takes what stepd.function() gave');
  const restoreConsole = captureConsole();
  try {
    return await new TestRun(one, event, options).finish();
  } finally {
    restoreConsole();
  }
}

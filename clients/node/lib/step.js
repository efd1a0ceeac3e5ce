// SPDX-License-Identifier: Apache-2.0
// What a function is given as `step`.
import exec from './exec.cjs';
import { isDeclared } from './declare.js';
import { Event } from './event.js';

const { NonRetriable } = exec;
const { durationMs, shown } = exec.inside;

const SECONDS_BELOW = 1e11; // as of an event's `ts`

// What is wrong in a call will be wrong in the next attempt too.
function checked(what, check) {
  try {
    return check();
  } catch (error) {
    throw new NonRetriable(`${what}: ${error.message}`);
  }
}

function text(what, value) {
  if (typeof value === 'string' && value !== '') return value;
  throw new NonRetriable(`${what} must be a text, not ${shown(value)}`);
}

function instantMs(what, value) {
  const ms = value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : Number(value) < SECONDS_BELOW ? Number(value) * 1000 : Number(value);
  if (Number.isFinite(ms)) return Math.ceil(ms);
  throw new NonRetriable(`${what}: ${shown(value)} is no time: give a Date, ISO text, or milliseconds since 1970`);
}

function members(what, given, known) {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw new NonRetriable(`${what}: there is no ${name}; there are ${known.join(', ')}`);
  }
  return given;
}

export class Step {
  #call;

  constructor(call) {
    this.#call = call;
  }

  get attempt() { return this.#call.attempt; }
  get maxAttempts() { return this.#call.maxAttempts; }
  get runId() { return this.#call.runId; }
  get functionId() { return this.#call.functionId; }
  get failure() { return this.#call.failure; } // of the run, in onFailure
  get signal() { return this.#call.signal; }

  // What `code` returned (or its promise gave), now or in an earlier attempt; as JSON holds it.
  async run(id, code) {
    if (typeof code !== 'function') throw new NonRetriable(`step.run(${shown(id)}, …) wants a function, not ${shown(code)}`);
    return this.#call.run(id, code);
  }

  async sleep(id, duration) {
    const ms = checked(`step.sleep(${shown(id)}, …)`, () => durationMs(duration));
    await this.#call.ask(id, 'sleep', { ms });
  }

  async sleepUntil(id, instant) {
    await this.#call.ask(id, 'sleep', { until_ms: instantMs(`step.sleepUntil(${shown(id)}, …)`, instant) });
  }

  // An event of one's own; sent once.
  async send(id, name, data = null) {
    await this.#call.ask(id, 'send', { name: text(`step.send(${shown(id)}, …): the event's name`, name), data });
  }

  // The event, or null once the time is over.
  async wait(id, options) {
    const what = `step.wait(${shown(id)}, …)`;
    const { event, when, timeout } = members(what, options ?? {}, ['event', 'when', 'timeout']);
    const asked = { event: text(`${what}: event`, event) };
    if (when !== undefined && when !== null) asked.when = text(`${what}: when`, when);
    if (timeout !== undefined && timeout !== null) asked.timeout_ms = checked(what, () => durationMs(timeout));
    const came = await this.#call.ask(id, 'wait', asked);
    return came ? new Event(came) : null;
  }

  // The result of another function, by its id or as it was declared.
  async invoke(id, invoked, data = null, options) {
    const what = `step.invoke(${shown(id)}, …)`;
    const { timeout } = members(what, options ?? {}, ['timeout']);
    const asked = { function: isDeclared(invoked) ? invoked.id : text(`${what}: the function`, invoked), data };
    if (timeout !== undefined && timeout !== null) asked.timeout_ms = checked(what, () => durationMs(timeout));
    return (await this.#call.ask(id, 'invoke', asked)) ?? null;
  }
}

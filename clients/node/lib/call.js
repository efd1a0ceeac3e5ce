// SPDX-License-Identifier: Apache-2.0
// One attempt: runs a function from its start, gives it what is on record, and reports what is new.
//
// A branch of the function that goes no further in this call waits for a promise that does not settle, so
// that no `catch` and no `finally` sees it; but for a wait or an invoke that ends while other branches are under way.
// The call is over once the function has returned or thrown, or each of its branches waits so: then all of
// it is dropped, and the run is called again when it goes on.
import exec from './exec.cjs';
import { Cancelled, errorToWire, stepError } from './errors.js';
import { Event } from './event.js';
import { traceOf } from './place.js';
import { Step } from './step.js';
import { StepNames } from './step-names.js';
import { within } from './within.js';

const { NonRetriable, StepError } = exec;
const { parse, stringify } = exec.inside;

const LINE_MAX = 16 * 1024 * 1024 - 4096; // the protocol's, with room for what stands around a value

const BETWEEN_STEPS_MS = 200; // for what a branch awaits between two steps while all others wait for later

const NOTHING_RECORDED = new Map();
const NOTHING_LATER = new Set();
const NOTHING_UNDER_WAY = new Map();

const never = () => new Promise(() => {});
const isTooLong = (text) => text.length > LINE_MAX / 3 && Buffer.byteLength(text) > LINE_MAX;

function tooLong(what) {
  return { name: 'TooLarge', message: `${what} has more than 16 MiB as JSON: keep it elsewhere, and return where`, retriable: false };
}

export class Call {
  #declared;
  #wire;
  #host; // write(line), report(call), ended(call)
  #failure = null; // of the run, in onFailure
  #names = null; // made with the first step
  #recorded = NOTHING_RECORDED; // name -> {result} or {error}, and its place in the order in which they were finished
  #later;
  #underWay = NOTHING_UNDER_WAY; // name -> a step that runs, or that waits for its answer
  #reports = []; // those of them that have something to tell, until the host takes it
  #replays = []; // recorded steps that were asked for and not yet given
  #dropped = 0; // branches that go no further
  #waiting = new Map(); // those of them that may be answered after all: name -> what to settle
  #moves = 0; // how often something went on
  #isHandedOn = false; // the user's code was given something, and has come to no step since
  #controller = null; // made when somebody asks for its signal
  #reason; // of its abort
  #isCancelled = false;
  #isOver = false;

  constructor(declared, wire, host) {
    this.#declared = declared;
    this.#wire = wire;
    this.#host = host;
    this.#later = wire.later?.length > 0 ? new Set(wire.later) : NOTHING_LATER;
    if (wire.steps?.length > 0) this.#recorded = new Map(wire.steps.map((step, order) => [step.id, { ...step, order }]));
  }

  get number() { return this.#wire.call; }
  get attempt() { return this.#wire.attempt; }
  get maxAttempts() { return this.#wire.max_attempts; }
  get runId() { return this.#wire.run_id; }
  get functionId() { return this.#wire.function; }
  get failure() { return this.#failure; }

  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  #abort(reason) {
    this.#reason ??= reason;
    this.#controller?.abort(reason);
  }

  // ---- its beginning and its end -------------------------------------------------------------------

  start() {
    let output;
    try {
      output = within.run({ call: this }, () => this.#invoke());
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (typeof output?.then === 'function') Promise.resolve(output).then((value) => this.#succeed(value), (error) => this.#fail(error));
    else this.#succeed(output);
  }

  #invoke() {
    const { event, events, phase, failure } = this.#wire;
    if (phase === 'on_failure') this.#failure = stepError(failure.step_id, failure);
    const step = new Step(this);
    const seen = new Event(event, events);
    const { run, onFailure } = this.#declared;
    return phase === 'on_failure' ? onFailure(seen, step, this.#failure) : run(seen, step);
  }

  #succeed(output) {
    let text;
    try {
      text = stringify(output);
    } catch (error) { // what JSON can't hold: a circle
      this.#fail(error);
      return;
    }
    if (isTooLong(text)) this.#end(`{"type":"error","call":${this.number},"error":${stringify(tooLong('what the function returned'))}}`);
    else this.#end(`{"type":"output","call":${this.number},"output":${text}}`);
  }

  #fail(error) {
    if (this.#isOver) return;
    const wire = errorToWire(error);
    if (error instanceof StepError && error.stepId) wire.step_id = error.stepId;
    if (!this.#isCancelled) this.log('error', traceOf(error));
    this.#end(`{"type":"error","call":${this.number},"error":${stringify(wire)}}`);
  }

  #sayWhatRuns() {
    const left = [...this.#underWay.keys()].filter((name) => !this.#isCancelled && this.#underWay.get(name).isRunning);
    if (left.length > 0) this.log('debug', `ends while ${left.join(', ')} runs: what comes of it is dropped`);
  }

  #end(line) {
    if (this.#isOver) return;
    if (this.#underWay.size > 0) this.#sayWhatRuns();
    this.#isOver = true;
    this.#reports = [];
    this.#host.write(this.#isCancelled ? this.#suspension() : line);
    this.#host.ended(this);
    if (this.#underWay.size > 0) this.#abort(new Cancelled('the call is over'));
  }

  #suspension() {
    return `{"type":"suspend","call":${this.number}}`;
  }

  cancel(reason) {
    if (this.#isOver) return;
    this.#isCancelled = true;
    this.#reports = [];
    for (const [name, step] of this.#underWay) {
      if (!step.isRunning) this.#dropStep(name);
    }
    this.#abort(new Cancelled(reason));
    this.#lookAround();
  }

  // ---- branches that go no further -----------------------------------------------------------------

  #drop() {
    this.#dropped++;
    this.#lookAround();
    return never();
  }

  #dropStep(name) {
    const step = this.#underWay.get(name);
    this.#underWay.delete(name);
    if (step.resolve !== undefined) this.#waiting.set(name, step);
    this.#dropped++;
    this.#lookAround();
  }

  #postpone(name) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(name, { resolve, reject });
      this.#dropped++;
      this.#lookAround();
    });
  }

  // Whether anything of the function can go on, once all that is due now has run.
  #lookAround() {
    const moves = ++this.#moves;
    const isIdle = () => !this.#isOver && this.#moves === moves && this.#dropped > 0 && this.#underWay.size === 0 && this.#replays.length === 0;
    const suspend = () => isIdle() && this.#end(this.#suspension());
    if (!isIdle()) return;
    if (this.#isHandedOn && !this.#isCancelled) setTimeout(suspend, BETWEEN_STEPS_MS);
    else setImmediate(() => setImmediate(suspend));
  }

  // ---- steps ---------------------------------------------------------------------------------------

  // A step: from the record, or what `act(name)` makes of it.
  #reach(id, act) {
    if (within.getStore()?.step !== undefined) throw new NonRetriable('steps do not nest: ask for what comes next when the step has returned');
    if (this.#isOver || this.#isCancelled) return this.#isOver ? never() : this.#drop();
    this.#moves++;
    this.#isHandedOn = false;
    this.#names ??= new StepNames();
    const name = this.#names.next(id);
    const recorded = this.#recorded.get(name);
    if (recorded !== undefined) return this.#replay(name, recorded);
    return this.#later.has(name) ? this.#postpone(name) : act(name);
  }

  // Recorded steps are given one by one in the order in which they were finished, so that a race is won by the same again.
  #replay(name, recorded) {
    return new Promise((resolve, reject) => {
      this.#replays.push({ name, recorded, resolve, reject });
      if (this.#replays.length === 1) this.#giveLater();
    });
  }

  #giveLater() {
    queueMicrotask(() => process.nextTick(() => this.#giveFirst())); // when all that the one before set off has run
  }

  #giveFirst() {
    const at = this.#replays.reduce((first, replay, i) => (replay.recorded.order < this.#replays[first].recorded.order ? i : first), 0);
    const [{ name, recorded, resolve, reject }] = this.#replays.splice(at, 1);
    this.#isHandedOn = true;
    if (recorded.error) reject(stepError(name, recorded.error));
    else resolve(recorded.result);
    if (this.#replays.length > 0) this.#giveLater();
    else this.#lookAround();
  }

  // Until leave(), beside all others that are under way meanwhile.
  #enter(name) {
    const step = { name, isBeside: this.#dropped > 0 || this.#later.size > 0 || this.#wire.attempts?.[name] !== undefined, isRunning: false };
    if (this.#underWay === NOTHING_UNDER_WAY) this.#underWay = new Map();
    for (const other of this.#underWay.values()) step.isBeside = other.isBeside = true;
    this.#underWay.set(name, step);
    return step;
  }

  // Tells `body`, and gives what stepd answers; `own` is the result where the answer has none.
  #tell(step, type, body, own, cause) {
    step.isRunning = false;
    if (this.#isCancelled) {
      this.#dropStep(step.name);
      return never();
    }
    if (this.#isOver) return never();
    return new Promise((resolve, reject) => {
      Object.assign(step, { type, body, own, cause, resolve, reject });
      this.#reports.push(step);
      if (this.#reports.length === 1) this.#host.report(this);
    });
  }

  // The lines of what there is to tell; several finished steps in one.
  takeReports() {
    const reports = this.#reports;
    this.#reports = [];
    const finished = reports.filter((step) => step.type === 'step');
    if (finished.length < 2 || isTooLong(finished.map((step) => step.body).join())) return reports.map((step) => this.#line(step));
    const others = reports.filter((step) => step.type !== 'step').map((step) => this.#line(step));
    return [...others, `{"type":"steps","call":${this.number},"steps":[${finished.map((step) => `{"id":${stringify(step.name)},${step.body}}`).join()}]}`];
  }

  #line({ type, name, body, isBeside }) {
    return `{"type":"${type}","call":${this.number},"id":${stringify(name)},${isBeside ? '"beside":true,' : ''}${body}}`;
  }

  answer({ id, status, error, ...rest }) {
    const step = this.#underWay.get(id) ?? this.#waiting.get(id);
    if (this.#isOver || this.#isCancelled || step === undefined || step.resolve === undefined) return;
    if (status === 'later') {
      if (this.#underWay.has(id)) this.#dropStep(id);
      return;
    }
    if (this.#waiting.delete(id)) this.#dropped--;
    this.#underWay.delete(id);
    this.#isHandedOn = true;
    if (status === 'failed') step.reject(stepError(id, error, step.cause));
    else step.resolve('result' in rest ? rest.result : step.own);
    this.#lookAround();
  }

  // ---- what a function may ask for ------------------------------------------------------------------

  run(id, code) {
    return this.#reach(id, (name) => this.#execute(this.#enter(name), code));
  }

  async #execute(step, code) {
    const { name } = step;
    step.isRunning = true;
    let text;
    try {
      if (this.#host.isFull) await this.#host.room();
      if (this.#isOver || this.#isCancelled) return this.#tell(step);
      const call = this;
      const tools = { attempt: this.#wire.attempts?.[name] ?? this.attempt, get signal() { return call.signal; } };
      text = stringify(await within.run({ call: this, step: name }, code, tools));
    } catch (error) {
      if (!this.#isCancelled && !this.#isOver) this.log('warn', `step ${name}: ${traceOf(error)}`);
      return this.#tell(step, 'step', `"error":${stringify(errorToWire(error))}`, undefined, error);
    }
    if (isTooLong(text)) return this.#tell(step, 'step', `"error":${stringify(tooLong('what the step returned'))}`);
    return this.#tell(step, 'step', `"result":${text}`, parse(text));
  }

  // A step without code of its own: what `members` says is asked for.
  ask(id, type, members) {
    return this.#reach(id, (name) => {
      const body = stringify(members).slice(1, -1);
      if (isTooLong(body)) throw new NonRetriable(tooLong(`the data of ${name}`).message);
      return this.#tell(this.#enter(name), type, body);
    });
  }

  // For the run's log; once the call is over, the program's.
  log(level, message) {
    this.#host.log(level, message, this.#isOver ? undefined : this.number);
  }
}

// SPDX-License-Identifier: Apache-2.0
// The program's side of handlers/program/PROTOCOL.md.
import { readFileSync } from 'node:fs';
import exec from './exec.cjs';
import { Call } from './call.js';
import { declarationToWire, takeDeclared } from './declare.js';
import { Pipes } from './pipes.js';
import { traceOf } from './place.js';
import { captureConsole } from './run-log.js';

const { stringify } = exec.inside;

const PROTOCOL = 1;
const LOG_MESSAGE_MAX = 64 * 1024;
const LINGER_MS = 2000; // for what the program does after serve(), before it is ended
const VERSION = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

class Program {
  #pipes;
  #functions = new Map(); // id -> the earlier declaration
  #calls = new Map(); // number -> Call, until its end is written
  #isDraining = false;
  #hasSaidBye = false;
  #resolve;
  #reject;
  #restoreConsole;

  serve() {
    this.#pipes = new Pipes({ onLine: (message) => this.#take(message), onGone: () => process.exit(1) });
    const functions = takeDeclared();
    for (const each of functions) if (!this.#functions.has(each.id)) this.#functions.set(each.id, each);
    if (functions.length === 0) console.error('no function was declared before serve(): this program has nothing to do');
    this.#restoreConsole = captureConsole();
    process.on('SIGTERM', this.#onTerminate);
    process.on('unhandledRejection', this.#onUnhandled);
    this.#say({ type: 'hello', protocol: PROTOCOL, client: `node ${VERSION}`, functions: functions.map(declarationToWire) });
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #say(message) {
    this.#pipes.write(stringify(message));
  }

  // ---- what stepd says -----------------------------------------------------------------------------

  #take(message) {
    switch (message.type) {
      case 'call': return this.#call(message);
      case 'answer': return this.#calls.get(message.call)?.answer(message);
      case 'cancel': return this.#calls.get(message.call)?.cancel(message.reason);
      case 'drain': return this.#drain();
      case 'refused': return this.#refused(message.reason);
      default: return undefined;
    }
  }

  #call(message) {
    const found = this.#functions.get(message.function);
    if (found === undefined) {
      this.#say({ type: 'error', call: message.call, error: { name: 'NoSuchFunction', message: `the program has no function '${message.function}'` } });
      return;
    }
    const call = new Call(found, message, this);
    this.#calls.set(message.call, call);
    call.start();
  }

  #refused(reason) {
    this.#sayBye();
    this.#leave(() => this.#reject(new Error(`stepd refused this program: ${reason}`)));
  }

  #drain() {
    this.#isDraining = true;
    this.#leaveIfDone();
  }

  // ---- what a call says ----------------------------------------------------------------------------

  get isFull() { return this.#pipes.isFull; }
  room() { return this.#pipes.room(); }
  write(line) { this.#pipes.write(line); }
  report(call) { this.#pipes.report(call); }

  log(level, message, call) {
    const text = message.length > LOG_MESSAGE_MAX ? `${message.slice(0, LOG_MESSAGE_MAX)}…` : message;
    this.#pipes.log(stringify({ type: 'log', ...(call === undefined ? {} : { call }), level, message: text }));
  }

  ended(call) {
    this.#calls.delete(call.number);
    this.#leaveIfDone();
  }

  // ---- the end -------------------------------------------------------------------------------------

  // Somebody ends this process, not stepd: no more calls, those under way are finished.
  #onTerminate = () => {
    if (this.#isDraining) process.exit(143);
    this.#isDraining = true;
    this.#sayBye();
    this.#leaveIfDone();
  };

  // One function's promise that nobody waited for is no reason to end the calls of all others.
  #onUnhandled = (error) => {
    this.log('error', `a rejection that nothing handled: ${traceOf(error)}`);
  };

  #sayBye() {
    if (!this.#hasSaidBye) this.#say({ type: 'bye' });
    this.#hasSaidBye = true;
  }

  #leaveIfDone() {
    if (!this.#isDraining || this.#calls.size > 0) return;
    this.#sayBye();
    this.#leave(this.#resolve);
  }

  #leave(settle) {
    this.#restoreConsole();
    process.off('unhandledRejection', this.#onUnhandled);
    setTimeout(() => process.exit(), LINGER_MS).unref();
    this.#pipes.end().then(settle);
  }
}

let program = null;

// Runs the functions that were declared, until stepd wants no more of it.
export async function serve() {
  if (process.env.STEPD_PROGRAM === undefined) {
    throw new Error('serve() is for programs that stepd starts: `stepd dev --program "node FILE"`, or `programs:` in its config. ' +
      'Without a daemon, stepd.testing.run(function, event) tries a function');
  }
  if (program !== null) throw new Error('serve() is called once');
  program = new Program();
  return program.serve();
}

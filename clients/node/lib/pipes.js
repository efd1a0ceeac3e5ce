// SPDX-License-Identifier: Apache-2.0
// Descriptor 3, which stepd writes, and 4, which it reads: lines, as many at once as there are.
import net from 'node:net';
import exec from './exec.cjs';

const { parse } = exec.inside;

const NEW_LINE = 10;
const FULL_SIZE = 1024 * 1024; // unwritten: no step is begun before it was read
const LOG_FULL_SIZE = 16 * FULL_SIZE; // unwritten: log lines are dropped

export class Pipes {
  #input;
  #output;
  #pieces = []; // of a line that is not whole yet
  #lines = [];
  #reporting = new Set(); // calls that have something to tell
  #isFlushing = false;
  #queuedSize = 0;
  #waiting = []; // for room
  #dropped = 0; // log lines

  // `onLine(message)` for each line, `onGone()` when stepd is.
  constructor({ readFrom = 3, writeTo = 4, onLine, onGone }) {
    this.#input = new net.Socket({ fd: readFrom, readable: true, writable: false });
    this.#output = new net.Socket({ fd: writeTo, readable: false, writable: true });
    this.#input.on('data', (chunk) => this.#take(chunk, onLine));
    for (const event of ['end', 'error', 'close']) this.#input.on(event, onGone);
    this.#output.on('error', onGone);
    this.#output.on('drain', () => this.#makeRoom());
  }

  #take(chunk, onLine) {
    const end = chunk.lastIndexOf(NEW_LINE);
    if (end < 0) {
      this.#pieces.push(chunk);
      return;
    }
    const last = chunk.subarray(0, end);
    const whole = (this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last])).toString('utf8');
    this.#pieces = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
    for (const line of whole.split('\n')) {
      if (line !== '') onLine(parse(line));
    }
  }

  get isFull() {
    return this.#output.writableLength + this.#queuedSize > FULL_SIZE;
  }

  // Until stepd has read what there was.
  room() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #makeRoom() {
    if (this.isFull) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  write(line) {
    this.#lines.push(line);
    this.#queuedSize += line.length;
    this.#flushSoon();
  }

  // `call.takeReports()` has lines to write.
  report(call) {
    this.#reporting.add(call);
    this.#flushSoon();
  }

  log(line) {
    if (this.#output.writableLength + this.#queuedSize > LOG_FULL_SIZE) this.#dropped++;
    else this.write(line);
  }

  #flushSoon() {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => this.flush());
  }

  flush() {
    this.#isFlushing = false;
    for (const call of this.#reporting) this.#lines.push(...call.takeReports());
    this.#reporting.clear();
    if (this.#dropped > 0) this.#lines.push(`{"type":"log","level":"warn","message":"${this.#dropped} lines of the log were dropped: they came faster than stepd read them"}`);
    this.#dropped = 0;
    const text = this.#lines.length > 0 ? `${this.#lines.join('\n')}\n` : '';
    this.#lines = [];
    this.#queuedSize = 0;
    if (text !== '') this.#output.write(text);
    if (!this.isFull) this.#makeRoom();
  }

  // All is written; nothing more is read.
  end() {
    this.flush();
    this.#input.removeAllListeners().on('error', () => {}).destroy();
    return new Promise((resolve) => {
      this.#output.removeAllListeners('error').on('error', resolve);
      this.#output.end(resolve);
    });
  }
}

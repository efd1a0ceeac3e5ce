// SPDX-License-Identifier: Apache-2.0
// stepd's side of the protocol, for a program of these tests: it says what a test tells it to, and notes what it hears.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PACKAGE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const PATIENCE_MS = 20000;

export class Host {
  #child;
  #waiting = [];
  #unread = '';
  lines = []; // as text
  heard = []; // parsed
  output = ''; // its standard output and error
  pid;

  // `source` is the program's own code; `stepd` is imported before it. By a shell descriptors 3 and 4 are pipes, not sockets.
  constructor(context, source, { env = {}, byShell = false } = {}) {
    const folder = mkdtempSync(path.join(tmpdir(), 'stepd-node-'));
    const file = path.join(folder, 'program.mjs');
    writeFileSync(file, `import stepd from ${JSON.stringify(pathToFileURL(path.join(PACKAGE, 'index.js')))};\n${source}`);
    const words = byShell ? ['sh', '-c', 'cat <&3 | { node "$1" 3<&0 4>&1 >&5 5>&-; } 5>&1 | cat >&4', 'sh', file] : [process.execPath, file];
    this.#child = spawn(words[0], words.slice(1), {
      cwd: folder,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, STEPD_PROGRAM: 'test', STEPD_PROTOCOL: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.pid = this.#child.pid;
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.on('data', (data) => { this.output += data; });
    this.#child.stdio[4].on('data', (data) => this.#take(data));
    this.#child.stdio[3].on('error', () => {});
    this.exited = new Promise((resolve) => this.#child.on('close', (code, signal) => resolve(signal ?? code)));
    context.after(async () => {
      this.#child.kill('SIGKILL');
      this.#child.stdio[3].destroy();
      await this.exited;
      rmSync(folder, { recursive: true });
    });
  }

  #take(data) {
    const lines = (this.#unread + data).split('\n');
    this.#unread = lines.pop();
    for (const line of lines) {
      this.lines.push(line);
      this.heard.push(JSON.parse(line));
    }
    this.#waiting = this.#waiting.filter((look) => !look());
  }

  // The first line that was heard of which `members` hold and that was not asked for before.
  hear(members) {
    const isIt = (line) => !line.isAskedFor && Object.entries(members).every(([name, value]) => JSON.stringify(line[name]) === JSON.stringify(value));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${JSON.stringify(members)} was not heard; but ${this.lines.join('\n')}\n${this.output}`)), PATIENCE_MS);
      const look = () => {
        const found = this.heard.find(isIt);
        if (found === undefined) return false;
        clearTimeout(late);
        Object.defineProperty(found, 'isAskedFor', { value: true });
        resolve(found);
        return true;
      };
      if (!look()) this.#waiting.push(look);
    });
  }

  say(...messages) {
    this.sayText(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
  }

  sayText(text) {
    this.#child.stdio[3].write(text);
  }

  call(call, members = {}) {
    this.say({
      type: 'call', call, function: 'f', run_id: `run-${call}`, attempt: 0, max_attempts: 5, phase: 'function',
      event: { id: 'e1', name: 'x', data: {}, ts: 1790000000000, topic: 'events', partition: 0, offset: call, headers: {} }, steps: [], ...members,
    });
  }

  answer(call, id, members = { status: 'ok' }) {
    this.say({ type: 'answer', call, id, ...members });
  }

  pause() { this.#child.stdio[4].pause(); }
  resume() { this.#child.stdio[4].resume(); }
  kill(signal) { this.#child.kill(signal); }
  goAway() { this.#child.stdio[3].end(); }
}

// A program of one function `f`.
export const program = (context, body, options) => new Host(context, `stepd.function({ id: 'f', event: 'x' }, async (event, step) => { ${body} });\nawait stepd.serve();`, options);

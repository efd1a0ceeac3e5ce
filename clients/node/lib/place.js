// SPDX-License-Identifier: Apache-2.0
// Where in the user's own code something was written, or went wrong: `media.js:12`.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import exec from './exec.cjs';

const PACKAGE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const OURS = ['lib/', 'index.js', 'testing.js'].map((part) => path.join(PACKAGE, part));
const FRAME = /(?:\(|at |async )((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*):(\d+):\d+\)?$/;

const isOwn = (file) => !file.includes('/node_modules/') && !OURS.some((ours) => file === ours || (ours.endsWith('/') && file.startsWith(ours)));

function placeOfLine(line) {
  const found = FRAME.exec(line);
  if (!found) return null;
  const file = found[1].startsWith('file://') ? fileURLToPath(found[1]) : found[1];
  if (!isOwn(file)) return null;
  const near = path.relative(process.cwd(), file);
  return `${near.startsWith('..') ? file : near}:${found[2]}`;
}

// The frames of the user's own code, the last one first: `look (media.js:12)`.
export function framesOf(error) {
  if (typeof error?.stack !== 'string') return [];
  const frames = [];
  for (const line of error.stack.split('\n')) {
    const place = /^\s+at /.test(line) ? placeOfLine(line) : null;
    const name = /^\s+at (?:async )?([^(]+) \(/.exec(line)?.[1];
    if (place !== null) frames.push(name === undefined ? place : `${name} (${place})`);
  }
  return frames;
}

// The frames of the user's own code, a line each; those of causes too.
export function traceOf(error) {
  if (!(error instanceof Error)) return String(error);
  const frames = framesOf(error).map((frame) => `  at ${frame}`);
  const cause = error.cause instanceof Error && error.cause !== error ? [`caused by ${traceOf(error.cause)}`] : [];
  return [`${exec.inside.nameOf(error)}: ${error.message}`, ...frames, ...cause].join('\n');
}

// Where the caller of the package is.
export function placeOfCaller() {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const place = framesOf(new Error())[0]?.replace(/^.* \((.*)\)$/, '$1');
  Error.stackTraceLimit = limit;
  return place ?? '?';
}

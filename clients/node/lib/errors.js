// SPDX-License-Identifier: Apache-2.0
// What an exception is on the wire, and what one from the wire is here.
import exec from './exec.cjs';
import { framesOf } from './place.js';

const { NonRetriable, RetryAfter, StepError } = exec;
const { nameOf } = exec.inside;

const MESSAGE_MAX = 700; // of 1,000 that stepd keeps
const FRAMES_MAX = 5;
const FRAME = '\n  at '; // of the user's own code, the last one first; for people

// The reason of `step.signal`: nobody wants the outcome any more.
export class Cancelled extends Error {
  constructor(reason) {
    super(`the attempt was cancelled: ${reason}`);
    this.name = 'Cancelled';
    this.reason = reason;
  }
}

// Cut so that its UTF-8 has room in `most` bytes.
function cut(text, most) {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return text;
  let end = most - 3;
  while ((bytes[end] & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}…`;
}

function messageOf(error) {
  const message = cut(error instanceof Error ? String(error.message) : String(error?.message ?? error), MESSAGE_MAX);
  const frames = error instanceof StepError ? error.frames ?? [] : framesOf(error).slice(0, FRAMES_MAX);
  return [message, ...frames].join(FRAME);
}

// {name, message, retriable, retry_after_ms}
export function errorToWire(error) {
  const wire = { name: cut(nameOf(error), 100), message: messageOf(error), retriable: !(error instanceof NonRetriable) };
  if (error instanceof RetryAfter) wire.retry_after_ms = Math.max(0, Math.ceil(error.seconds * 1000));
  return wire;
}

// The message is as it was thrown, without the frames that errorToWire() added.
export function stepError(stepId, { name, message = '' }, cause) {
  const [own, ...frames] = message.split(FRAME);
  const error = new StepError(stepId, { name, message: own }, cause === undefined ? undefined : { cause });
  Object.defineProperty(error, 'frames', { value: frames });
  return error;
}

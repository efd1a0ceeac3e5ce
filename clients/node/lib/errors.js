// SPDX-License-Identifier: Apache-2.0
// What an exception is on the wire, and what one from the wire is here.
import exec from './exec.cjs';
import { placeOfError } from './place.js';

const { NonRetriable, RetryAfter, StepError } = exec;
const { nameOf } = exec.inside;

const MESSAGE_MAX = 1000; // what stepd keeps
const PLACE = / \(at [^()\n]+:\d+\)$/;

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
  const message = error instanceof Error ? String(error.message) : String(error?.message ?? error);
  const place = error instanceof StepError ? error.place ?? null : placeOfError(error);
  if (place === null || PLACE.test(message)) return cut(message, MESSAGE_MAX);
  const suffix = ` (at ${place})`;
  return cut(message, MESSAGE_MAX - Buffer.byteLength(suffix)) + suffix;
}

// {name, message, retriable, retry_after_ms}
export function errorToWire(error) {
  const wire = { name: cut(nameOf(error), 100), message: messageOf(error), retriable: !(error instanceof NonRetriable) };
  if (error instanceof RetryAfter) wire.retry_after_ms = Math.max(0, Math.ceil(error.seconds * 1000));
  return wire;
}

// The message is as it was thrown; the place that errorToWire() added to it is `place`.
export function stepError(stepId, { name, message = '' }, cause) {
  const place = PLACE.exec(message)?.[0] ?? '';
  const error = new StepError(stepId, { name, message: message.slice(0, message.length - place.length) }, cause === undefined ? undefined : { cause });
  Object.defineProperty(error, 'place', { value: place.slice(5, -1) || null });
  return error;
}

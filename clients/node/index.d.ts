// SPDX-License-Identifier: Apache-2.0
import * as testing from "./testing.js";
export { testing };
export { event, step, sleep, send, output } from "./exec.js";

/** `"250ms"`, `"15s"`, `"1m30s"`, `"2h"`, `"7d"`, or a number of seconds. */
export type Duration = string | number;

export interface Event<Data = any> {
  name: string;
  id: string;
  /** Integers that a number does not hold exactly are BigInts, bytes a Buffer. */
  data: Data;
  user: any;
  ts: Date;
  topic: string;
  partition: number;
  offset: number;
  /** A Buffer where it is no UTF-8; null: there is none. */
  key: string | Buffer | null;
  headers: Record<string, string | Buffer | null>;
  traceparent?: string;
  schemaId?: number | string;
  /** Of a `batch` all of its events; else this one. */
  readonly events: Event<Data>[];
}

/** What a step's code is given. */
export interface StepTools {
  /** Errors of this step so far. */
  attempt: number;
  /** Aborted once nobody wants the outcome any more. */
  signal: AbortSignal;
}

export interface WaitOptions {
  event: string;
  /** An expression over `event`, the run's, and `async`, the one that comes. */
  when?: string | null;
  /** None, or 0: without end. */
  timeout?: Duration | null;
}

export interface Step {
  /** Errors so far, since the start or the last finished step. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly runId: string;
  readonly functionId: string;
  readonly signal: AbortSignal;
  /** How the run failed, in onFailure; else null. */
  readonly failure: StepError | null;
  /** What `code` returned (or its promise gave), now or in an earlier attempt; as JSON holds it. */
  run<T>(id: string, code: (tools: StepTools) => T | Promise<T>): Promise<T>;
  sleep(id: string, duration: Duration): Promise<void>;
  /** A number is milliseconds since 1970, below 10^11 seconds. */
  sleepUntil(id: string, instant: Date | string | number): Promise<void>;
  /** An event of one's own; sent once. */
  send(id: string, name: string, data?: unknown): Promise<void>;
  /** The event, or null once the time is over. */
  wait<Data = any>(id: string, options: WaitOptions): Promise<Event<Data> | null>;
  /** The result of another function. */
  invoke<T = any>(id: string, invoked: string | Function, data?: unknown, options?: { timeout?: Duration | null }): Promise<T>;
}

/** How a run or a step failed: `name` and `message` are its error's. */
export class StepError extends Error {
  /** null: the function itself. */
  readonly stepId: string | null;
  readonly step: string | null;
  readonly reason: { name: string; message: string };
}
/** The earlier name. */
export { StepError as StepFailed };

/** Thrown in a step, the step fails for good; elsewhere, the run. */
export class NonRetriable extends Error {}

/** Another attempt is worth it then, whatever the schedule says. */
export class RetryAfter extends Error {
  constructor(after: Duration | Date, message?: string, options?: ErrorOptions);
  readonly seconds: number;
}

/** The reason of an aborted `signal`. */
export class Cancelled extends Error {
  readonly reason: string;
}

/** All of them are explained in stepd.yaml(5) under `functions:`, by their names in snake_case. */
export interface Settings {
  /** 1 to 200 letters, digits and -_.:/; the function's name where it is left out. */
  id?: string;
  event?: string | string[] | null;
  topic?: string | null;
  cron?: string | string[] | null;
  catchUp?: "none" | "last" | "all" | null;
  retries?: number | null;
  /** Of one attempt; 5 minutes where it is left out, "0" is no limit. */
  timeout?: Duration | null;
  schedule?: Duration[] | null;
  /** Another word for `schedule`. */
  backoff?: Duration[] | null;
  jitter?: Duration | null;
  /** In one daemon. */
  concurrency?: number | null;
  ordering?: "by_key" | "unordered" | null;
  dedupe?: Duration | null;
  dedupeKey?: string | null;
  when?: string | null;
  rateLimit?: { limit: number; period: Duration; key?: string } | null;
  throttle?: { limit: number; period: Duration; burst?: number; key?: string } | null;
  debounce?: { period: Duration; timeout?: Duration; key?: string } | null;
  batch?: { size: number; timeout: Duration; key?: string } | null;
  concurrencyLimits?: { limit: number; key?: string; scope?: string }[] | null;
  priority?: string | number | null;
  singleton?: { mode: "skip" | "cancel"; key?: string } | null;
  cancelOn?: { event: string; when?: string; timeout?: Duration }[] | null;
  startTimeout?: Duration | null;
  finishTimeout?: Duration | null;
  onError?: { error: string; retries?: number; backoff?: Duration | Duration[] }[] | null;
  breaker?: { failures: number; window: Duration; pause: Duration; key?: string } | null;
  expects?: { event: string; when?: string }[] | null;
  /** Runs once a run has failed for good, with steps and retries of its own. */
  onFailure?: ((event: Event, step: Step, failure: StepError) => unknown) | null;
}

export interface Function<Data = any, Result = any> {
  readonly id: string;
  /** Where it is declared. */
  readonly place: string;
  readonly run: (event: Event<Data>, step: Step) => Result | Promise<Result>;
}

declare function declareFunction<Data = any, Result = any>(
  settings: Settings, run: (event: Event<Data>, step: Step) => Result | Promise<Result>): Function<Data, Result>;
export { declareFunction as function };

/** Runs the functions that were declared, until stepd wants no more of it. */
export function serve(): Promise<void>;

declare const stepd: {
  function: typeof declareFunction;
  serve: typeof serve;
  testing: typeof testing;
  Cancelled: typeof Cancelled;
  NonRetriable: typeof NonRetriable;
  RetryAfter: typeof RetryAfter;
  StepError: typeof StepError;
  StepFailed: typeof StepError;
  event: typeof import("./exec.js").event;
  step: typeof import("./exec.js").step;
  sleep: typeof import("./exec.js").sleep;
  send: typeof import("./exec.js").send;
  output: typeof import("./exec.js").output;
};
export default stepd;

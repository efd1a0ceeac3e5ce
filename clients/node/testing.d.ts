// SPDX-License-Identifier: Apache-2.0
import { Function, StepError } from "./index.js";

export interface Outcome<Result = any> {
  status: "completed" | "failed";
  result: Result | null;
  /** How it failed for good, `stepId` by which step; null: it did not. */
  error: StepError | null;
  /** By their ids: what each gave; of one that failed for good its StepError. */
  steps: Record<string, any>;
  /** What was jumped over, in order, in seconds: before retries, sleeps, waits that nothing ended. */
  delays: number[];
  attempts: number;
  sent: { id: string; name: string; data: any }[];
  log: { level: "debug" | "info" | "warn" | "error"; message: string }[];
  /** How onFailure failed, if there is one and it did. */
  onFailureError?: StepError | null;
}

export interface Options {
  /** Of a `batch`: all of its events, instead of the one. */
  events?: unknown[];
  /** By the wait's id, or the event's name: the event that comes, or its data. Nothing comes to the others. */
  waits?: Record<string, unknown>;
  /** By function or by step: a result, or what gives it. Functions that were declared run without. */
  invokes?: Record<string, unknown | ((data: any) => unknown)>;
}

/** A run of `one` on `event`: `{name, data, …}` as in Kafka, or its data alone. */
export function run<Result = any>(one: Function<any, Result>, event?: unknown, options?: Options): Promise<Outcome<Result>>;

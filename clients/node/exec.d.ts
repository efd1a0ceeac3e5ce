// SPDX-License-Identifier: Apache-2.0
// For a program that stepd's exec starts anew for each attempt.
export { NonRetriable, RetryAfter, StepError, StepFailed } from "./index.js";

/** As it came, in JSON's words: `ts` is milliseconds. */
export function event(): { id: string; name: string; data: any; ts: number; topic: string; [member: string]: any };
/** What `run` returned (or its promise gave), now or in an earlier attempt; as JSON holds it. Several run beside each other: Promise.all(), Promise.race(). */
export function step<T>(name: string, run: () => T | Promise<T>): Promise<T>;
export function sleep(name: string, ms: number): void | Promise<void>;
/** The next event of that name that `when` is true of, over `async`, which is that event, and `event`; null once the time is over. */
export function wait(name: string, options: { event: string; when?: string; timeout?: number | string }): any;
/** What that function, of whichever daemon, makes of the data. */
export function invoke(name: string, invoked: string, data?: unknown, options?: { timeout?: number | string }): any;
export function send(name: string, eventName: string, data?: unknown): void | Promise<void>;
/** The run's output, instead of what the program prints. Steps that lost a race are not waited for once it is told. */
export function output(value: unknown): void;

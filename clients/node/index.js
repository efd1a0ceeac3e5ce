// SPDX-License-Identifier: Apache-2.0
// Functions that stepd runs: declared with function(), run by serve(); tried without a daemon by testing.run().
import exec from './lib/exec.cjs';
import { Cancelled } from './lib/errors.js';
import { declare } from './lib/declare.js';
import { serve } from './lib/serve.js';
import * as testing from './testing.js';

export const { NonRetriable, RetryAfter, StepError, StepFailed } = exec;
// For a program that exec starts for each attempt.
export const { event, step, sleep, send, output } = exec;
export { Cancelled, declare as function, serve, testing };

export default {
  function: declare, serve, testing, Cancelled, NonRetriable, RetryAfter, StepError, StepFailed, event, step, sleep, send, output,
};

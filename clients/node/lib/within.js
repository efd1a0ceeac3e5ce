// SPDX-License-Identifier: Apache-2.0
// Which call the code that runs now belongs to, and which of its steps: {call, step}, or undefined.
import { AsyncLocalStorage } from 'node:async_hooks';

export const within = new AsyncLocalStorage();

// SPDX-License-Identifier: Apache-2.0
// While the program serves, what code of a run writes by `console` goes to that run's log.
import { format } from 'node:util';
import { within } from './within.js';

const LEVELS = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' };

export function captureConsole() {
  const own = {};
  for (const [method, level] of Object.entries(LEVELS)) {
    own[method] = console[method];
    console[method] = (...values) => {
      const call = within.getStore()?.call;
      if (call === undefined) own[method].apply(console, values);
      else call.log(level, format(...values));
    };
  }
  return () => Object.assign(console, own);
}

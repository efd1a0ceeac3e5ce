// SPDX-License-Identifier: Apache-2.0
// Settings are checked where they are written, and named as they are written there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import stepd, { function as declare, NonRetriable, StepError, StepFailed } from '../index.js';

const TAKEN = {
  'a list of events': [{ event: ['a', 'b*'] }, { event: ['a', 'b*'] }],
  'a topic': [{ event: null, topic: 'raw' }, { event: undefined, topic: 'raw' }],
  'crons alone': [{ event: null, cron: ['TZ=Europe/Berlin 0 9 * * 1-5'], catchUp: 'all' }, { event: undefined, cron: ['TZ=Europe/Berlin 0 9 * * 1-5'], catch_up: 'all' }],
  'durations as texts and as seconds': [{ timeout: '1m30s', jitter: 0.25, dedupe: 0, startTimeout: '0' }, { timeout: '1m30s', jitter: '250ms', dedupe: '0', start_timeout: '0' }],
  'backoff for schedule': [{ backoff: ['1s', 5] }, { schedule: ['1s', '5000ms'] }],
  'all flow control': [{
    when: 'event.data.total > 100', dedupeKey: 'event.data.cart', throttle: { limit: 10, period: '1m', burst: 5, key: 'event.data.a' },
    debounce: { period: 2, timeout: '1m' }, priority: 'event.data.vip ? 120 : 0', singleton: { mode: 'skip', key: 'event.data.id' },
    cancelOn: [{ event: 'order/cancelled', when: 'async.data.id == event.data.id', timeout: 0 }], finishTimeout: '1h',
    onError: [{ error: 'Rate*', retries: 20, backoff: '1m' }], breaker: { failures: 10, window: '1m', pause: 30 }, expects: [{ event: 'order/paid' }],
  }, {
    when: 'event.data.total > 100', dedupe_key: 'event.data.cart', throttle: { limit: 10, period: '1m', burst: 5, key: 'event.data.a' },
    debounce: { period: '2000ms', timeout: '1m' }, priority: 'event.data.vip ? 120 : 0', singleton: { mode: 'skip', key: 'event.data.id' },
    cancel_on: [{ event: 'order/cancelled', when: 'async.data.id == event.data.id', timeout: '0' }], finish_timeout: '1h',
    on_error: [{ error: 'Rate*', retries: 20, backoff: ['1m'] }], breaker: { failures: 10, window: '1m', pause: '30000ms' }, expects: [{ event: 'order/paid' }],
  }],
};

for (const [what, [given, wire]] of Object.entries(TAKEN)) {
  test(`taken: ${what}`, () => {
    const { wire: made } = stepd.function({ id: 'f', event: 'x', ...given }, () => 1);
    assert.deepEqual(made, JSON.parse(JSON.stringify({ event: 'x', ...wire })));
  });
}

const REFUSED = [
  [{ rate_limit: {} }, 'rate_limit: there is no such setting; it is written rateLimit'],
  [{ retires: 1 }, 'retires: there is no such setting; there are event, topic'],
  [{ retries: -1 }, 'retries: -1 must be a whole number, 0 or more'],
  [{ retries: '4' }, 'retries: "4" must be a whole number'],
  [{ retries: 1.5 }, 'retries: 1.5 must be a whole number'],
  [{ timeout: '5 minutes' }, 'timeout: "5 minutes" is no duration'],
  [{ timeout: -1 }, 'timeout: -1 is no duration'],
  [{ timeout: NaN }, 'timeout: NaN is no duration'],
  [{ schedule: '5s' }, 'schedule: "5s" must be a list of durations'],
  [{ schedule: ['1s'], backoff: ['1s'] }, 'backoff: is the same as schedule'],
  [{ ordering: 'byKey' }, 'ordering: "byKey" must be "by_key" or "unordered"'],
  [{ rateLimit: { limit: 2 } }, 'rateLimit.period: is missing'],
  [{ rateLimit: { limit: 0, period: '1h' } }, 'rateLimit.limit: 0 must be a whole number, 1 or more'],
  [{ rateLimit: 5 }, 'rateLimit: 5 must be {limit, period, key}'],
  [{ throttle: { limit: 1, period: '1s', brust: 1 } }, 'throttle.brust: there is no such setting'],
  [{ concurrencyLimits: { limit: 1 } }, 'concurrencyLimits: [object Object] must be a list'],
  [{ concurrencyLimits: [{ limit: 1 }, { scope: 'crm' }] }, 'concurrencyLimits[1].limit: is missing'],
  [{ singleton: { mode: 'stop' } }, 'singleton.mode: "stop" must be "skip" or "cancel"'],
  [{ onError: [{ error: 'E', backoff: 'soon' }] }, 'onError[0].backoff: "soon" is no duration'],
  [{ event: [] }, 'event: '],
  [{ topic: 'raw' }, 'topic: stands alone'],
  [{ event: undefined }, 'event: is missing: what starts it?'],
  [{ onFailure: 'x' }, 'onFailure: must be a function'],
  [{ id: 'a b' }, 'id: "a b" must have 1 to 200 letters'],
];

for (const [given, message] of REFUSED) {
  test(`refused: ${JSON.stringify(given)}`, () => {
    const declaring = () => stepd.function({ id: 'f', event: 'x', ...given }, () => 1);
    assert.throws(declaring, (error) => error instanceof TypeError && /at .*settings\.test\.mjs:\d+: /.test(error.message) && error.message.includes(message));
  });
}

test('a function without a name needs an id, and what it runs is a function', () => {
  assert.throws(() => stepd.function({ event: 'x' }, () => 1), /id: is missing/);
  assert.throws(() => stepd.function({ event: 'x' }), /what it runs comes second/);
  assert.throws(() => stepd.function(null, () => 1), /its settings come first/);
});

test('the names of the package, and the old ones of exec', () => {
  assert.equal(declare, stepd.function);
  assert.equal(StepError, StepFailed);
  assert.ok(new NonRetriable('x') instanceof Error);
  for (const name of ['event', 'step', 'sleep', 'send', 'output', 'serve']) assert.equal(typeof stepd[name], 'function', name);
});

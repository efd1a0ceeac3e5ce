// SPDX-License-Identifier: Apache-2.0
// Functions tried without a daemon.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import stepd from '../index.js';

let ids = 0;
const made = (settings, run) => stepd.function({ id: `f${ids++}`, event: 'x', ...settings }, run);
const failing = (times, error = new Error('flaky')) => () => {
  if (times-- > 0) throw error;
  return 'done';
};

test('it gives the result, the steps, and how long it would have waited', async () => {
  const flaky = failing(2);
  const one = made({ schedule: ['1s', '5s'] }, async (event, step) => {
    const got = await step.run('fetch', flaky);
    await step.sleep('settle', '1h');
    return { got, of: event.data.url };
  });
  const run = await stepd.testing.run(one, { data: { url: 'u' } });
  assert.deepEqual(run.result, { got: 'done', of: 'u' });
  assert.equal(run.error, null);
  assert.equal(run.status, 'completed');
  assert.deepEqual(run.steps, { fetch: 'done', settle: null });
  assert.deepEqual(run.delays, [1, 5, 3600]);
  assert.equal(run.attempts, 4);
});

test('what fails for good is its error, after the retries that its function has', async () => {
  const one = made({ retries: 2, schedule: ['1s'] }, failing(9, new RangeError('no')));
  const run = await stepd.testing.run(one);
  assert.deepEqual([run.status, run.error.name, run.error.message, run.delays, run.attempts], ['failed', 'RangeError', 'no', [1, 1], 3]);
});

test('an error has the retries and delays that onError gives it', async () => {
  const onError = [{ error: 'Range*', retries: 3, backoff: ['1s', '2s'] }, { error: 'RangeError', retries: 9 }, { error: 'TypeError', retries: 0 }];
  const delaysOf = async (error, settings = {}) => (await stepd.testing.run(made({ retries: 1, schedule: ['7s'], onError, ...settings }, failing(9, error)))).delays;
  assert.deepEqual(await delaysOf(new RangeError('no')), [1, 2, 2]);
  assert.deepEqual(await delaysOf(new TypeError('no')), []);
  assert.deepEqual(await delaysOf(new Error('no')), [7]);
  assert.deepEqual(await delaysOf(new RangeError('no'), { onError: [{ error: 'RangeError' }] }), [7]);
  const step = made({ retries: 0, onError }, async (event, s) => s.run('a', failing(9, new RangeError('no'))));
  assert.deepEqual((await stepd.testing.run(step)).delays, [1, 2, 2]);
});

test('NonRetriable ends it now, RetryAfter says when', async () => {
  const never = await stepd.testing.run(made({}, failing(9, new stepd.NonRetriable('never'))));
  assert.deepEqual([never.error.name, never.attempts], ['NonRetriable', 1]);
  const later = await stepd.testing.run(made({}, failing(1, new stepd.RetryAfter(7, 'busy'))));
  assert.deepEqual([later.result, later.delays], ['done', [7]]);
});

test('a step that failed for good may be handled', async () => {
  const one = made({ retries: 0 }, async (event, step) => {
    try {
      await step.run('charge', failing(9, new Error('declined')));
    } catch (error) {
      return [error instanceof stepd.StepError, error.stepId, error.name, error.message];
    }
  });
  const run = await stepd.testing.run(one);
  assert.deepEqual(run.result, [true, 'charge', 'Error', 'declined']);
  assert.equal(run.steps.charge.message, 'declined');
});

test('steps beside each other are retried alone', async () => {
  let calls = 0;
  const flaky = failing(2);
  const one = made({ schedule: ['1s'] }, async (event, step) => Promise.all([step.run('a', () => ++calls), step.run('b', flaky)]));
  const run = await stepd.testing.run(one);
  assert.deepEqual([run.result, run.delays], [[1, 'done'], [1, 1]]);
});

test('waits, invokes and events sent are what the test says', async () => {
  const child = made({}, async (event) => event.data.n * 2);
  const one = made({}, async (event, step) => {
    const paid = await step.wait('paid', { event: 'order/paid', timeout: '1d' });
    const late = await step.wait('late', { event: 'order/late', timeout: '1h' });
    await step.send('tell', 'user/told', { n: 1 });
    return [paid.name, paid.data, late, await step.invoke('own', child, { n: 4 }), await step.invoke('other', 'bill', { n: 1 })];
  });
  const run = await stepd.testing.run(one, {}, { waits: { paid: { amount: 5 } }, invokes: { bill: (data) => ({ billed: data.n }) } });
  assert.deepEqual(run.result, ['order/paid', { amount: 5 }, null, 8, { billed: 1 }]);
  assert.deepEqual(run.sent, [{ id: 'tell', name: 'user/told', data: { n: 1 } }]);
  assert.deepEqual(run.delays, [3600]);
});

test('an invoke of what there is not fails as it does in stepd', async () => {
  const run = await stepd.testing.run(made({}, async (event, step) => step.invoke('i', 'nobody', {})));
  assert.deepEqual([run.error.name, run.error.stepId], ['NoSuchFunction', 'i']);
});

test('onFailure runs after the run failed for good', async () => {
  const one = made({ retries: 0, onFailure: async (event, step, failure) => step.send('tell', 'failed', [event.data, failure.name, step.failure.message]) }, failing(1, new TypeError('x')));
  const run = await stepd.testing.run(one, { data: 7 });
  assert.equal(run.error.name, 'TypeError');
  assert.deepEqual(run.sent, [{ id: 'tell', name: 'failed', data: [7, 'TypeError', 'x'] }]);
});

test('an event is read as one of Kafka: an envelope, or data as a whole', async () => {
  const one = made({}, async (event) => [event.name, event.data, event.events.length]);
  const seen = async (given, options) => (await stepd.testing.run(one, given, options)).result;
  assert.deepEqual(await seen({ name: 'y', data: 1 }), ['y', 1, 1]);
  assert.deepEqual(await seen({ name: 'y' }), ['y', null, 1]);
  assert.deepEqual(await seen({ data: 1, id: 'e' }), ['x', 1, 1]);
  assert.deepEqual(await seen({ name: 'Ada', email: 'a@b' }), ['x', { name: 'Ada', email: 'a@b' }, 1]);
  assert.deepEqual(await seen(7), ['x', 7, 1]);
  assert.deepEqual(await seen(), ['x', null, 1]);
  assert.deepEqual(await seen(null, { events: [{ data: 1 }, { data: 2 }] }), ['x', 1, 2]);
});

test('values go through JSON as they do in stepd', async () => {
  const run = await stepd.testing.run(made({}, async (event, step) => step.run('s', () => [2n ** 70n, NaN, new Date(0), Buffer.from('hi')])));
  assert.deepEqual(run.result, [2n ** 70n, null, '1970-01-01T00:00:00.000Z', 'aGk=']);
});

test('a wait that nothing ends is an error of the test', async () => {
  const run = await stepd.testing.run(made({}, async (event, step) => step.wait('w', { event: 'y' })));
  assert.match(run.error.message, /nothing ends the wait w/);
});

test('console is in the log', async () => {
  const run = await stepd.testing.run(made({}, async () => console.warn('hm', 1)));
  assert.deepEqual(run.log, [{ level: 'warn', message: 'hm 1' }]);
});

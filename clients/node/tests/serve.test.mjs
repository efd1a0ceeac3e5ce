// SPDX-License-Identifier: Apache-2.0
// A program over its two descriptors, against a host of these tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, program } from './host.mjs';

test('hello has the functions with their settings, places and whether they have an onFailure', async (t) => {
  const host = new Host(t, `
    stepd.function({ id: 'resize', event: ['image/uploaded', 'image/changed'], retries: 8, timeout: 30,
      rateLimit: { limit: 2, period: '1h', key: 'event.data.user' }, schedule: ['1s', 0.5], onFailure: () => {}, when: null }, () => 1);
    stepd.function({ event: 'y', concurrencyLimits: [{ limit: 5, scope: 'crm' }] }, function named() {});
    await stepd.serve();`);
  const hello = await host.hear({ type: 'hello' });
  assert.equal(hello.protocol, 1);
  assert.match(hello.client, /^node \d/);
  assert.deepEqual(hello.functions, [
    { id: 'resize', place: 'program.mjs:3', event: ['image/uploaded', 'image/changed'], retries: 8, timeout: '30000ms',
      rate_limit: { limit: 2, period: '1h', key: 'event.data.user' }, schedule: ['1s', '500ms'], on_failure: true },
    { id: 'named', place: 'program.mjs:5', event: 'y', concurrency_limits: [{ limit: 5, scope: 'crm' }] },
  ]);
});

test('both declarations of one id are told, and the earlier is called', async (t) => {
  const host = new Host(t, `
    stepd.function({ id: 'f', event: 'x' }, () => 'earlier');
    stepd.function({ id: 'f', event: 'x' }, () => 'later');
    await stepd.serve();`);
  assert.deepEqual((await host.hear({ type: 'hello' })).functions.map((each) => each.place), ['program.mjs:3', 'program.mjs:4']);
  host.call(1);
  assert.equal((await host.hear({ type: 'output' })).output, 'earlier');
});

test('a step is reported, answered, and gives what JSON holds of its result', async (t) => {
  const host = program(t, `const got = await step.run('s', () => ({ at: new Date(0), gone: undefined, bytes: Buffer.from('hi') })); return { got };`);
  host.call(1);
  assert.deepEqual(await host.hear({ type: 'step' }), { type: 'step', call: 1, id: 's', result: { at: '1970-01-01T00:00:00.000Z', bytes: 'aGk=' } });
  host.answer(1, 's');
  assert.deepEqual(await host.hear({ type: 'output' }), { type: 'output', call: 1, output: { got: { at: '1970-01-01T00:00:00.000Z', bytes: 'aGk=' } } });
});

test('an answer\'s result counts before the step\'s own', async (t) => {
  const host = program(t, `return step.run('s', () => 1);`);
  host.call(1);
  await host.hear({ type: 'step' });
  host.answer(1, 's', { status: 'ok', result: 2 });
  assert.equal((await host.hear({ type: 'output' })).output, 2);
});

test('what is on record is not run again', async (t) => {
  const host = program(t, `
    const a = await step.run('a', () => { throw new Error('again'); });
    try { await step.run('b', () => 1); } catch (error) { return [a, error instanceof stepd.StepError, error.name, error.message, error.stepId]; }`);
  host.call(1, { steps: [{ id: 'a', result: 'kept' }, { id: 'b', error: { name: 'BadImage', message: 'no pixels\n  at look (media.js:3)' } }] });
  assert.deepEqual((await host.hear({ type: 'output' })).output, ['kept', true, 'BadImage', 'no pixels', 'b']);
});

test('an id that is used again is numbered, and jumps over names that were used', async (t) => {
  const host = program(t, `for (const id of ['a', 'a:1', 'a', 'a']) await step.run(id, () => 1);`);
  host.call(1);
  for (const name of ['a', 'a:1', 'a:2', 'a:3']) {
    await host.hear({ type: 'step', id: name });
    host.answer(1, name);
  }
  await host.hear({ type: 'output' });
});

test('an error is its class, its message, and the frames of the program\'s own code', async (t) => {
  const host = program(t, `
    class BadImage extends Error {}
    const fetchIt = () => { throw new BadImage('no pixels'); };
    await step.run('fetch', () => fetchIt());`);
  host.call(1);
  const { error } = await host.hear({ type: 'step' });
  assert.deepEqual(error, { name: 'BadImage', message: 'no pixels\n  at fetchIt (program.mjs:4)\n  at program.mjs:5\n  at program.mjs:5', retriable: true });
});

const ERRORS = {
  "new Error('x')": { name: 'Error', message: /^x\n  at program\.mjs:2$/, retriable: true },
  "new TypeError('x')": { name: 'TypeError', message: /^x\n/, retriable: true },
  "new stepd.NonRetriable('x')": { name: 'NonRetriable', message: /^x\n/, retriable: false },
  "new stepd.RetryAfter(5, 'x')": { name: 'RetryAfter', message: /^x\n/, retriable: true, retry_after_ms: 5000 },
  "new stepd.RetryAfter('1m')": { name: 'RetryAfter', message: /^again in 60 s\n/, retriable: true, retry_after_ms: 60000 },
  "'just a text'": { name: 'Error', message: /^just a text$/, retriable: true },
  null: { name: 'Error', message: /^null$/, retriable: true },
  "Object.assign(new Error('x'), { name: 'Own' })": { name: 'Own', message: /^x\n/, retriable: true },
  "new Error('ü'.repeat(2000))": { name: 'Error', message: /^ü+…\n  at program\.mjs:2$/, retriable: true },
};

for (const [thrown, wanted] of Object.entries(ERRORS)) {
  test(`a function that throws ${thrown}`, async (t) => {
    const host = program(t, `throw ${thrown};`);
    host.call(1);
    const { error } = await host.hear({ type: 'error' });
    const { message, ...others } = wanted;
    assert.match(error.message, message);
    assert.ok(Buffer.byteLength(error.message) <= 1000);
    assert.deepEqual(error, { ...others, message: error.message });
  });
}

test('a step that failed for good and is not handled ends the call with its step_id', async (t) => {
  const host = program(t, `await step.run('s', () => { throw new RangeError('no'); });`);
  host.call(1);
  await host.hear({ type: 'step' });
  host.answer(1, 's', { status: 'failed', error: { name: 'RangeError', message: 'no\n  at program.mjs:2' } });
  const { error } = await host.hear({ type: 'error' });
  assert.deepEqual(error, { name: 'RangeError', message: 'no\n  at program.mjs:2', retriable: true, step_id: 's' });
});

test('a step that is to go on later suspends the call, and no catch or finally sees it', async (t) => {
  const host = program(t, `try { await step.run('s', () => { throw new Error('x'); }); } catch { return 'caught'; } finally { console.log('finally'); }`);
  host.call(1);
  await host.hear({ type: 'step' });
  host.answer(1, 's', { status: 'later' });
  await host.hear({ type: 'suspend', call: 1 });
  host.call(2, { steps: [{ id: 's', result: null }] });
  await host.hear({ type: 'output', call: 2 });
  assert.equal(host.heard.filter((line) => line.message === 'finally').length, 1);
});

test('steps that are awaited together are beside each other, and each is retried alone', async (t) => {
  const host = program(t, `return Promise.all([step.run('a', () => 1), step.sleep('nap', '5s'), step.run('b', ({ attempt }) => { if (attempt < 1) throw new Error('x'); return attempt; })]);`);
  host.call(1);
  const { steps } = await host.hear({ type: 'steps' });
  assert.deepEqual(steps.map((each) => each.id).sort(), ['a', 'b']);
  assert.deepEqual(await host.hear({ type: 'sleep' }), { type: 'sleep', call: 1, id: 'nap', beside: true, ms: 5000 });
  host.answer(1, 'a');
  host.answer(1, 'b', { status: 'later' });
  host.answer(1, 'nap', { status: 'later' });
  await host.hear({ type: 'suspend' });
  host.call(2, { steps: [{ id: 'a', result: 1 }], attempts: { b: 1 }, later: ['nap'] });
  assert.deepEqual(await host.hear({ type: 'step' }), { type: 'step', call: 2, id: 'b', beside: true, result: 1 });
  host.answer(2, 'b');
  await host.hear({ type: 'suspend', call: 2 });
  host.call(3, { steps: [{ id: 'a', result: 1 }, { id: 'b', result: 1 }, { id: 'nap', result: null }] });
  assert.deepEqual((await host.hear({ type: 'output' })).output, [1, null, 1]);
});

for (const [name, members] of [['a wait', {}], ['a wait of an earlier call', { later: ['paid'] }]]) {
  test(`${name} that ends while a step is under way goes on at once`, async (t) => {
    const host = program(t, `return (await Promise.race([step.run('slow', () => new Promise(() => {})), step.wait('paid', { event: 'order/paid' })])).data;`);
    await host.hear({ type: 'hello' });
    host.call(1, members);
    if (!members.later) {
      await host.hear({ type: 'wait', id: 'paid' });
      host.answer(1, 'paid', { status: 'later' });
    }
    host.answer(1, 'paid', { status: 'ok', result: { id: 'e2', name: 'order/paid', data: 7, ts: 1790000000000 } });
    assert.equal((await host.hear({ type: 'output' })).output, 7);
  });
}

test('a branch goes on while another waits for later, with what it awaits between its steps', async (t) => {
  const host = program(t, `
    return Promise.all([step.sleep('nap', '1h'), (async () => {
      await step.run('a', () => 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return step.run('b', () => 2);
    })()]);`);
  host.call(1);
  await host.hear({ type: 'sleep' });
  host.answer(1, 'nap', { status: 'later' });
  await host.hear({ type: 'step', id: 'a' });
  host.answer(1, 'a');
  await host.hear({ type: 'step', id: 'b' });
  host.answer(1, 'b');
  await host.hear({ type: 'suspend' });
  assert.equal(host.heard.filter((line) => line.type === 'suspend').length, 1);
});

test('a race is won by the first, which sees that the others are dropped', async (t) => {
  const host = program(t, `
    let dropped;
    const won = await Promise.race([step.run('slow', ({ signal }) => new Promise((resolve) => { dropped = signal; })), step.run('fast', () => 'fast')]);
    setTimeout(() => console.log('dropped', dropped.aborted), 0);
    return won;`);
  host.call(1);
  await host.hear({ type: 'step', id: 'fast', beside: true });
  host.answer(1, 'fast');
  assert.equal((await host.hear({ type: 'output' })).output, 'fast');
  const said = await host.hear({ type: 'log', message: 'dropped true' });
  assert.equal('call' in said, false, 'a call that is over is no longer named');
});

test('a race that was won is won by the same again, in whatever order its steps stand', async (t) => {
  const host = program(t, `return Promise.race([step.run('a', () => 'a'), step.run('b', () => 'b')]);`);
  host.call(1, { steps: [{ id: 'b', result: 'b' }, { id: 'a', result: 'a' }] });
  assert.equal((await host.hear({ type: 'output' })).output, 'b');
});

test('sleep, sleepUntil, send, wait and invoke say what the protocol has', async (t) => {
  const host = program(t, `
    await step.sleep('a', '1m30s');
    await step.sleep('b', 1.5);
    await step.sleepUntil('c', new Date(1790000000000));
    await step.sleepUntil('d', '2026-11-28T12:00:00Z');
    await step.send('e', 'user/told', { n: 2n ** 64n });
    const came = await step.wait('g', { event: 'order/paid', when: 'async.data.id == event.data.id', timeout: '1d' });
    const gone = await step.wait('h', { event: 'order/paid' });
    const billed = await step.invoke('i', 'bill', { n: 1 }, { timeout: 60 });
    return [came.data, came.ts.getTime(), gone, billed];`);
  host.call(1);
  const wanted = [
    '{"type":"sleep","call":1,"id":"a","ms":90000}',
    '{"type":"sleep","call":1,"id":"b","ms":1500}',
    '{"type":"sleep","call":1,"id":"c","until_ms":1790000000000}',
    '{"type":"sleep","call":1,"id":"d","until_ms":1795867200000}',
    '{"type":"send","call":1,"id":"e","name":"user/told","data":{"n":18446744073709551616}}',
    '{"type":"wait","call":1,"id":"g","event":"order/paid","when":"async.data.id == event.data.id","timeout_ms":86400000}',
    '{"type":"wait","call":1,"id":"h","event":"order/paid"}',
    '{"type":"invoke","call":1,"id":"i","function":"bill","data":{"n":1},"timeout_ms":60000}',
  ];
  const results = { g: { id: 'e', name: 'order/paid', data: { id: 7 }, ts: 5, headers: {} }, h: null, i: 'paid' };
  for (const line of wanted) {
    const { id } = await host.hear({ id: JSON.parse(line).id });
    assert.equal(host.lines.at(-1), line);
    host.answer(1, id, { status: 'ok', ...(id in results ? { result: results[id] } : {}) });
  }
  assert.deepEqual((await host.hear({ type: 'output' })).output, [{ id: 7 }, 5, null, 'paid']);
});

const MISUSES = {
  "step.run('s')": 'step.run("s", …) wants a function, not undefined',
  "step.run('', () => 1)": 'a step\'s id must be a text, not ""',
  "step.run('a\\0b', () => 1)": "a step's id must be a text",
  "step.run('é'.repeat(101), () => 1)": "a step's id has 200 bytes at most",
  "step.sleep('s', 'soon')": 'step.sleep("s", …): "soon" is no duration',
  "step.sleep('s', -1)": 'step.sleep("s", …): -1 is no duration',
  "step.sleepUntil('s', 'soon')": '"soon" is no time',
  "step.send('s')": "the event's name must be a text, not undefined",
  "step.wait('s', 'order/paid')": 'step.wait("s", …): there is no 0',
  "step.wait('s', { event: 'e', timeoutMs: 5 })": 'step.wait("s", …): there is no timeoutMs; there are event, when, timeout',
  "step.invoke('s', 7)": 'the function must be a text, not 7',
  "step.run('s', () => step.run('t', () => 1))": 'steps do not nest',
};

for (const [misuse, message] of Object.entries(MISUSES)) {
  test(`refused for good: ${misuse}`, async (t) => {
    const host = program(t, `await ${misuse};`);
    host.call(1);
    const { error } = await (misuse.includes('nest') || misuse.includes("'t'") ? host.hear({ type: 'step' }) : host.hear({ type: 'error' }));
    assert.ok(error.message.includes(message), error.message);
    assert.equal(error.retriable, false);
  });
}

test('numbers of any size come and go exactly', async (t) => {
  const host = program(t, `const kept = await step.run('s', () => event.data); console.log(typeof kept.big, typeof kept.small); return { kept, seen: event.data };`);
  const data = '{"big":123456789012345678901234567890,"edge":9007199254740993,"small":7,"real":1.5,"text":"9007199254740993","nothing":-0}';
  host.sayText(`{"type":"call","call":1,"function":"f","run_id":"r","attempt":0,"max_attempts":1,"phase":"function","event":{"name":"x","id":"e","ts":1,"data":${data},"headers":{}},"steps":[]}\n`);
  await host.hear({ type: 'step' });
  assert.equal(host.lines.at(-1), `{"type":"step","call":1,"id":"s","result":${data}}`);
  host.answer(1, 's');
  await host.hear({ type: 'log', message: 'bigint number' });
  await host.hear({ type: 'output' });
  assert.equal(host.lines.at(-1), `{"type":"output","call":1,"output":{"kept":${data},"seen":${data}}}`);
});

test('NaN is null, a lone surrogate is U+FFFD, NUL stays', async (t) => {
  const host = program(t, String.raw`return [NaN, -Infinity, '\ud800', 'a\0b', 2 ** 60, undefined];`);
  host.call(1);
  await host.hear({ type: 'output' });
  assert.equal(host.lines.at(-1), String.raw`{"type":"output","call":1,"output":[null,null,"\ufffd","a\u0000b",1.152921504606847e+18,null]}`);
});

test('an event has bytes as Buffers, its time as a Date, and all that came with it', async (t) => {
  const host = program(t, `
    return { data: event.data.toString(), key: event.key.toString('hex'), ts: event.ts, header: event.headers.b.length, text: event.headers.t, none: event.headers.n,
      events: event.events.map((each) => each.id), about: [event.topic, event.partition, event.offset, event.user] };`);
  const bytes = { id: 'e1', name: 'x', data_base64: 'aGk=', key_base64: '/w==', ts: 0, topic: 'raw', partition: 3, offset: 41, headers: { b: { base64: 'AAE=' }, t: 'acme', n: null } };
  host.call(1, { event: bytes, events: [bytes, { ...bytes, id: 'e2' }] });
  assert.deepEqual((await host.hear({ type: 'output' })).output, {
    data: 'hi', key: 'ff', ts: '1970-01-01T00:00:00.000Z', header: 2, text: 'acme', none: null, events: ['e1', 'e2'], about: ['raw', 3, 41, null],
  });
});

test('onFailure is called with the event and the failure', async (t) => {
  const host = new Host(t, `
    stepd.function({ id: 'f', event: 'x', onFailure: async (event, step, failure) => [event.id, await step.run('s', () => 1), failure.name, failure.message, failure.stepId] }, () => 1);
    await stepd.serve();`);
  host.call(1, { phase: 'on_failure', failure: { name: 'Down', message: 'no db', step_id: null } });
  await host.hear({ type: 'step' });
  host.answer(1, 's');
  assert.deepEqual((await host.hear({ type: 'output' })).output, ['e1', 1, 'Down', 'no db', null]);
});

test('what a run says by console is in its log, in a step too; what the program says goes to its output', async (t) => {
  const host = new Host(t, `
    console.log('of the program');
    stepd.function({ id: 'f', event: 'x' }, async (event, step) => {
      console.log('in %s', 'f', { n: 1 });
      await step.run('s', async () => { await null; console.error('in a step'); });
    });
    await stepd.serve();`);
  host.call(7);
  assert.deepEqual(await host.hear({ type: 'log' }), { type: 'log', call: 7, level: 'info', message: 'in f { n: 1 }' });
  assert.deepEqual(await host.hear({ type: 'log' }), { type: 'log', call: 7, level: 'error', message: 'in a step' });
  assert.match(host.output, /of the program/);
});

test('a cancelled call is told by the signal and ends with suspend', async (t) => {
  const host = program(t, `await step.run('s', ({ signal }) => new Promise((resolve, reject) => signal.addEventListener('abort', () => { console.log(signal.reason.name); reject(signal.reason); })));`);
  host.call(1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  host.say({ type: 'cancel', call: 1, reason: 'timeout' });
  await host.hear({ type: 'suspend', call: 1 });
  assert.equal(host.heard.filter((line) => line.type === 'step' || line.type === 'error').length, 0);
});

test('a cancelled call that waits for an answer, and one that awaits its step.signal, end', async (t) => {
  const host = program(t, `
    if (event.data.wait) await new Promise((resolve) => step.signal.addEventListener('abort', resolve));
    await step.run('s', () => 1);`);
  host.call(1);
  await host.hear({ type: 'step', call: 1 });
  host.say({ type: 'cancel', call: 1, reason: 'cancelled' });
  await host.hear({ type: 'suspend', call: 1 });
  host.call(2, { event: { id: 'e', name: 'x', ts: 1, data: { wait: true } } });
  host.say({ type: 'cancel', call: 2, reason: 'cancelled' });
  await host.hear({ type: 'suspend', call: 2 });
});

test('drained, it ends what is under way, says bye and exits, whatever keeps its loop alive', async (t) => {
  const host = new Host(t, `
    setInterval(() => {}, 1000);
    stepd.function({ id: 'f', event: 'x' }, async (event, step) => step.run('s', () => 1));
    await stepd.serve();
    console.log('after serve');`);
  host.call(1);
  await host.hear({ type: 'step' });
  host.say({ type: 'drain' });
  host.answer(1, 's');
  await host.hear({ type: 'output' });
  await host.hear({ type: 'bye' });
  assert.equal(await host.exited, 0);
  assert.match(host.output, /after serve/);
  assert.equal(host.heard.at(-1).type, 'bye');
});

test('told to end by a signal it says bye first, and ends what is under way', async (t) => {
  const host = program(t, `return step.run('s', () => 1);`);
  host.call(1);
  await host.hear({ type: 'step' });
  host.kill('SIGTERM');
  await host.hear({ type: 'bye' });
  host.answer(1, 's');
  await host.hear({ type: 'output' });
  assert.equal(await host.exited, 0);
});

test('where stepd is gone it ends at once', async (t) => {
  const host = program(t, `await step.run('s', () => new Promise((resolve) => setTimeout(resolve, 600000)));`);
  await host.hear({ type: 'hello' });
  host.call(1);
  host.goAway();
  assert.equal(await host.exited, 1);
});

test('refused, it says why and ends', async (t) => {
  const host = program(t, `return 1;`);
  await host.hear({ type: 'hello' });
  host.say({ type: 'refused', reason: "'protocol' is 1, this stepd speaks 2" });
  assert.equal(await host.exited, 1);
  assert.match(host.output, /stepd refused this program: 'protocol' is 1/);
});

test('members and types that it does not know are ignored', async (t) => {
  const host = program(t, `return 1;`);
  host.say({ type: 'welcome', program: 'test', functions: ['f'], refused: [], new: 1 }, { type: 'new' }, { type: 'answer', call: 99, id: 's', status: 'ok' }, { type: 'cancel', call: 99 });
  host.call(1, { new: { a: 1 } });
  assert.equal((await host.hear({ type: 'output' })).output, 1);
});

test('a thousand calls at once, with three steps each', async (t) => {
  const host = program(t, `for (const id of ['a', 'b', 'c']) await step.run(id, () => event.offset); return event.offset;`);
  for (let call = 1; call <= 1000; call++) host.call(call);
  for (const id of ['a', 'b', 'c']) {
    for (let call = 1; call <= 1000; call++) {
      const { result } = await host.hear({ type: 'step', call, id });
      assert.equal(result, call);
    }
    host.say(...Array.from({ length: 1000 }, (_, i) => ({ type: 'answer', call: i + 1, id, status: 'ok' })));
  }
  for (let call = 1; call <= 1000; call++) assert.equal((await host.hear({ type: 'output', call })).output, call);
});

test('while stepd does not read, no further step is begun', async (t) => {
  const host = program(t, `await step.run('s', () => { console.log(event.offset); return 'x'.repeat(300000); });`);
  await host.hear({ type: 'hello' });
  host.pause();
  for (let call = 1; call <= 100; call++) {
    host.call(call);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  host.resume();
  await host.hear({ type: 'log', call: 1 });
  assert.ok(host.heard.filter((line) => line.type === 'log').length < 50, 'most were not begun');
  for (let call = 1; call <= 100; call++) await host.hear({ type: 'step', call });
});

test('a result over 16 MiB is an error that says so, and the program goes on', async (t) => {
  const host = program(t, `if (event.data.step) await step.run('s', () => 'x'.repeat(17 * 2 ** 20)); return 'x'.repeat(17 * 2 ** 20);`);
  host.call(1);
  assert.deepEqual((await host.hear({ type: 'error' })).error.name, 'TooLarge');
  host.call(2, { event: { id: 'e', name: 'x', ts: 1, data: { step: true } } });
  assert.equal((await host.hear({ type: 'step' })).error.retriable, false);
});

test('a rejection that nothing handles is logged, and the other calls go on', async (t) => {
  const host = program(t, `if (event.data.bad) { void Promise.reject(new Error('stray')); await new Promise((resolve) => setTimeout(resolve, 50)); } return 1;`);
  host.call(1, { event: { id: 'e', name: 'x', ts: 1, data: { bad: true } } });
  await host.hear({ type: 'output', call: 1 });
  assert.ok(host.heard.some((line) => line.type === 'log' && line.message.includes('stray')));
});

test('programs that it starts do not inherit the descriptors', async (t) => {
  const host = program(t, `
    const { execFileSync } = await import('node:child_process');
    return execFileSync('ls', ['/proc/self/fd']).toString().trim().split('\\n').filter((fd) => fd === '4');`);
  host.call(1);
  assert.deepEqual((await host.hear({ type: 'output' })).output, []);
});

test('over pipes as over sockets', async (t) => {
  const host = program(t, `return step.run('s', () => 'x'.repeat(500000).length);`, { byShell: true });
  host.call(1);
  await host.hear({ type: 'step' });
  host.answer(1, 's');
  assert.equal((await host.hear({ type: 'output' })).output, 500000);
});

test('serve() without stepd says what it is for', async (t) => {
  const host = program(t, `return 1;`, { env: { STEPD_PROGRAM: undefined } });
  assert.equal(await host.exited, 1);
  assert.match(host.output, /serve\(\) is for programs that stepd starts: `stepd dev --program "node FILE"`/);
});

test('a program that declares nothing says so', async (t) => {
  const host = new Host(t, 'await stepd.serve();');
  assert.deepEqual((await host.hear({ type: 'hello' })).functions, []);
  assert.match(host.output, /no function was declared/);
});

test('a signal aborts what step code is given once its race is lost, and only then', async (t) => {
  const host = program(t, `
    await Promise.race([step.run('a', async ({ signal }) => { await new Promise((resolve) => setTimeout(resolve, 30)); return signal.aborted; }), step.run('b', ({ signal }) => new Promise(() => {}))]);
    return step.run('c', ({ signal }) => signal.aborted);`);
  host.call(1);
  assert.equal((await host.hear({ type: 'step', id: 'a' })).result, false);
  host.answer(1, 'a');
  assert.equal((await host.hear({ type: 'step', id: 'c' })).result, false);
  host.answer(1, 'c');
  await host.hear({ type: 'output' });
});

// SPDX-License-Identifier: Apache-2.0
// The settings of a function: named as in the config but in camelCase, checked where they are written.
import exec from './exec.cjs';

const { durationMs, shown } = exec.inside;

// ---- kinds: each gives the value as the config has it, or throws what is wrong with it --------------

const wrong = (what) => new TypeError(what);

function duration(value) {
  const ms = durationMs(value);
  return ms === 0 ? '0' : typeof value === 'string' ? value : `${ms}ms`;
}

function durations(value) {
  if (!Array.isArray(value) || value.length === 0) throw wrong(`${shown(value)} must be a list of durations, such as ["1s", "5s"]`);
  return value.map(duration);
}

const durationOrMore = (value) => (Array.isArray(value) ? durations(value) : [duration(value)]);

const whole = (least) => (value) => {
  if (typeof value === 'bigint' ? value >= least : Number.isSafeInteger(value) && value >= least) return value;
  throw wrong(`${shown(value)} must be a whole number, ${least} or more`);
};

function text(value) {
  if (typeof value === 'string' && value !== '') return value;
  throw wrong(`${shown(value)} must be a text`);
}

function texts(value) {
  if (Array.isArray(value) && value.length > 0) return value.map(text);
  return text(value);
}

function expression(value) {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw wrong(`${shown(value)} must be an expression, as a text`);
}

const oneOf = (...words) => (value) => {
  if (words.includes(value)) return value;
  throw wrong(`${shown(value)} must be ${words.map(shown).join(' or ')}`);
};

const map = (members, needed = []) => (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`${shown(value)} must be {${Object.keys(members).join(', ')}}`);
  return membersToWire(value, members, needed);
};

const list = (kind) => (value) => {
  if (!Array.isArray(value)) throw wrong(`${shown(value)} must be a list`);
  return value.map((item, at) => within(`[${at}]`, kind, item));
};

// ---- the table -------------------------------------------------------------------------------------

const SETTINGS = {
  event: texts,
  topic: text,
  cron: texts,
  catchUp: oneOf('none', 'last', 'all'),
  retries: whole(0),
  timeout: duration,
  schedule: durations,
  backoff: durations,
  jitter: duration,
  concurrency: whole(0),
  ordering: oneOf('by_key', 'unordered'),
  dedupe: duration,
  dedupeKey: expression,
  when: expression,
  rateLimit: map({ limit: whole(1), period: duration, key: expression }, ['limit', 'period']),
  throttle: map({ limit: whole(1), period: duration, burst: whole(0), key: expression }, ['limit', 'period']),
  debounce: map({ period: duration, timeout: duration, key: expression }, ['period']),
  batch: map({ size: whole(1), timeout: duration, key: expression }, ['size', 'timeout']),
  concurrencyLimits: list(map({ limit: whole(1), key: expression, scope: text }, ['limit'])),
  priority: expression,
  singleton: map({ mode: oneOf('skip', 'cancel'), key: expression }, ['mode']),
  cancelOn: list(map({ event: text, when: expression, timeout: duration }, ['event'])),
  startTimeout: duration,
  finishTimeout: duration,
  onError: list(map({ error: text, retries: whole(0), backoff: durationOrMore }, ['error'])),
  breaker: map({ failures: whole(1), window: duration, pause: duration, key: expression }, ['failures', 'window', 'pause']),
  expects: list(map({ event: text, when: expression }, ['event'])),
};

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

class SettingError extends TypeError {
  constructor(path, message) {
    super(`${path}: ${message}`);
    Object.assign(this, { path, problem: message });
  }
}

// `kind` of `value`, whose complaints begin with where it stands.
function within(name, kind, value) {
  try {
    return kind(value);
  } catch (error) {
    if (!(error instanceof SettingError)) throw new SettingError(name, error.message);
    throw new SettingError(error.path.startsWith('[') ? name + error.path : `${name}.${error.path}`, error.problem);
  }
}

function unknown(name, members) {
  const plain = (word) => word.toLowerCase().replace(/[_-]/g, '');
  const meant = Object.keys(members).find((known) => plain(known) === plain(name));
  return new SettingError(name, meant ? `there is no such setting; it is written ${meant}` : `there is no such setting; there are ${Object.keys(members).join(', ')}`);
}

function membersToWire(given, members, needed) {
  const wire = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(members, name)) throw unknown(name, members);
    if (value !== null && value !== undefined) wire[snake(name)] = within(name, members[name], value);
  }
  for (const name of needed) {
    if (wire[snake(name)] === undefined) throw new SettingError(name, 'is missing');
  }
  return wire;
}

// All but `id` and `onFailure`. Throws what is wrong, by the setting's name.
export function settingsToWire(given) {
  const wire = membersToWire(given, SETTINGS, []);
  if (wire.backoff !== undefined) {
    if (wire.schedule !== undefined) throw new SettingError('backoff', 'is the same as schedule: write one of them');
    wire.schedule = wire.backoff;
    delete wire.backoff;
  }
  if (wire.topic !== undefined && (wire.event !== undefined || wire.cron !== undefined)) throw new SettingError('topic', 'stands alone, without event and cron');
  if (wire.topic === undefined && wire.event === undefined && wire.cron === undefined) throw new SettingError('event', 'is missing: what starts it? An event, a topic, or a cron');
  return wire;
}

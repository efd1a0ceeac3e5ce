// SPDX-License-Identifier: Apache-2.0
// The functions of this program, in the order in which they were declared.
import { placeOfCaller } from './place.js';
import { settingsToWire } from './settings.js';

const ID = /^[A-Za-z0-9._:/-]{1,200}$/;

const functions = [];
let isServed = false;

export const declared = () => [...functions];

// All of them, told to stepd; none comes after that.
export function takeDeclared() {
  isServed = true;
  return declared();
}

// One declaration. Frozen; what invoke() and testing.run() take.
class Declared {
  constructor(id, place, wire, run, onFailure) {
    Object.assign(this, { id, place, wire, run, onFailure });
    Object.freeze(this);
  }
}

export const isDeclared = (value) => value instanceof Declared;

function checkedId(id) {
  if (typeof id !== 'string') throw new TypeError('id: is missing; a function without a name of its own needs one');
  if (!ID.test(id)) throw new TypeError(`id: ${JSON.stringify(id)} must have 1 to 200 letters, digits and -_.:/`);
  return id;
}

function made(settings, run, place) {
  if (typeof settings !== 'object' || settings === null) throw new TypeError('its settings come first: stepd.function({id, event}, async (event, step) => …)');
  if (typeof run !== 'function') throw new TypeError('what it runs comes second: stepd.function({id, event}, async (event, step) => …)');
  const { id = run.name || undefined, onFailure = null, ...others } = settings;
  if (onFailure !== null && typeof onFailure !== 'function') throw new TypeError('onFailure: must be a function: async (event, step, failure) => …');
  return new Declared(checkedId(id), place, settingsToWire(others), run, onFailure);
}

// function({id, event, …}, async (event, step) => …)
export function declare(settings, run) {
  const place = placeOfCaller();
  let one;
  try {
    if (isServed) throw new Error('it comes after serve(), which told stepd what functions there are');
    one = made(settings, run, place);
  } catch (error) {
    throw new TypeError(`function ${JSON.stringify(settings?.id ?? (run?.name || '?'))} at ${place}: ${error.message}`);
  }
  functions.push(one);
  return one;
}

// What `hello` has of it.
export const declarationToWire = ({ id, place, wire, onFailure }) => ({ id, place, ...wire, ...(onFailure ? { on_failure: true } : {}) });

// SPDX-License-Identifier: Apache-2.0
// An id that is used again is ID:1, then ID:2; a name that was used already is jumped over. As the daemon has it.
import exec from './exec.cjs';

const ID_MAX = 200;

function checked(id) {
  if (typeof id !== 'string' || id === '' || id.includes('\0')) throw new exec.NonRetriable(`a step's id must be a text, not ${exec.inside.shown(id)}`);
  if (Buffer.byteLength(id) > ID_MAX) throw new exec.NonRetriable(`a step's id has ${ID_MAX} bytes at most: ${id.slice(0, 40)}…`);
  return id;
}

export class StepNames {
  #uses = new Map();

  next(id) {
    checked(id);
    let number = this.#uses.get(id) ?? 0;
    let name = id;
    while (number > 0 && this.#uses.has((name = `${id}:${number}`))) number++;
    if (name !== id) this.#uses.set(checked(name), 1);
    this.#uses.set(id, number + 1);
    return name;
  }
}

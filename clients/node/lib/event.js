// SPDX-License-Identifier: Apache-2.0
// An event as a function sees it: bytes are Buffers, its time is a Date.
const fromBase64 = (text) => Buffer.from(text, 'base64');

const headerOf = (value) => (typeof value === 'object' && value !== null ? fromBase64(value.base64) : value);

const NONE = {};

export class Event {
  #others; // of the batch, as they came
  #made;

  constructor(wire, others) {
    this.name = wire.name;
    this.id = wire.id;
    this.data = 'data_base64' in wire ? fromBase64(wire.data_base64) : wire.data ?? null;
    this.user = wire.user ?? null;
    this.ts = new Date(wire.ts);
    this.topic = wire.topic;
    this.partition = wire.partition;
    this.offset = wire.offset;
    this.key = 'key_base64' in wire ? fromBase64(wire.key_base64) : wire.key ?? null;
    const headers = Object.entries(wire.headers ?? NONE);
    this.headers = headers.length === 0 ? {} : Object.fromEntries(headers.map(([name, value]) => [name, headerOf(value)]));
    if (wire.traceparent !== undefined) this.traceparent = wire.traceparent;
    if (wire.schema_id !== undefined) this.schemaId = wire.schema_id;
    this.#others = others;
  }

  // All of the batch. No member of its own: an event that is returned is not told twice.
  get events() {
    if (this.#others === undefined) return [this];
    this.#made ??= this.#others.map((other) => new Event(other));
    return this.#made;
  }
}

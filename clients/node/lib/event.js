// SPDX-License-Identifier: Apache-2.0
// An event as a function sees it: bytes are Buffers, its time is a Date.
const fromBase64 = (text) => Buffer.from(text, 'base64');

const headerOf = (value) => (typeof value === 'object' && value !== null ? fromBase64(value.base64) : value);

export class Event {
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
    this.headers = Object.fromEntries(Object.entries(wire.headers ?? {}).map(([name, value]) => [name, headerOf(value)]));
    if (wire.traceparent !== undefined) this.traceparent = wire.traceparent;
    if (wire.schema_id !== undefined) this.schemaId = wire.schema_id;
    // Not enumerable: an event that is returned is not told twice.
    Object.defineProperty(this, 'events', { value: others === undefined ? [this] : others.map((other) => new Event(other)) });
  }
}

// SPDX-License-Identifier: Apache-2.0
// What the functions call: each fails at first, as the real thing would now and then.
const failing = (times, why) => () => {
  if (times-- > 0) throw new Error(why);
};
const clicksFail = failing(2, "database is locked");
const sourceFails = failing(1, "no route to host");
const syncsFail = failing(2, "connection reset");
const busy = failing(1, "busy");

export const clicks = {
  async insert(click) { clicksFail(); return click; },
};
export const source = {
  async fetch() { sourceFails(); return { rows: 3 }; },
};
export const syncs = {
  async insert(data) { syncsFail(); return { saved: data.rows }; },
};
export const users = {
  async emailOf(id) {
    if (id !== "ada") throw new Error("UserNotFound");
    return "ada@example.com";
  },
};
export const digests = { send: async (email) => ({ sentTo: email }) };
export const messages = {
  async create(phone) {
    try { busy(); } catch { return { success: false, retryAfter: "2s", message: "" }; }
    return { success: true, retryAfter: "", message: `welcome, ${phone}` };
  },
};

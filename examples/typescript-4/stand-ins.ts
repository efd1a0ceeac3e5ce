// SPDX-License-Identifier: Apache-2.0
// What the functions call: each fails at first, as the real thing would now and then.
const failing = (times: number, why: string) => () => {
  if (times-- > 0) throw new Error(why);
};
const clicksFail = failing(2, "database is locked");
const sourceFails = failing(1, "no route to host");
const syncsFail = failing(2, "connection reset");
const busy = failing(1, "busy");

export const clicks = {
  insert: async (click: { button: string; attempt: number }) => { clicksFail(); return click; },
};
export const source = { fetch: async () => { sourceFails(); return { rows: 3 }; } };
export const syncs = { insert: async (data: { rows: number }) => { syncsFail(); return { saved: data.rows }; } };
export const users = {
  emailOf: async (id: string) => {
    if (id !== "ada") throw new Error("UserNotFound");
    return "ada@example.com";
  },
};
export const digests = { send: async (email: string) => ({ sentTo: email }) };
export const messages = {
  create: async (phone: string) => {
    try { busy(); } catch { return { success: false, retryAfter: "2s", message: "" }; }
    return { success: true, retryAfter: "", message: `welcome, ${phone}` };
  },
};

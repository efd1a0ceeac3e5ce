// What the daemon is asked. A token is wanted for changes, unless the daemon says that none is.

import { parse } from "./dom.js";

const KEPT = "stepd-token";

async function answer(response) {
  const text = await response.text();
  let body;
  try {
    body = parse(text);
  } catch {
    body = { error: text || response.statusText };
  }
  if (response.ok) return body;
  throw Object.assign(new Error(body.error ?? response.statusText), { status: response.status });
}

export const get = async (path, parameters = {}) => {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  return answer(await fetch(query ? `${path}?${query}` : path, { cache: "no-store" }));
};

function askToken(why) {
  const dialog = document.getElementById("asking");
  const input = document.getElementById("token");
  const again = document.getElementById("asking-again");
  input.value = "";
  again.textContent = why;
  again.hidden = why === "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value : null), { once: true });
    document.getElementById("asking-left").onclick = () => dialog.close("no");
    dialog.returnValue = "no";
    dialog.showModal();
  });
}

async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem(KEPT);
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

// Asks for the token until it is right, or the person leaves it.
export async function post(path, body = {}) {
  for (let why = ""; ;) {
    try {
      return await send(path, body);
    } catch (error) {
      if (error.status !== 401) throw error;
      if (sessionStorage.getItem(KEPT) !== null) why = "That is not the token.";
      sessionStorage.removeItem(KEPT);
    }
    const token = await askToken(why);
    if (token === null) throw new Error("Nothing was changed.");
    sessionStorage.setItem(KEPT, token);
  }
}

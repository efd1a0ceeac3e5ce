// What the daemon is asked. A token is wanted for changes, unless the daemon says that none is.

const KEPT = "stepd-token";

async function answer(response) {
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
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

function askToken() {
  const dialog = document.getElementById("asking");
  const input = document.getElementById("token");
  input.value = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value : null), { once: true });
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

export async function post(path, body = {}) {
  try {
    return await send(path, body);
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  const token = await askToken();
  if (token === null) throw new Error("Nothing was changed.");
  sessionStorage.setItem(KEPT, token);
  try {
    return await send(path, body);
  } catch (error) {
    if (error.status === 401) sessionStorage.removeItem(KEPT);
    throw error;
  }
}

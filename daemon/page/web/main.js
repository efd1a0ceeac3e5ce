// Which page is shown: what stands behind the # of the address.
import { get } from "./api.js";
import { element } from "./dom.js";
import { setClock } from "./time.js";
import * as overview from "./overview.js";
import * as functions from "./functions.js";
import * as runs from "./runs.js";
import * as run from "./run.js";
import * as failed from "./failed.js";
import * as send from "./send.js";

const PAGES = { "": ["overview", "Overview", overview], functions: ["functions", "Functions", functions], runs: ["runs", "Runs", runs],
  failed: ["failed", "Failed", failed], send: ["send", "Send", send] };

let shown = null;

function health(now) {
  const place = document.getElementById("health");
  const text = now === null ? "the daemon does not answer" : now.is_ready ? "healthy" : now.reason;
  if (place.textContent === text) return;
  place.textContent = text;
  place.className = `health ${now !== null && now.is_ready ? "good" : "bad"}`;
}

async function watch() {
  try {
    const now = await get("/api/overview");
    setClock(now.now_ms);
    health(now);
  } catch {
    health(null);
  }
}

async function show(has_moved) {
  const [path, query] = location.hash.slice(2).split("?");
  const [name, id] = path.split("/");
  const [page, title, code] = id === undefined ? PAGES[name] ?? PAGES[""] : ["runs", "Run", run];
  const view = document.getElementById("view");

  shown?.abort();
  shown = new AbortController();
  const { signal } = shown;
  document.title = `${title}, stepd`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.replaceChildren();
  if (has_moved) view.focus({ preventScroll: true });
  try {
    await code.show(view, { signal, health, id: id === undefined ? null : decodeURIComponent(id), parameters: new URLSearchParams(query ?? ""),
      go: (hash) => { if (location.hash === hash) show(true); else location.hash = hash; }, refresh: () => show(false) });
  } catch (error) {
    if (!signal.aborted) view.replaceChildren(element("p", { class: "alarm", role: "alert" }, error.message));
  }
}

addEventListener("hashchange", () => show(true));
setInterval(watch, 10000);
watch();
show(false);

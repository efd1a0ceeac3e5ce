// The functions there are: what starts them, their settings, how they did lately, and the lines in which their runs wait.
import { get, post } from "./api.js";
import { element, line, runLink, say, table } from "./dom.js";
import { duration, now } from "./time.js";

const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const HEADS = ["Function", "Started by", ...["A second", "Failures", "p50", "p99"].map((text) => ({ text, class: "amount" })), { text: "Settings", class: "faint" }, { text: "Module", class: "faint" }, "Pause"];

async function change(one) {
  try {
    const { paused } = await post(`/api/functions/${encodeURIComponent(one.id)}/${one.paused ? "resume" : "pause"}`);
    say(`${one.id} ${paused ? "is paused: its runs wait, in all daemons" : "goes on"}.`);
  } catch (failure) {
    say(failure.message);
  }
}

function settings(one) {
  const backoff = one.backoff_ms.slice(0, 3).map(duration).join(", ") + (one.backoff_ms.length > 3 ? ", …" : "");
  return [one.paused && "paused", one.retries === 0 ? "no retries" : `${one.retries} retries after ${backoff}`, one.retries > 0 && one.jitter_ms > 0 && `jitter ${duration(one.jitter_ms)}`,
    one.timeout_ms > 0 && `timeout ${duration(one.timeout_ms)}`, one.ordering === "by_key" && "ordered by key",
    one.concurrency > 0 && `at most ${one.concurrency} at once`, one.dedupe_ms > 0 && `dedupe ${duration(one.dedupe_ms)}`,
    one.on_failure && "on_failure"].filter(Boolean).join(" · ");
}

function row(one) {
  const { completed, failed, retried, span_ms, p50_us, p99_us } = one.recent;
  const attempts = completed + failed + retried;
  const bad = failed + retried;
  return [
    element("a", { class: "name line", title: one.id, href: `#/runs?function=${encodeURIComponent(one.id)}` }, one.id),
    element("span", { class: "code" }, one.event ?? `topic ${one.topic}`),
    span_ms > 0 ? NUMBER.format((attempts * 1000) / span_ms) : "–",
    attempts > 0 ? { text: `${NUMBER.format((100 * bad) / attempts)} %`, class: bad > 0 ? "amount bad" : "amount" } : "–",
    p50_us === null ? "–" : duration(p50_us / 1000),
    p99_us === null ? "–" : duration(p99_us / 1000),
    settings(one),
    element("span", { class: "when" }, one.module),
    element("button", { onclick: () => change(one) }, one.paused ? "Resume" : "Pause"),
  ];
}

const LINE_HEADS = ["Function", "Key", { text: "Queued", class: "amount" }, { text: "The first waits for", class: "amount" }, "The first"];

function lineRow(one) {
  return [
    element("a", { class: "name line", title: one.function, href: `#/runs?function=${encodeURIComponent(one.function)}&status=queued` }, one.function),
    one.keys === "" ? element("span", { class: "faint" }, "all") : line(one.keys, "code"),
    NUMBER.format(one.queued),
    one.since_ms === null ? "–" : duration(Math.max(0, now() - one.since_ms)),
    runLink(one.first),
  ];
}

function lineTable({ lines, more }) {
  if (lines.length === 0) return [];
  return [element("h2", {}, "Lines ", element("span", { class: "faint" }, "runs that wait for a turn or a place, in all daemons")), table(LINE_HEADS, lines.map(lineRow), "Lines"),
    more > 0 && element("p", { class: "faint" }, `and ${NUMBER.format(more)} more`)];
}

// Redis may be away: the functions are told all the same.
const readLines = () => get("/api/lines").then(lineTable, (failure) => [element("p", {}, `What waits in line can't be read now: ${failure.message}`)]);

export async function show(view, { signal }) {
  const place = element("div");
  const refresh = async () => {
    const [{ functions }, lines] = await Promise.all([get("/api/functions"), readLines()]);
    if (signal.aborted) return;
    const shown = functions.length === 0 ? element("p", {}, "No functions: name modules under modules: in the config.") : table(HEADS, functions.map(row), "Functions");
    const all = element("div", {}, shown, lines);
    if (place.textContent !== all.textContent) place.replaceChildren(all);
  };
  await refresh();
  if (signal.aborted) return;
  view.append(element("h1", {}, "Functions ", element("span", { class: "faint" }, "attempts of this daemon in the last five minutes")), place);
  const timer = setInterval(() => refresh().catch(() => {}), 5000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

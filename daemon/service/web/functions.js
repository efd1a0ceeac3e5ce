// The functions there are: what starts them, their settings, and how they did lately.
import { get } from "./api.js";
import { element, table } from "./dom.js";
import { duration } from "./time.js";

const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

function settings(one) {
  const backoff = one.backoff_ms.slice(0, 3).map(duration).join(", ") + (one.backoff_ms.length > 3 ? ", …" : "");
  return [`${one.retries} retries`, `after ${backoff}`, one.jitter_ms > 0 && `jitter ${duration(one.jitter_ms)}`,
    one.timeout_ms > 0 && `timeout ${duration(one.timeout_ms)}`, one.ordering === "by_key" && "ordered by key",
    one.concurrency > 0 && `at most ${one.concurrency} at once`, one.dedupe_ms > 0 && `dedupe ${duration(one.dedupe_ms)}`,
    one.on_failure && "on_failure"].filter(Boolean).join("; ");
}

function row(one) {
  const { completed, failed, retried, span_ms, p50_us, p99_us } = one.recent;
  const attempts = completed + failed + retried;
  const amount = (text) => ({ text, class: "amount" });
  return [
    element("a", { href: `#/runs?function=${encodeURIComponent(one.id)}` }, one.id),
    { text: one.event ?? `topic ${one.topic}`, class: "code" },
    amount(span_ms > 0 ? NUMBER.format((attempts * 1000) / span_ms) : "–"),
    amount(attempts > 0 ? `${NUMBER.format((100 * (failed + retried)) / attempts)} %` : "–"),
    amount(p50_us === null ? "–" : duration(p50_us / 1000)),
    amount(p99_us === null ? "–" : duration(p99_us / 1000)),
    { text: settings(one), class: "faint" },
    { text: one.module, class: "faint" },
  ];
}

export async function show(view, { signal }) {
  const place = element("div");
  view.append(element("h1", {}, "Functions"), element("p", { class: "faint" }, "Of the last five minutes, this daemon's attempts."), place);
  const refresh = async () => {
    const { functions } = await get("/api/functions");
    if (signal.aborted) return;
    const amount = (text) => ({ text, class: "amount" });
    place.replaceChildren(functions.length === 0
      ? element("p", {}, "No functions: name modules under modules: in the config.")
      : table(["Function", "Started by", amount("A second"), amount("Errors"), amount("p50"), amount("p99"), "Settings", "Module"], functions.map(row), "Functions"));
  };
  await refresh();
  const timer = setInterval(() => refresh().catch(() => {}), 5000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

// Times are shown as they are here, with UTC on hover. What is due counts down, all from one clock.
import { element } from "./dom.js";

let ahead_ms = 0; // of the daemon's clock before ours

export function setClock(now_ms) {
  ahead_ms = now_ms - Date.now();
}

export const now = () => Date.now() + ahead_ms;

const SAME_DAY = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const OTHER_DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

const utc = (at) => at.toISOString().replace("T", " ").replace("Z", " UTC");
const is_time = (at_ms) => at_ms !== null && at_ms !== undefined && !Number.isNaN(new Date(at_ms).getTime());

export function time(at_ms) {
  if (!is_time(at_ms)) return element("span", { class: "faint" }, "–");
  const at = new Date(at_ms);
  const format = at.toDateString() === new Date(now()).toDateString() ? SAME_DAY : OTHER_DAY;
  return element("time", { datetime: at.toISOString(), title: utc(at) }, format.format(at));
}

const two = (first, one, second, other) => (second === 0 ? `${first} ${one}` : `${first} ${one} ${second} ${other}`);

export function duration(ms) {
  if (ms === 0) return "under 1 ms";
  if (ms < 1) return `${Math.max(0, Math.round(ms * 1000))} µs`;
  if (ms < 1000) return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${ms < 10000 ? Math.round(ms / 100) / 10 : s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "m", s % 60, "s");
  if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "m");
  return two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
}

const dueText = (at_ms) => (at_ms > now() ? `in ${duration(Math.ceil((at_ms - now()) / 1000) * 1000)}` : "due now");

export function due(at_ms) {
  if (!is_time(at_ms)) return time(at_ms);
  const at = new Date(at_ms);
  return element("time", { datetime: at.toISOString(), title: utc(at), class: "due", "data-due": at_ms }, dueText(at_ms));
}

setInterval(() => {
  for (const shown of document.querySelectorAll("[data-due]")) {
    const text = dueText(Number(shown.dataset.due));
    if (shown.textContent !== text) shown.textContent = text;
  }
}, 1000);

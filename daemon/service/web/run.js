// One run: what happened, when, and what comes next.
import { get, post } from "./api.js";
import { element, json, say, status } from "./dom.js";
import { due, duration, now, setClock, time } from "./time.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function sendLine(run) {
  const key = run.key === null ? "" : ` --key ${quoted(run.key)}`;
  return `stepctl send ${quoted(run.event.name)} ${quoted(JSON.stringify(run.event.data))} --topic ${quoted(run.topic)}${key}`;
}

// [{name, kind, from_ms, to_ms, text}], in order of time.
function spans(run) {
  const found = [];
  for (const step of run.steps)
    found.push({ name: step.id, kind: step.status, from_ms: step.started_ms, to_ms: step.until_ms ?? step.ended_ms ?? now(),
      text: step.until_ms && step.until_ms > now() ? due(step.until_ms) : duration((step.until_ms ?? step.ended_ms ?? now()) - step.started_ms) });
  run.attempts.forEach((attempt, i) => {
    const end_ms = attempt.started_ms + attempt.duration_ms;
    const next = run.attempts[i + 1];
    found.push({ name: `attempt ${attempt.attempt}`, kind: attempt.error === null ? "completed" : "failed", from_ms: attempt.started_ms, to_ms: end_ms,
      text: duration(attempt.duration_ms) });
    if (attempt.due_ms !== null)
      found.push({ name: "waits", kind: "wait", from_ms: end_ms, to_ms: next ? next.started_ms : attempt.due_ms,
        text: !next && attempt.due_ms > now() ? due(attempt.due_ms) : duration((next ? next.started_ms : attempt.due_ms) - end_ms) });
  });
  return found.filter((span) => span.from_ms !== null).sort((a, b) => a.from_ms - b.from_ms);
}

function timeline(run) {
  const all = spans(run);
  if (all.length === 0) return element("p", { class: "faint" }, "Nothing has ended yet.");
  const from = Math.min(...all.map((span) => span.from_ms));
  const to = Math.max(from + 1, ...all.map((span) => span.to_ms));
  return element("ol", { class: "bars", "aria-label": "Timeline" }, all.map((span) => {
    const bar = element("div", { class: `bar ${span.kind}` });
    bar.style.left = `${(100 * (span.from_ms - from)) / (to - from)}%`;
    bar.style.width = `${(100 * (span.to_ms - span.from_ms)) / (to - from)}%`;
    return element("li", {}, element("span", { class: "name" }, span.name), element("div", { class: "track", "aria-hidden": "true" }, bar),
      element("span", { class: "faint" }, span.kind === "failed" ? "failed, " : "", span.text));
  }));
}

const failure = (error) => element("p", { class: "alarm" }, element("strong", {}, error.name), " ", error.message ?? "",
  error.step ? element("span", {}, ` (step ${error.step})`) : null);

function steps(run) {
  if (run.steps.length === 0) return [];
  return [element("h2", {}, "Steps"), run.steps.map((step) => element("details", {},
    element("summary", {}, element("strong", {}, step.id), " ", status(step.status), ` ${step.attempts} ${step.attempts === 1 ? "attempt" : "attempts"}`,
      step.on_failure ? ", in on_failure" : ""),
    step.error === null ? null : failure(step.error), element("pre", { tabindex: 0 }, json(step.output))))];
}

const facts = (pairs) => element("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null).map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

const ENDED = ["completed", "failed", "cancelled"];

function draw(view, run, is_behind, change) {
  const line = sendLine(run);
  view.replaceChildren(
    element("h1", {}, `${run.function} `, status(run.status, is_behind)),
    element("div", { class: "buttons" },
      element("button", { class: "first", disabled: !["failed", "cancelled"].includes(run.status), onclick: () => change("retry") }, "Retry"),
      element("button", { disabled: ENDED.includes(run.status), onclick: () => change("cancel") }, "Cancel")),
    run.error === null ? "" : failure(run.error),
    facts([["Run", element("span", { class: "code" }, run.id)], ["Begun", time(run.created_ms)], ["Due", run.due_ms === null ? null : element("span", {}, due(run.due_ms), ", ", time(run.due_ms))],
      ["Ended", run.ended_ms === null ? null : time(run.ended_ms)], ["Attempt", String(run.attempt)],
      ["From", element("a", { href: `#/runs?text=${encodeURIComponent(run.event.name)}` }, `${run.topic} [${run.partition}] @ ${run.offset}`)],
      ["Key", run.key], ["Taken over", run.takeovers > 0 ? `${run.takeovers} times` : null]]),
    element("h2", {}, "Timeline"), timeline(run),
    ...steps(run).flat(),
    element("h2", {}, "Event"),
    facts([["Name", run.event.name], ["Id", run.event.id], ["Time", time(run.event.ts_ms)]]),
    element("pre", { tabindex: 0, "aria-label": "Data" }, json(run.event.data)),
    element("h2", {}, "Result"), element("pre", { tabindex: 0, "aria-label": "Result" }, json(run.output)),
    element("h2", {}, "Send it again"),
    element("pre", { tabindex: 0, class: "line" }, line),
    element("div", { class: "buttons" },
      element("button", { onclick: () => navigator.clipboard.writeText(line).then(() => say("Copied."), () => say("The browser does not let it be copied.")) }, "Copy")));
}

export async function show(view, { signal, id }) {
  let shown = "";
  const refresh = async () => {
    const { run, now_ms, is_behind } = await get(`/api/runs/${encodeURIComponent(id)}`);
    if (signal.aborted) return;
    setClock(now_ms);
    const text = JSON.stringify(run);
    if (text !== shown) draw(view, run, is_behind, change);
    shown = text;
  };
  const change = async (word) => {
    try {
      const { changed } = await post(`/api/runs/${encodeURIComponent(id)}/${word}`);
      say(changed === "asked" ? "Its worker was asked to end it." : `The run is ${changed}.`);
    } catch (error) {
      say(error.message);
    }
    await refresh();
  };
  await refresh();
  const timer = setInterval(() => document.getSelection().isCollapsed && refresh().catch(() => {}), 2000);
  signal.addEventListener("abort", () => clearInterval(timer));
}

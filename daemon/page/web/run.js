// One run: what happened, when, and what comes next.
import { get, post } from "./api.js";
import { element, facts, json, say, status, table } from "./dom.js";
import { due, duration, now, setClock, time } from "./time.js";

const ENDED = ["completed", "failed", "cancelled"];
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// Of a batch a line for each event.
function sendLine(run) {
  const events = run.events ?? [{ ...run.event, topic: run.topic, key: run.key }];
  return events.map(({ name, data, topic, key }) =>
    `stepctl send ${quoted(name)} ${quoted(JSON.stringify(data))} --topic ${quoted(topic)}${key === null ? "" : ` --key ${quoted(key)}`}`).join("\n");
}

/* ---- the timeline ---- */

// A lane has a name and bars, in order of time: { kind, from_ms, to_ms }; `text` says how it went.
function attemptLanes(run) {
  return run.attempts.map((attempt, i) => {
    const end_ms = attempt.started_ms + attempt.duration_ms;
    const next = run.attempts[i + 1];
    const bars = [{ kind: attempt.error === null ? "completed" : "failed", from_ms: attempt.started_ms, to_ms: end_ms }];
    const text = [attempt.error === null ? duration(attempt.duration_ms) : `failed, ${duration(attempt.duration_ms)}`];
    if (attempt.due_ms !== null) {
      const until_ms = next ? next.started_ms : attempt.due_ms;
      bars.push({ kind: "wait", from_ms: end_ms, to_ms: until_ms });
      text.push("; next ", !next && !ENDED.includes(run.status) ? due(attempt.due_ms) : `after ${duration(until_ms - end_ms)}`);
    }
    return { name: `Attempt ${attempt.attempt}`, from_ms: attempt.started_ms, bars, text };
  });
}

function stepLanes(run) {
  return run.steps.filter((step) => step.started_ms !== null).map((step) => {
    const to_ms = step.ended_ms ?? (step.status === "waiting" ? now() : step.until_ms ?? now());
    const text = step.until_ms > now() && !ENDED.includes(run.status) ? due(step.until_ms) : ["running", "waiting"].includes(step.status) ? step.status : duration(to_ms - step.started_ms);
    const is_wait = step.until_ms || step.status === "waiting" || ((step.invoked || step.waits_for) && step.status === "completed");
    return { name: step.id, run: step.invoked?.run, is_step: true, from_ms: step.started_ms, bars: [{ kind: is_wait ? "wait" : step.status, from_ms: step.started_ms, to_ms }],
      text: [step.status === "failed" ? "failed, " : "", text] };
  });
}

const LATER = 4; // times as long as all that was: what is to come then gets a quarter, and what was stays to be seen

// From a time to its place, 0 … 1.
function scale(run, lanes) {
  const from = Math.min(...lanes.map((lane) => lane.from_ms));
  const ends = lanes.flatMap((lane) => lane.bars.map((one) => one.to_ms));
  const to = Math.max(from + 1, ...ends);
  const last = Math.max(from + 1, ...run.attempts.map((attempt) => attempt.started_ms + attempt.duration_ms));
  const is_split = run.due_ms !== null && to === run.due_ms && to - last > LATER * (last - from);
  const place = is_split ? (at) => (at <= last ? (0.75 * (at - from)) / (last - from) : 0.75 + (0.25 * (at - last)) / (to - last)) : (at) => (at - from) / (to - from);
  const ticks = (is_split ? [0, 1 / 3, 2 / 3, 1].map((part) => (last - from) * part).concat(to - from) : [0, 0.25, 0.5, 0.75, 1].map((part) => (to - from) * part));
  return { place, ticks: ticks.map((after_ms) => [place(from + after_ms), after_ms]) };
}

const percent = (part) => `${(100 * part).toFixed(2)}%`;

function bar({ kind, from_ms, to_ms }, place) {
  const made = element("div", { class: `bar ${kind}` });
  made.style.left = percent(place(from_ms));
  made.style.width = percent(place(to_ms) - place(from_ms));
  return made;
}

function tick([place, after_ms]) {
  const made = element("span", {}, after_ms === 0 ? "0" : `+${duration(Number(after_ms.toPrecision(3)))}`);
  made.style.left = percent(place);
  return made;
}

function timeline(run) {
  // A step begins in the millisecond in which its attempt does, or looks as if it did before.
  const at = (lane) => lane.from_ms - (lane.is_step ? 0 : 5);
  const lanes = [...attemptLanes(run), ...stepLanes(run)].sort((a, b) => at(a) - at(b));
  if (lanes.length === 0) return element("p", { class: "faint" }, "Nothing has ended yet.");
  const { place, ticks } = scale(run, lanes);
  return element("div", { class: "sheet timeline" },
    element("div", { class: "lane axis", "aria-hidden": "true" }, element("span", {}), element("div", { class: "ticks" }, ticks.map(tick)), element("span", {})),
    element("ol", { "aria-label": "Timeline" }, lanes.map((lane) => element("li", { class: lane.is_step ? "lane step" : "lane" },
      element("span", { class: "name", title: lane.name }, lane.run === undefined ? lane.name : runLink(lane.run, lane.name)), element("div", { class: "track", "aria-hidden": "true" }, lane.bars.map((one) => bar(one, place))),
      element("span", { class: "faint small" }, lane.text)))));
}

/* ---- the rest ---- */

const failure = (run) => element("p", { class: run.status === "failed" ? "alarm" : "note" }, run.status === "failed" ? "" : "Latest error: ",
  element("strong", {}, run.error.name), ` ${run.error.message ?? ""}`, run.error.step ? ` (step ${run.error.step})` : "");

const code = (label, value) => element("pre", { tabindex: 0, "aria-label": label }, value);

const runLink = (id, name) => element("a", { href: `#/runs/${id}` }, name);

const eventLink = (text, name) => element("a", { href: `#/runs?text=${encodeURIComponent(text)}` }, name);

// What a step waits for, or waited for; once an event has come, the runs of that very one.
function awaited({ invoked, waits_for, output }) {
  if (invoked) return [" invokes ", runLink(invoked.run, invoked.function)];
  if (!waits_for) return "";
  const when = waits_for.when === null ? "" : element("code", { class: "faint line" }, ` when ${waits_for.when}`);
  return [" waits for ", eventLink(output?.id ?? waits_for.event, waits_for.event), when];
}

function steps(run) {
  if (run.steps.length === 0) return [];
  const rows = run.steps.map((step) => [
    [element("strong", {}, step.id), step.on_failure ? element("span", { class: "faint" }, " in on_failure") : "", awaited(step)].flat(), status(step.status), String(step.attempts),
    step.ended_ms !== null && step.started_ms !== null ? duration(step.ended_ms - step.started_ms) : "–",
    step.error !== null ? element("span", {}, element("strong", { class: "bad" }, step.error.name), " ", step.error.message ?? "")
      : step.output === null ? "" : element("details", { "data-key": step.id }, element("summary", {}, element("code", { class: "line" }, JSON.stringify(step.output).slice(0, 200))), code(`Result of ${step.id}`, json(step.output))),
  ]);
  return [element("h2", {}, "Steps"), table(["Step", "Status", { text: "Attempts", class: "amount" }, { text: "Took", class: "amount" }, "Result or error"], rows, "Steps")];
}

function buttons(run, change) {
  return element("div", { class: "row" },
    element("button", { "data-key": "retry", disabled: !["failed", "cancelled"].includes(run.status), onclick: () => change("retry") }, "Retry"),
    element("button", { "data-key": "cancel", disabled: ENDED.includes(run.status), onclick: () => change("cancel") }, "Cancel"));
}

function factsOf(run) {
  return facts([["Begun", time(run.created_ms)], ["Due", run.due_ms === null ? null : [time(run.due_ms), ", ", due(run.due_ms)]],
    ["Ended", run.ended_ms === null ? null : time(run.ended_ms)], ["Attempt", String(run.attempt)], ["Message", run.partition < 0 ? null : `${run.topic} [${run.partition}] @ ${run.offset}`],
    ["Invoked by", run.invoked_by === null ? null : [runLink(run.invoked_by.run, run.invoked_by.run.slice(0, 8)), `, step ${run.invoked_by.step}`]],
    ["Key", run.key], ["Taken over", run.takeovers > 0 ? `${run.takeovers} ${run.takeovers === 1 ? "time" : "times"}` : null]]);
}

function eventOf(event, number) {
  return [facts([["Name", element("a", { href: `#/runs?text=${encodeURIComponent(event.name)}` }, event.name)], ["Id", event.id], ["Time", time(event.ts_ms)]]),
    code(number === undefined ? "Data" : `Data of event ${number}`, json(event.data))];
}

// The event of the run; of a batch all of them, in their order.
function events(run) {
  if (run.events === null) return element("section", { "aria-labelledby": "event" }, element("h2", { id: "event" }, "Event"), ...eventOf(run.event));
  return element("section", { "aria-labelledby": "event" }, element("h2", { id: "event" }, `Events: a batch of ${run.events.length}`),
    ...run.events.map((event, i) => eventOf(event, i + 1)).flat());
}

function draw(view, run, is_behind, change) {
  const line = sendLine(run);
  view.replaceChildren(
    element("div", { class: "row head" }, element("h1", {}, run.function, " ", status(run.status, is_behind)), buttons(run, change)),
    element("p", { class: "code faint" }, run.id),
    run.error === null ? "" : failure(run),
    element("div", { class: "sheet pad" }, factsOf(run)),
    element("h2", {}, "Timeline"), timeline(run),
    ...steps(run).flat(),
    element("div", { class: "halves" },
      events(run),
      element("section", { "aria-labelledby": "result" }, element("h2", { id: "result" }, "Result"),
        run.output === null ? element("p", { class: "faint" }, run.status === "completed" ? "None." : "None yet.") : code("Result", json(run.output)))),
    element("h2", {}, "Send it again"),
    element("div", { class: "copied" }, element("pre", { tabindex: 0, class: "send", "aria-label": "Command" }, line),
      element("button", { "data-key": "copy", onclick: () => navigator.clipboard.writeText(line).then(() => say("Copied."), () => say("The browser does not let it be copied.")) }, "Copy")));
}

// What is drawn anew keeps the focus, and open what was.
function keeping(view, redraw) {
  const keyed = () => [...view.querySelectorAll("[data-key]")];
  const open = new Set(keyed().filter((node) => node.open).map((node) => node.dataset.key));
  const focused = document.activeElement?.closest?.("[data-key]")?.dataset.key;
  redraw();
  for (const node of keyed()) {
    if (open.has(node.dataset.key)) node.open = true;
    if (focused !== undefined && node.dataset.key === focused && !node.disabled) (node.querySelector("summary") ?? node).focus({ preventScroll: true });
  }
}

export async function show(view, { signal, id }) {
  let shown = "";
  const refresh = async () => {
    const { run, now_ms, is_behind } = await get(`/api/runs/${encodeURIComponent(id)}`);
    if (signal.aborted) return;
    setClock(now_ms);
    const text = JSON.stringify(run);
    if (text !== shown) keeping(view, () => draw(view, run, is_behind, change));
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

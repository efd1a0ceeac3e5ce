// Lists of runs: filtered, newest first, a page at a time; what is chosen can be retried or cancelled.
import { get, post } from "./api.js";
import { element, runLink, say, status, table } from "./dom.js";
import { due, time } from "./time.js";

const STATUSES = [["", "any"], ["running", "running"], ["delayed", "delayed"], ["sleeping", "sleeping"], ["behind", "in line for its key"],
  ["failed", "failed"], ["completed", "completed"], ["cancelled", "cancelled"]];
const AGES = [["", "any time"], ["900000", "15 minutes"], ["3600000", "an hour"], ["86400000", "a day"]];

const select = (name, label, options, value) => element("label", {}, label,
  element("select", { name }, options.map(([word, text]) => element("option", { value: word, selected: word === value }, text))));

function row(run, chosen) {
  return [
    element("input", { type: "checkbox", "aria-label": `Choose run ${run.id.slice(0, 12)}`, onchange: (event) => chosen(run.id, event.target.checked) }),
    runLink(run.id),
    status(run.status, run.is_behind),
    run.function,
    { text: [element("div", { class: "brief" }, run.event_name ?? "(too large to show here)"), element("div", { class: "brief faint" }, run.event_id ?? "")] },
    time(run.created_ms),
    { text: run.due_ms ? due(run.due_ms) : run.ended_ms ? time(run.ended_ms) : "", class: "wide" },
    { text: run.error_name === null ? "" : element("div", { class: "brief" }, element("strong", {}, run.error_name), " ", run.error_message ?? ""), class: "wide" },
  ];
}

async function changeAll(ids, word) {
  let changed = 0;
  let last = null;
  for (const id of ids) {
    try {
      await post(`/api/runs/${id}/${word}`);
      changed += 1;
    } catch (error) {
      last = error;
      if (error.status === undefined || error.status === 401 || error.status === 403) break;
    }
  }
  say(`${changed} of ${ids.length} ${word === "retry" ? "retried" : "cancelled"}.${last === null ? "" : ` ${last.message}`}`);
}

export async function show(view, { signal, parameters, go, refresh }) {
  const filter = Object.fromEntries(["status", "function", "text", "age"].map((name) => [name, parameters.get(name) ?? ""]));
  const { functions } = await get("/api/functions");
  if (signal.aborted) return;
  const names = new Set(functions.map((one) => one.id));
  if (filter.function !== "") names.add(filter.function);
  const form = element("form", { class: "filter", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() },
    select("status", "Status", STATUSES, filter.status),
    select("function", "Function", [["", "any"], ...[...names].map((id) => [id, id])], filter.function),
    element("label", {}, "Event name or id, run id", element("input", { name: "text", type: "search", value: filter.text })),
    select("age", "Begun within", AGES, filter.age),
    element("button", { type: "submit" }, "Show"));
  form.addEventListener("submit", () => {
    const given = Object.fromEntries(new FormData(form));
    if (/^[0-9a-f]{32}$/.test(given.text.trim())) go(`#/runs/${given.text.trim()}`);
    else go(`#/runs?${new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ""))}`);
  });
  form.addEventListener("change", (event) => event.target.name !== "text" && form.requestSubmit());

  const chosen = new Set();
  const retry = element("button", { disabled: true, onclick: () => changeAll([...chosen], "retry").then(refresh) }, "Retry chosen");
  const cancel = element("button", { disabled: true, onclick: () => changeAll([...chosen], "cancel").then(refresh) }, "Cancel chosen");
  const choose = (id, is_chosen) => {
    if (is_chosen) chosen.add(id);
    else chosen.delete(id);
    retry.disabled = cancel.disabled = chosen.size === 0;
  };
  const place = element("div");
  const more = element("button", { hidden: true, onclick: () => load() }, "More");
  const under = element("p", { class: "faint", role: "status" });
  view.append(element("h1", {}, "Runs"), form, element("div", { class: "buttons" }, retry, cancel), place, under, more);

  const seen = new Set();
  let cursor = null;
  let body = null;
  async function load() {
    const page = await get("/api/runs", { status: filter.status, function: filter.function, text: filter.text,
      since: filter.age === "" ? "" : Date.now() - Number(filter.age), cursor });
    if (signal.aborted) return;
    const runs = page.runs.filter((run) => !seen.has(run.id));
    runs.forEach((run) => seen.add(run.id));
    const made = table(["", "Run", "Status", "Function", "Event", "Begun", { text: "Due or ended", class: "wide" }, { text: "Error", class: "wide" }],
      runs.map((run) => row(run, choose)), "Runs");
    if (body === null) {
      place.append(made);
      body = made.querySelector("tbody");
    } else {
      body.append(...made.querySelectorAll("tbody tr"));
    }
    cursor = page.cursor;
    more.hidden = cursor === null;
    more.textContent = runs.length === 0 && cursor !== null ? "Look further" : "More";
    under.textContent = seen.size === 0 && cursor === null ? "No runs are kept that are such." : `${seen.size} shown${cursor === null ? ", all there are" : ""}.`;
  }
  await load();
}

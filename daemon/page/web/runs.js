// Lists of runs: filtered, newest first, a page at a time; what is chosen, or all that pass, can be retried or cancelled.
import { get, post } from "./api.js";
import { element, say } from "./dom.js";
import { list } from "./list.js";

const STATUSES = [["", "any"], ["running", "running"], ["delayed", "delayed"], ["sleeping", "sleeping"], ["waiting", "waiting"], ["queued", "queued"], ["behind", "in line for its key"],
  ["failed", "failed"], ["completed", "completed"], ["cancelled", "cancelled"]];
const AGES = [["", "any time"], ["900000", "15 minutes"], ["3600000", "an hour"], ["86400000", "a day"]];
const AT_ONCE = 200;
const ENDED = ["completed", "failed", "cancelled"];
const DEEDS = {
  retry: { name: "Retry all such", done: "retried", takes: (run) => run.status === "failed" || run.status === "cancelled" },
  cancel: { name: "Cancel all such", done: "cancelled", takes: (run) => !ENDED.includes(run.status) },
};
const TRIES = 20; // pages in which nothing was found, before a person is asked

const select = (name, label, options, value) => element("label", {}, label,
  element("select", { name }, options.map(([word, text]) => element("option", { value: word, selected: word === value }, text))));

function filterForm(filter, functions, go) {
  const names = new Set(functions.map((one) => one.id));
  if (filter.function !== "") names.add(filter.function);
  const form = element("form", { class: "row filter", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() },
    select("status", "Status", STATUSES, filter.status),
    select("function", "Function", [["", "any"], ...[...names].map((id) => [id, id])], filter.function),
    element("label", { class: "grows" }, "Event name or id, run id", element("input", { name: "text", type: "search", value: filter.text })),
    element("label", { class: "grows" }, "Error", element("input", { name: "error", type: "search", value: filter.error })),
    select("age", "Begun within", AGES, filter.age),
    element("button", { type: "submit" }, "Show"));
  form.addEventListener("submit", () => {
    const given = Object.fromEntries(new FormData(form));
    if (/^[0-9a-f]{32}$/.test(given.text.trim())) go(`#/runs/${given.text.trim()}`);
    else go(`#/runs?${new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ""))}`);
  });
  form.addEventListener("change", (event) => event.target instanceof HTMLSelectElement && form.requestSubmit());
  return form;
}

// All runs that pass, however many: what changes leaves its list, and moves others up, so that it is gone through until nothing new is found.
// One that fails again meanwhile is not changed twice.
async function changeAllSuch(asked, word) {
  const deed = DEEDS[word];
  const until = Date.now(); // what begins later is not meant
  const seen = new Set();
  let changed = 0;
  for (let before = -1; before < seen.size;) {
    before = seen.size;
    for (let cursor = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
      const page = await get("/api/runs", { ...asked, until, cursor, limit: AT_ONCE });
      const ids = page.runs.filter((run) => deed.takes(run) && !seen.has(run.id)).map((run) => run.id);
      ids.forEach((id) => seen.add(id));
      cursor = page.cursor;
      if (ids.length === 0) continue;
      const answer = await post("/api/runs", { do: word, ids });
      changed += answer.changed + answer.asked;
      say(`${changed} ${deed.done} so far.`);
    }
  }
  say(`${changed} ${changed === 1 ? "run" : "runs"} ${deed.done}.`);
}

// It asks once more before it does anything.
function allButton(word, asked, refresh) {
  const { name } = DEEDS[word];
  let isSure = false;
  const act = () => changeAllSuch(asked, word).catch((error) => say(error.message)).then(refresh);
  const press = () => {
    if (isSure) return act();
    isSure = true;
    button.textContent = `${name}, shown here or not?`;
    return undefined;
  };
  const button = element("button", { onclick: press }, name);
  return button;
}

export async function show(view, { signal, parameters, go, refresh }) {
  const filter = Object.fromEntries(["status", "function", "text", "error", "age"].map((name) => [name, parameters.get(name) ?? ""]));
  const { age, ...asked } = filter;
  const since = age === "" ? "" : Date.now() - Number(age);
  const seen = new Set();
  let cursor = null;
  let runs = null;
  let is_older = false;

  const next = async () => {
    for (let tries = 0; ; tries++) {
      const page = await get("/api/runs", { ...asked, since, cursor });
      const found = page.runs.filter((run) => !seen.has(run.id));
      found.forEach((run) => seen.add(run.id));
      cursor = page.cursor;
      is_older ||= page.is_older;
      if (found.length > 0 || cursor === null || tries === TRIES || signal.aborted) return { ...page, runs: found };
    }
  };

  const [{ functions }, first] = await Promise.all([get("/api/functions"), next()]);
  if (signal.aborted) return;
  runs = list({ label: "Runs", order: first.order, words: ["retry", "cancel"], refresh });
  const isFiltered = Object.values(filter).some((value) => value !== "");
  const such = isFiltered ? ["retry", "cancel"].map((word) => allButton(word, { ...asked, since }, refresh)) : [];
  const more = element("button", { onclick: () => next().then(add) }, "More");
  const under = element("span", { class: "faint", role: "status" });
  const add = (page) => {
    runs.add(page.runs);
    more.hidden = cursor === null;
    more.textContent = page.runs.length === 0 ? "Look further" : "More";
    under.textContent = seen.size === 0 && cursor === null ? "No runs are kept that are such."
      : `${seen.size} shown${cursor === null ? ", all there are" : ""}.${is_older ? " The older ones follow in no strict order." : ""}`;
  };
  add(first);
  view.append(element("h1", {}, "Runs"), filterForm(filter, functions, go), element("div", { class: "row" }, runs.buttons, such), runs.root,
    element("div", { class: "row foot" }, more, under));
}

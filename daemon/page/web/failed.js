// What failed for good, by error; with what can be done about it.
import { get, post } from "./api.js";
import { element, line, runLink, say, table } from "./dom.js";
import { list } from "./list.js";
import { time } from "./time.js";

const SHOWN = 20;

async function retryAll(asked) {
  let retried = 0;
  for (let request = asked; request.before_ms !== null;) {
    const answer = await post("/api/retry", request);
    retried += answer.retried;
    request = { ...asked, before_ms: answer.before_ms };
  }
  say(`${retried} ${retried === 1 ? "run begins" : "runs begin"} anew.`);
}

const amount = (count) => `${count} ${count === 1 ? "run" : "runs"}`;

// The latest of an error, to be chosen from; asked for when they are opened.
function latest(error, count, refresh) {
  const place = element("div");
  const details = element("details", {}, element("summary", {}, count > SHOWN ? `The latest ${SHOWN}` : "These runs"), place);
  details.addEventListener("toggle", async () => {
    if (!details.open || place.childElementCount > 0) return;
    try {
      const page = await get("/api/runs", { status: "failed", error, limit: SHOWN });
      const runs = list({ label: `Runs that failed with ${error}`, order: page.order, words: ["retry"], refresh });
      runs.add(page.runs);
      place.append(element("div", { class: "row" }, runs.buttons), runs.root);
    } catch (failure) {
      say(failure.message);
    }
  });
  return details;
}

const HEADS = ["Function", "Latest message", { text: "Runs", class: "amount" }, { text: "Latest", class: "when" }, { text: "Retry", class: "amount" }];

function group(error, functions, retry, refresh) {
  const count = functions.reduce((sum, one) => sum + one.count, 0);
  const rows = functions.map((one) => [
    element("a", { class: "name line", href: `#/runs?${new URLSearchParams({ status: "failed", function: one.function, error })}` }, one.function),
    line(one.message),
    String(one.count),
    element("span", {}, time(one.latest_ms), " ", runLink(one.latest)),
    element("button", { onclick: () => retry({ function: one.function, error }) }, one.count === 1 ? "Retry it" : `Retry these ${one.count}`),
  ]);
  const shown = table(HEADS, rows, `Failed with ${error}`);
  shown.classList.add("failures");
  return element("section", { class: "group", "aria-label": error === "" ? "no error" : error },
    element("h2", {}, error === "" ? "(no error)" : error, " ", element("span", { class: "faint" }, amount(count))),
    shown, error === "" ? null : latest(error, count, refresh));
}

function retryForm(functions, retry) {
  const select = element("select", { name: "function" }, functions.map((name) => element("option", { value: name }, name)));
  return element("form", { class: "row", "aria-label": "Retry all of a function", onsubmit: (event) => { event.preventDefault(); retry({ function: select.value }); } },
    element("label", {}, "Function", select), element("button", {}, "Retry all of it"), element("button", { type: "button", onclick: () => retry({}) }, "Retry all that failed"));
}

export async function show(view, { signal, refresh }) {
  const { groups, looked, is_all } = await get("/api/failed");
  if (signal.aborted) return;
  if (groups.length === 0) {
    view.append(element("h1", {}, "Failed"), element("p", { class: "faint" }, "Nothing has failed that is kept."));
    return;
  }
  const retry = (asked) => retryAll(asked).catch((error) => say(error.message)).then(refresh);
  const errors = [...new Set(groups.map((one) => one.error))];
  view.append(
    element("h1", {}, "Failed ", element("span", { class: "faint" }, is_all ? `${amount(looked)}, by error` : `the latest ${looked} runs, by error; there are more`)),
    retryForm([...new Set(groups.map((one) => one.function))].sort(), retry),
    ...errors.map((error) => group(error, groups.filter((one) => one.error === error), retry, refresh)));
}

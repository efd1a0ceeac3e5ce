// What failed for good, by error; with what can be done about it.
import { get, post } from "./api.js";
import { element, runLink, say, table } from "./dom.js";
import { time } from "./time.js";

async function retryAll(name) {
  let request = name === null ? {} : { function: name };
  let retried = 0;
  for (;;) {
    const answer = await post("/api/retry", request);
    retried += answer.retried;
    if (!answer.more) break;
    request = { ...request, before_ms: answer.before_ms };
  }
  say(`${retried} ${retried === 1 ? "run begins" : "runs begin"} anew.`);
}

export async function show(view, { signal, refresh }) {
  const { groups, looked, is_all } = await get("/api/failed");
  if (signal.aborted) return;
  const retry = (name) => retryAll(name).catch((error) => say(error.message)).then(refresh);
  const functions = [...new Set(groups.map((group) => group.function))];
  view.append(element("h1", {}, "Failed"));
  if (groups.length === 0) {
    view.append(element("p", {}, "Nothing has failed that is kept."));
    return;
  }
  view.append(
    element("p", { class: "faint" }, is_all ? `All ${looked} that are kept.` : `The latest ${looked}; there are more.`),
    table(["Error", "Function", { text: "Runs", class: "amount" }, "Latest"], groups.map((group) => [
      { text: [element("strong", {}, group.error === "" ? "(no error)" : group.error), element("div", { class: "brief faint" }, group.message)] },
      element("a", { href: `#/runs?status=failed&function=${encodeURIComponent(group.function)}` }, group.function),
      { text: group.count, class: "amount" },
      { text: [time(group.latest_ms), " ", runLink(group.latest)] },
    ]), "Failures"),
    element("h2", {}, "Retry"),
    element("div", { class: "buttons" }, functions.map((name) => element("button", { onclick: () => retry(name) }, `All of ${name}`)),
      element("button", { onclick: () => retry(null) }, "All that failed")));
}

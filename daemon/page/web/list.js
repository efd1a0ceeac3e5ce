// Runs in a table, of which some can be chosen and changed together.
import { post } from "./api.js";
import { element, line, runLink, say, status, table } from "./dom.js";
import { due, time } from "./time.js";

// Returns what became of it in a sentence.
export async function changeAll(ids, word) {
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
  return `${changed} of ${ids.length} ${word === "retry" ? "retried" : "cancelled"}.${last === null ? "" : ` ${last.message}`}`;
}

// `words`: what can be done with those that are chosen.
export function list({ label, order, words, refresh }) {
  const chosen = new Set();
  const names = { retry: "Retry chosen", cancel: "Cancel chosen" };
  const buttons = words.map((word) => element("button", { disabled: true, onclick: () => changeAll([...chosen], word).then(say).then(refresh) }, names[word]));
  const settle = () => buttons.forEach((button) => { button.disabled = chosen.size === 0; });
  const all = element("input", { type: "checkbox", "aria-label": "Choose all that are shown" });
  const head = (text, name) => ({ text, class: "when", sort: order === name ? "descending" : undefined });
  const made = table([{ text: all, class: "check" }, "Status", "Function", "Event", head("Begun", "begun"), head("Due or ended", "ended"), { text: "Error", class: "wide" }, "Run"], [], label);
  made.classList.add("runs");
  const body = made.querySelector("tbody");

  const boxes = () => [...body.querySelectorAll("input")];
  const choose = (box) => {
    if (box.checked) chosen.add(box.value);
    else chosen.delete(box.value);
  };
  body.addEventListener("change", (event) => { choose(event.target); settle(); });
  all.addEventListener("change", () => {
    for (const box of boxes()) {
      box.checked = all.checked;
      choose(box);
    }
    settle();
  });

  const row = (run) => [
    element("input", { type: "checkbox", value: run.id, "aria-label": `Choose run ${run.id.slice(0, 12)}` }),
    status(run.status, run.is_behind),
    line(run.function),
    [line(run.event_name ?? "(too large to show here)"), line(run.event_id ?? "", "faint small")],
    time(run.created_ms),
    run.due_ms ? { text: due(run.due_ms), "data-label": "Due" } : { text: time(run.ended_ms), "data-label": "Ended" },
    run.error_name === null ? "" : [line(run.error_name, "strong"), line(run.error_message ?? "", "faint small")],
    runLink(run.id),
  ];
  const heads = [{ class: "check" }, {}, {}, {}, { class: "when", text: "Begun" }, { class: "when", text: "Due or ended" }, { class: "wide" }, {}];

  return {
    root: made,
    buttons,
    add: (runs) => body.append(...table(heads, runs.map(row), "").querySelectorAll("tbody tr")),
  };
}

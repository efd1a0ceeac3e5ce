// A test event.
import { get, post } from "./api.js";
import { element, parse } from "./dom.js";

const field = (name, label, properties = {}) => element("label", { class: "grows" }, label, element("input", { name, autocomplete: "off", ...properties }));

export async function show(view, { signal }) {
  const { functions, topics } = await get("/api/functions");
  if (signal.aborted) return;
  const known = [...new Set(functions.map((one) => one.event).filter((name) => name !== null && !name.endsWith("*")))];
  const data = element("textarea", { name: "data", spellcheck: "false", rows: 10, "aria-describedby": "wrong" }, "{}");
  const wrong = element("p", { id: "wrong", class: "alarm", role: "alert", hidden: true });
  const sent = element("p", { class: "faint", role: "status" });
  const form = element("form", { class: "sheet pad narrow" },
    element("div", { class: "row" }, field("name", "Event", { required: true, list: "names" }),
      element("label", {}, "Topic", element("select", { name: "topic" }, topics.map((topic) => element("option", { value: topic }, topic))))),
    element("div", { class: "row" }, field("key", "Key (none: leave empty)"), field("id", "Id (none: leave empty)")),
    element("datalist", { id: "names" }, known.map((name) => element("option", { value: name }))),
    element("label", {}, "Data, JSON", data), wrong,
    element("div", { class: "row" }, element("button", { class: "first" }, "Send"), sent));
  view.append(element("h1", {}, "Send an event"), form);

  const problem = (text) => {
    wrong.textContent = text;
    wrong.hidden = text === "";
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem("");
    sent.replaceChildren();
    const { data: text, ...given } = Object.fromEntries(new FormData(form));
    try {
      const { topic } = await post("/api/events", { ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")), data: parse(text) });
      sent.append(`It is in ${topic}. `, element("a", { href: `#/runs?${new URLSearchParams({ text: given.id || given.name })}` }, "Look for its runs"));
    } catch (error) {
      problem(error.message);
    }
  });
}

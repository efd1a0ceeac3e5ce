// A test event.
import { get, post } from "./api.js";
import { element, say } from "./dom.js";

export async function show(view, { signal }) {
  const { functions, topics } = await get("/api/functions");
  if (signal.aborted) return;
  const known = [...new Set(functions.map((one) => one.event).filter((name) => name !== null && !name.endsWith("*")))];
  const field = (name, label, properties = {}) => element("label", {}, label, element("input", { name, autocomplete: "off", ...properties }));
  const data = element("textarea", { name: "data", spellcheck: "false", "aria-describedby": "wrong" }, "{}");
  const wrong = element("p", { id: "wrong", class: "alarm", role: "alert", hidden: true });
  const form = element("form", {},
    element("div", { class: "buttons" }, field("name", "Event", { required: true, list: "names" }),
      element("label", {}, "Topic", element("select", { name: "topic" }, topics.map((topic) => element("option", { value: topic }, topic)))),
      field("key", "Key (none: leave empty)"), field("id", "Id (none: leave empty)")),
    element("datalist", { id: "names" }, known.map((name) => element("option", { value: name }))),
    element("label", {}, "Data, JSON", data), wrong,
    element("p", { class: "buttons" }, element("button", { class: "first" }, "Send")));
  view.append(element("h1", {}, "Send an event"), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.hidden = true;
    try {
      const { data: text, ...given } = Object.fromEntries(new FormData(form));
      const { topic } = await post("/api/events", { ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")), data: JSON.parse(text) });
      say(`It is in ${topic}.`);
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
    }
  });
}

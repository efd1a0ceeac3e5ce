// Elements. Text only ever becomes a text node: what came with an event can't become markup.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function table(heads, rows, label) {
  const cell = (name, content) => {
    const { text, ...properties } = content !== null && typeof content === "object" && !(content instanceof Node) ? content : { text: content };
    return element(name, properties, text instanceof Node || Array.isArray(text) ? text : String(text ?? ""));
  };
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    element("table", {},
      element("thead", {}, element("tr", {}, heads.map((head) => {
        const made = cell("th", head);
        made.setAttribute("scope", "col");
        return made;
      }))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map((content) => cell("td", content)))))));
}

export const status = (word, is_behind) => element("span", { class: `status ${word}` }, is_behind ? "in line" : word);

export const runLink = (id) => element("a", { href: `#/runs/${encodeURIComponent(id)}`, class: "code whole" }, id.slice(0, 12));

export function say(text) {
  const line = element("p", {}, text);
  document.getElementById("said").append(line);
  setTimeout(() => line.remove(), 6000);
}

export const json = (value) => JSON.stringify(value, null, 2);

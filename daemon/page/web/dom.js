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

// heads: a text, or { text, class, sort }; rows: of each, in that order, a text, a node, nodes, or { text, class }.
// The roles are said, since on a phone it is laid out as cards and browsers then forget them.
export function table(heads, rows, label) {
  const columns = heads.map((head) => (typeof head === "string" ? { text: head } : head));
  const head = columns.map((column) => element("th", { scope: "col", role: "columnheader", class: column.class, "aria-sort": column.sort },
    column.text, column.sort ? element("span", { "aria-hidden": "true" }, column.sort === "descending" ? " ▾" : " ▴") : null));
  const cell = (content, column) => {
    const { text, ...properties } = content !== null && typeof content === "object" && !(content instanceof Node) && !Array.isArray(content) ? content : { text: content };
    return element("td", { role: "cell", class: column.class, "data-label": typeof column.text === "string" ? column.text : null, ...properties },
      text instanceof Node || Array.isArray(text) ? text : String(text ?? ""));
  };
  return element("div", { class: "sheet scroll", tabindex: 0, role: "region", "aria-label": label },
    element("table", { role: "table" },
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)),
      element("tbody", { role: "rowgroup" }, rows.map((row) => element("tr", { role: "row" }, row.map((content, i) => cell(content, columns[i])))))));
}

export const status = (word, is_behind) => element("span", { class: `status ${word}` }, is_behind ? "in line" : word);

export const runLink = (id) => element("a", { href: `#/runs/${encodeURIComponent(id)}`, class: "code" }, id.slice(0, 12));

// One line of it, however long it is; the whole on hover.
export const line = (text, kind = "") => element("div", { class: `line ${kind}`, title: text.length > 24 ? text.slice(0, 500) : null }, text);

export const facts = (pairs) => element("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined)
  .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));

export function say(text) {
  const said = element("p", {}, text);
  document.getElementById("said").append(said);
  setTimeout(() => said.remove(), 6000);
}

// An integer that a number can't hold stays as it was written, where the browser can tell how that was.
const exact = (key, value, context) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value;

export const parse = (text) => JSON.parse(text, exact);

export const json = (value) => JSON.stringify(value, null, 2);

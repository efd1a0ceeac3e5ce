// A line over the last 15 minutes; its size never changes.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 48;
const TOP = 3;
export const SPAN_MS = 15 * 60 * 1000;

const made = (name, properties) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) node.setAttribute(key, value);
  return node;
};

export function chart(label, is_bad) {
  const svg = made("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: is_bad ? "chart bad" : "chart", role: "img", "aria-label": label });
  const area = made("path", { class: "area" });
  const line = made("polyline", {});
  svg.append(made("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }), area, line);
  return {
    svg,
    // points: [at_ms, value], oldest first. Returns the greatest value.
    draw(points, now_ms) {
      const most = Math.max(0, ...points.map(([, value]) => value));
      const x = (at_ms) => Math.max(0, WIDTH * (1 - (now_ms - at_ms) / SPAN_MS)).toFixed(1);
      const y = (value) => (HEIGHT - 0.5 - (HEIGHT - 0.5 - TOP) * (most > 0 ? value / most : 0)).toFixed(1);
      const line_points = points.map(([at_ms, value]) => `${x(at_ms)},${y(value)}`);
      line.setAttribute("points", line_points.join(" "));
      area.setAttribute("d", points.length < 2 ? "" : `M${x(points[0][0])},${HEIGHT} L${line_points.join(" L")} L${x(points[points.length - 1][0])},${HEIGHT} Z`);
      const text = `${label}, last 15 minutes, at most ${Math.round(most * 10) / 10}`;
      if (svg.getAttribute("aria-label") !== text) svg.setAttribute("aria-label", text);
      return most;
    },
  };
}

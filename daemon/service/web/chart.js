// A line over the last 15 minutes; its size never changes.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 44;
export const SPAN_MS = 15 * 60 * 1000;

export function chart(label, is_bad) {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "polyline");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", is_bad ? "chart bad" : "chart");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.append(line);
  return {
    svg,
    // points: [at_ms, value], oldest first
    draw(points, now_ms) {
      const most = Math.max(1e-9, ...points.map(([, value]) => value));
      const x = (at_ms) => (WIDTH * (1 - (now_ms - at_ms) / SPAN_MS)).toFixed(1);
      const y = (value) => (HEIGHT - 2 - (HEIGHT - 4) * (value / most)).toFixed(1);
      line.setAttribute("points", points.map(([at_ms, value]) => `${x(at_ms)},${y(value)}`).join(" "));
      svg.setAttribute("aria-label", `${label}, last 15 minutes, at most ${most < 1e-6 ? 0 : Math.round(most * 10) / 10}`);
    },
  };
}

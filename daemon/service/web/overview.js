// What the daemon does now, each second, and did in the last 15 minutes.
import { get } from "./api.js";
import { chart, SPAN_MS } from "./chart.js";
import { element, table } from "./dom.js";
import { setClock } from "./time.js";

const EVERY_MS = 5000;
const [AT, EVENTS, COMPLETED, FAILED, RETRIED, DELAYED, LAG, BUSY] = [0, 1, 2, 3, 4, 5, 6, 7];

const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const lagOf = (now) => now.partitions.reduce((sum, partition) => sum + partition.lag, 0);
const row = (now) => [now.now_ms, now.totals.events, now.totals.completed, now.totals.failed, now.totals.retried, now.delayed, lagOf(now), now.threads_busy];

const rates = (past, column) => past.slice(1).map((point, i) => {
  const before = past[i];
  return [point[AT], Math.max(0, ((point[column] - before[column]) * 1000) / Math.max(1, point[AT] - before[AT]))];
});
const levels = (past, column) => past.map((point) => [point[AT], point[column]]);

function tile(title, is_bad) {
  const number = element("div", { class: "number" }, "–");
  const under = element("div", { class: "under" }, "");
  const line = chart(title, is_bad);
  return { root: element("section", { class: "tile", "aria-label": title }, element("h2", {}, title), number, under, line.svg), number, under, line };
}

const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

function partitionRows(now) {
  return now.partitions.map((partition) => [partition.topic, { text: partition.partition, class: "amount" },
    { text: NUMBER.format(partition.lag), class: "amount" }, { text: NUMBER.format(partition.in_flight), class: "amount" },
    element("span", { class: partition.is_stalled ? "status bad" : "status good" }, partition.is_stalled ? "does not move" : "moves")]);
}

export async function show(view, { signal, health }) {
  const tiles = {
    events: tile("Events a second"), completed: tile("Completed a second"), failed: tile("Failed a second", true),
    retried: tile("Retried a second", true), delayed: tile("Delayed"), lag: tile("Lag, all partitions"), busy: tile("Threads busy"),
  };
  const kafka = element("span", { class: "status" }, "–");
  const redis = element("span", { class: "status" }, "–");
  const alarm = element("p", { class: "alarm", hidden: true, role: "alert" });
  const partitions = element("div");
  const healthTile = element("section", { class: "tile", "aria-label": "Health" }, element("h2", {}, "Health"),
    element("dl", { class: "facts" }, element("dt", {}, "Kafka"), element("dd", {}, kafka), element("dt", {}, "Redis"), element("dd", {}, redis)));
  view.append(element("h1", {}, "Overview"), alarm, element("div", { class: "tiles" }, Object.values(tiles).map((one) => one.root), healthTile),
    element("h2", {}, "Partitions"), partitions);

  let past = [];
  let previous = null;

  const draw = (now) => {
    const points = [...past, row(now)];
    for (const [name, column] of [["events", EVENTS], ["completed", COMPLETED], ["failed", FAILED], ["retried", RETRIED]]) {
      tiles[name].line.draw(rates(points, column), now.now_ms);
      put(tiles[name].under, `${NUMBER.format(now.totals[name])} in all`);
    }
    for (const [name, column] of [["delayed", DELAYED], ["lag", LAG], ["busy", BUSY]]) tiles[name].line.draw(levels(points, column), now.now_ms);
  };

  const tell = (now) => {
    setClock(now.now_ms);
    health(now);
    if (previous !== null && now.now_ms > previous.now_ms) {
      const seconds = (now.now_ms - previous.now_ms) / 1000;
      for (const name of ["events", "completed", "failed", "retried"])
        put(tiles[name].number, NUMBER.format(Math.max(0, (now.totals[name] - previous.totals[name]) / seconds)));
    }
    put(tiles.delayed.number, NUMBER.format(now.delayed));
    put(tiles.lag.number, NUMBER.format(lagOf(now)));
    put(tiles.busy.number, `${now.threads_busy} of ${now.threads}`);
    put(tiles.delayed.under, "retries and sleeps, due later");
    put(tiles.lag.under, `${NUMBER.format(now.in_flight)} in flight`);
    put(tiles.busy.under, now.threads_stuck > 0 ? `${now.threads_stuck} stuck past their timeout` : `${now.queued} wait`);
    for (const [node, is_up] of [[kafka, now.kafka_up], [redis, now.redis_up]]) {
      put(node, is_up ? "works" : "does not answer");
      node.className = is_up ? "status good" : "status bad";
    }
    alarm.hidden = now.is_ready;
    put(alarm, now.is_ready ? "" : now.reason);
    if (past.length === 0 || now.now_ms - past[past.length - 1][AT] >= EVERY_MS) past.push(row(now));
    past = past.filter((point) => point[AT] >= now.now_ms - SPAN_MS);
    draw(now);
    const shown = table(["Topic", { text: "Partition", class: "amount" }, { text: "Lag", class: "amount" }, { text: "In flight", class: "amount" }, ""], partitionRows(now), "Partitions");
    if (partitions.textContent !== shown.textContent) partitions.replaceChildren(shown);
    previous = now;
  };

  const first = await get("/api/overview");
  if (signal.aborted) return;
  past = first.past;
  tell(first);
  const live = new EventSource("/api/live");
  live.onmessage = (message) => tell(JSON.parse(message.data));
  live.onerror = () => health(null);
  signal.addEventListener("abort", () => live.close());
}

// What the daemon does now, each second, and did in the last 15 minutes.
import { get } from "./api.js";
import { chart, SPAN_MS } from "./chart.js";
import { element, table } from "./dom.js";
import { setClock } from "./time.js";

const EVERY_MS = 5000;
const [AT, EVENTS, COMPLETED, FAILED, RETRIED, DELAYED, LAG, BUSY] = [0, 1, 2, 3, 4, 5, 6, 7];
const RATES = [["events", EVENTS], ["completed", COMPLETED], ["failed", FAILED], ["retried", RETRIED]];
const LEVELS = [["delayed", DELAYED], ["lag", LAG], ["busy", BUSY]];

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
  const under = element("span", {}, "");
  const most = element("span", {}, "");
  const line = chart(title, is_bad);
  return { root: element("section", { class: "sheet tile", "aria-label": title }, element("h2", {}, title), number,
    element("div", { class: "under" }, under, most), line.svg), number, under, most, line };
}

const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

function healthTile(names) {
  const places = Object.fromEntries(names.map((name) => [name, element("span", { class: "status" }, "–")]));
  const root = element("section", { class: "sheet tile", "aria-label": "Health" }, element("h2", {}, "Health"),
    element("dl", { class: "pairs" }, names.map((name) => [element("dt", {}, name), element("dd", {}, places[name])])));
  return { root, places };
}

const PARTITION_HEADS = ["Topic", ...["Partition", "Lag", "In flight", "Committed", "End"].map((text) => ({ text, class: "amount" })), "State"];

const partitionTable = (now) => table(PARTITION_HEADS, now.partitions.map((partition) => [
  partition.topic, String(partition.partition), NUMBER.format(partition.lag), NUMBER.format(partition.in_flight),
  partition.committed < 0 ? "–" : NUMBER.format(partition.committed), partition.end < 0 ? "–" : NUMBER.format(partition.end),
  element("span", { class: partition.is_stalled || partition.full ? "status bad" : "status good" },
    partition.full ? `stopped for ${partition.full}` : partition.is_stalled ? "stalled" : "active"),
]), "Partitions");

export async function show(view, { signal, health }) {
  const tiles = {
    events: tile("Events a second"), completed: tile("Completed a second"), failed: tile("Failed a second", true),
    retried: tile("Retried a second", true), delayed: tile("Delayed"), lag: tile("Lag, all partitions"), busy: tile("Threads busy"),
  };
  const { root: healthRoot, places } = healthTile(["Kafka", "Redis"]);
  const alarm = element("p", { class: "alarm", hidden: true, role: "alert" });
  const partitions = element("div", { class: "partitions" });
  const count = element("span", { class: "faint" });

  let past = [];
  let previous = null;

  const draw = (now) => {
    const points = [...past, row(now)];
    for (const [name, column] of RATES) {
      put(tiles[name].most, `peak ${NUMBER.format(tiles[name].line.draw(rates(points, column), now.now_ms))}`);
      put(tiles[name].under, `${NUMBER.format(now.totals[name])} in all`);
    }
    for (const [name, column] of LEVELS) put(tiles[name].most, `peak ${NUMBER.format(tiles[name].line.draw(levels(points, column), now.now_ms))}`);
  };

  const tellRates = (now) => {
    const seconds = (now.now_ms - previous.now_ms) / 1000;
    for (const [name] of RATES) put(tiles[name].number, NUMBER.format(Math.max(0, (now.totals[name] - previous.totals[name]) / seconds)));
  };

  const tell = (now) => {
    setClock(now.now_ms);
    health(now);
    if (previous !== null && now.now_ms > previous.now_ms) tellRates(now);
    put(tiles.delayed.number, NUMBER.format(now.delayed));
    put(tiles.delayed.under, "due later");
    put(tiles.lag.number, NUMBER.format(lagOf(now)));
    put(tiles.lag.under, `${NUMBER.format(now.in_flight)} in flight`);
    put(tiles.busy.number, `${now.threads_busy} of ${now.threads}`);
    put(tiles.busy.under, now.threads_stuck > 0 ? `${now.threads_stuck} stuck` : `${NUMBER.format(now.queued)} in the queue`);
    for (const [name, is_up] of [["Kafka", now.kafka_up], ["Redis", now.redis_up]]) {
      put(places[name], is_up ? "healthy" : "does not answer");
      places[name].className = is_up ? "status good" : "status bad";
    }
    alarm.hidden = now.is_ready;
    put(alarm, now.is_ready ? "" : now.reason);
    if (past.length === 0 || now.now_ms - past[past.length - 1][AT] >= EVERY_MS) past.push(row(now));
    past = past.filter((point) => point[AT] >= now.now_ms - SPAN_MS);
    draw(now);
    put(count, now.partition_count > now.partitions.length ? `${now.partitions.length} of ${now.partition_count}` : `${now.partition_count}`);
    const shown = partitionTable(now);
    if (partitions.textContent !== shown.textContent) partitions.replaceChildren(shown);
    previous = now;
  };

  const first = await get("/api/overview");
  if (signal.aborted) return;
  past = first.past;
  view.append(element("h1", {}, "Overview ", element("span", { class: "faint" }, "now, and the last 15 minutes")), alarm, element("div", { class: "tiles" }, Object.values(tiles).map((one) => one.root), healthRoot),
    element("h2", {}, "Partitions ", count), partitions);
  tell(first);
  const live = new EventSource("/api/live");
  live.onmessage = (message) => tell(JSON.parse(message.data));
  live.onerror = () => health(null);
  signal.addEventListener("abort", () => live.close());
}

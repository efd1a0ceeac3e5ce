// SPDX-License-Identifier: Apache-2.0
// The page in a real browser, before real daemons.
//   STEPD        the daemon's program
//   MODULE       looked_at.so
//   CHROMIUM     the browser's program
//   CI           true: pictures in docs/screenshots that are not of this page are an error; else they are renewed
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const MANY = 100_000;
const PATIENCE_MS = 120_000;
const TOKEN = "open sesame";
const ZONE = "America/St_Johns"; // half an hour off the others
const HOSTILE = [`<script>window.hacked=1</script>`, `"><img src=x onerror="window.hacked=1">`, `'; alert(1) //`, `javascript:window.hacked=1`,
  `\u202Eright to left\u202C`, `a\nb\tc`, `😀 ünï`, `</pre></textarea><svg onload=window.hacked=1>`, "x".repeat(3000)];
const PAGES = { overview: "#/", functions: "#/functions", runs: "#/runs", failed: "#/failed", send: "#/send" };

const root = fileURLToPath(new URL("../..", import.meta.url));
const docs = join(root, "docs", "screenshots");
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const data = mkdtempSync(join(tmpdir(), "stepd-page-"));
const shots = join(data, "screenshots");
const daemons = [];
const complaints = [];
let context, page, base, kafka, redis, app, appUrl;

/* ---- helpers ------------------------------------------------------------------------------------- */

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look().catch(() => false);
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`);
    await pause(150);
  }
}

// Starts it and waits for what `ready` finds in what it says.
function startDaemon(words, ready) {
  const daemon = spawn(process.env.STEPD, words, { stdio: ["ignore", "pipe", "pipe"] });
  daemons.push(daemon);
  return new Promise((resolve, reject) => {
    let text = "";
    const hear = (part) => {
      if (text.length < 100_000) text += part;
      const found = text.match(ready);
      if (found) resolve(found);
    };
    daemon.stdout.on("data", hear);
    daemon.stderr.on("data", hear);
    daemon.on("exit", (code) => reject(new Error(`stepd ended with ${code}:\n${text}`)));
  });
}

const api = async (path) => (await fetch(base + path)).json();
const post = (path, body, headers = {}, at = base) => fetch(at + path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
const runsOf = async (parameters) => (await api(`/api/runs?${new URLSearchParams(parameters)}`)).runs;
const some = (what, parameters) => until(what, async () => { const runs = await runsOf(parameters); return runs.length > 0 && runs; });

async function send(name, body = {}, more = {}) {
  const answer = await post("/api/events", { name, data: body, ...more });
  assert.equal(answer.status, 200, await answer.text());
}

async function produce(count, name) {
  const kcat = spawn("kcat", ["-P", "-b", kafka, "-t", "events"], { stdio: ["pipe", "ignore", "inherit"] });
  kcat.stdin.end(`{"name":"${name}"}\n`.repeat(count));
  assert.equal(await new Promise((resolve) => kcat.on("exit", resolve)), 0);
}

// An app as an SDK serves it, with one function of one step.
function startApp() {
  const id = createHash("sha1").update("send welcome").digest("hex");
  app = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const is_done = body.includes(`"${id}":`);
    const answer = is_done ? "welcomed" : [{ id, op: "StepRun", name: "send welcome", displayName: "send welcome", opts: {}, data: { sent: true } }];
    response.writeHead(is_done ? 200 : 206, { "Content-Type": "application/json", "x-inngest-sdk": "js:v3.54.2", "x-inngest-req-version": "2" }).end(JSON.stringify(answer));
  });
  return new Promise((resolve) => app.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${app.address().port}`)));
}

// By way of another page, so that it is shown anew.
async function go(hash) {
  await page.goto(`${base}/${hash === "#/send" ? "#/" : "#/send"}`);
  await page.goto(`${base}/${hash}`);
  await page.locator("main h1").waitFor();
}

const shoot = (name) => page.screenshot({ path: join(shots, `${name}.png`) });
const said = (text) => page.locator("#said").getByText(text).last().waitFor();
const goneSaid = () => until("messages to go", async () => (await page.locator("#said p").count()) === 0);

// What moved by itself since the page was opened, or since it was last asked.
const shifted = () => page.evaluate(() => window.shifts.splice(0));

async function check(rules) {
  if (!(await page.evaluate(() => "axe" in window))) await page.addScriptTag({ path: axe });
  const found = await page.evaluate((runOnly) => window.axe.run({ resultTypes: ["violations"], ...(runOnly ? { runOnly } : {}) }), rules);
  return found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
}

/* ---- around all ---------------------------------------------------------------------------------- */

before(async () => {
  appUrl = await startApp();
  const ready = await startDaemon(["dev", "--module", process.env.MODULE, "--app", `${appUrl}/none`, "--kafka-port", "0", "--redis-port", "0", "--http-port", "0", "--data", data],
    /stepd dev ready kafka=(\S+) redis=(\S+) http=(\S+)/);
  [kafka, redis, base] = [ready[1], ready[2], `http://${ready[3]}`];
  mkdirSync(shots, { recursive: true });
  context = await chromium.launchPersistentContext(join(data, "browser"), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
    viewport: { width: 1200, height: 800 },
    timezoneId: ZONE,
    locale: "en-GB",
  });
  await context.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        if (!entry.hadRecentInput) window.shifts.push(...entry.sources.map(({ node }) => node?.outerHTML ?? node?.parentNode?.outerHTML ?? "?"));
    }).observe({ type: "layout-shift", buffered: true });
  });
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("dialog", (dialog) => { complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
});

after(async () => {
  await context?.close();
  for (const daemon of daemons.reverse()) {
    if (daemon.exitCode !== null) continue;
    const ended = new Promise((resolve) => daemon.on("exit", resolve));
    daemon.kill("SIGINT");
    await ended;
  }
  app?.closeAllConnections();
  app?.close();
  rmSync(data, { recursive: true, force: true });
});

/* ---- each page ----------------------------------------------------------------------------------- */

test("the overview is live, and nothing moves", async () => {
  await go("#/");
  const tile = page.getByRole("region", { name: "Events a second" }).locator(".under");
  await until("a first count", async () => (await tile.textContent()).includes("in all"));
  const text = await tile.textContent();
  const partitions = page.getByRole("region", { name: "Partitions", exact: true });
  await partitions.waitFor();
  await until("health", async () => (await page.locator("#health").textContent()) === "healthy");
  await shifted();
  for (let i = 0; i < 12; i++) await send("app/button.clicked", { button_id: "buy", i });
  await until("the count to go on by itself", async () => (await tile.textContent()) !== text);
  await until("its partition", async () => (await partitions.textContent()).includes("12"));
  await pause(2000);
  assert.deepEqual(await shifted(), []);
  assert.match(await page.locator(".chart").first().getAttribute("aria-label"), /last 15 minutes/);
});

test("functions are told with what they did", async () => {
  await go("#/functions");
  const cells = page.getByRole("row", { name: /record-click/ }).getByRole("cell");
  await until("durations", async () => (await cells.nth(4).textContent()) !== "–");
  const [, trigger, rate, failures, p50, p99, settings] = await cells.allTextContents();
  assert.equal(trigger, "app/button.clicked");
  assert.ok(Number(rate) > 0, rate);
  assert.equal(failures, "0 %");
  for (const time of [p50, p99]) assert.match(time, /^[\d.]+ (µs|ms|s)$/);
  assert.match(settings, /^10 retries after 15 s, 30 s, 1 m, …/);
});

test("a run tells its steps, what comes next, and how to send its event again", async () => {
  await send("user/digest.due", { user: "ada", text: "find-address" }, { key: "it's a key" });
  const [run] = await until("a run in its last sleep", async () => {
    const runs = await runsOf({ status: "sleeping", text: "user/digest.due" });
    return runs.length > 0 && runs[0].due_ms > Date.now() + 60_000 && runs;
  });
  await go(`#/runs/${run.id}`);
  await page.getByRole("heading", { name: /weekly-digest/ }).waitFor();
  const timeline = page.getByRole("list", { name: "Timeline" });
  for (const text of ["Attempt 0", "find-address", "render", "attach-report", "settle", "until-morning", "next after"]) assert.ok((await timeline.textContent()).includes(text), text);
  const steps = page.getByRole("region", { name: "Steps" });
  assert.match(await steps.getByRole("row", { name: /render/ }).textContent(), /completed2/);
  assert.match(await steps.getByRole("row", { name: /attach-report/ }).textContent(), /failed1.*StepRefused/);
  assert.match(await page.locator("pre.send").textContent(), /^stepctl send 'user\/digest.due' '\{"user":"ada","text":"find-address"\}' --topic 'events' --key 'it'\\''s a key'$/);
  assert.ok((await page.locator("main").textContent()).includes(run.id));
  assert.equal((await page.locator("main").textContent()).includes("[object"), false);

  const due = page.locator("[data-due]").first();
  const first = await due.textContent();
  assert.match(first, /^in (59 m|1 h)/);
  await shifted();
  await until("the countdown to move", async () => (await due.textContent()) !== first);
  assert.deepEqual(await shifted(), []);
});

test("times are local, and UTC on hover", async () => {
  const time = page.locator(".facts time").first();
  const at = new Date(await time.getAttribute("datetime"));
  assert.equal(await time.textContent(), new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: ZONE }).format(at));
  assert.equal(await time.getAttribute("title"), at.toISOString().replace("T", " ").replace("Z", " UTC"));
});

test("a run is seen to go on, and what was opened stays open", async () => {
  await send("user/digest.due", { text: "short", sleep_ms: 12_000 }, { id: "short-sleep" });
  const [run] = await some("the run", { text: "short-sleep" });
  await go(`#/runs/${run.id}`);
  await page.locator("h1 .status.sleeping").waitFor();
  await page.getByRole("region", { name: "Steps" }).locator("summary").first().click();
  await page.locator("h1 .status.completed").waitFor();
  assert.ok(await page.locator("details[open]").count() > 0);
  assert.equal(await page.getByRole("button", { name: "Cancel" }).isDisabled(), true);
});

test("an app's functions are there, and its steps have the names that their author gave them", async () => {
  const answer = await post("/fn/register", { appName: "shop-app", url: appUrl, functions: [{ id: "shop-app-welcome", name: "Welcome", triggers: [{ event: "app/came" }],
    steps: { step: { id: "step", name: "step", runtime: { type: "http", url: `${appUrl}/?fnId=shop-app-welcome&stepId=step` }, retries: { attempts: 1 } } } }] });
  assert.equal(answer.status, 200, await answer.text());
  await send("app/came", { user: "ada" });
  const [run] = await some("the app's run", { status: "completed", function: "shop-app-welcome" });
  await go(`#/runs/${run.id}`);
  const row = page.getByRole("region", { name: "Steps" }).getByRole("row", { name: /send welcome/ });
  assert.match(await row.textContent(), /send welcomecompleted1/);
  await go("#/functions");
  await page.getByRole("row", { name: /shop-app-welcome.*app\/came/ }).waitFor();
});

test("a run is cancelled", async () => {
  const [run] = await some("a sleeping run", { status: "sleeping" });
  await go(`#/runs/${run.id}`);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("h1 .status.cancelled").waitFor();
  assert.equal((await api(`/api/runs/${run.id}`)).run.status, "cancelled");
});

test("a failed run is retried", async () => {
  await send("user/signed.up", { user: "ada" });
  const [run] = await some("a failed run", { status: "failed", function: "sync-crm" });
  await go(`#/runs/${run.id}`);
  await page.getByText("CrmMoved").first().waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await page.locator("h1 .status.completed").waitFor();
});

const failedOf = async (error) => (await api("/api/failed")).groups.filter((group) => group.error === error).reduce((sum, group) => sum + group.count, 0);

test("what failed is grouped by error; one, some, or all are retried", async () => {
  for (let i = 0; i < 3; i++) await send("shop/order.placed", { error: "CardDeclined", message: "the bank said no" }, { key: `u${i}` });
  for (let i = 0; i < 5; i++) await send("shop/order.placed", { error: "DatabaseError", message: "no route to host: connection timed out after 30 s" });
  await until("eight failures", async () => (await failedOf("CardDeclined")) === 3 && (await failedOf("DatabaseError")) === 5);
  await go("#/failed");
  const group = page.getByRole("region", { name: "DatabaseError", exact: true });
  assert.match(await group.getByRole("row", { name: /charge-card/ }).first().textContent(), /no route to host.*5.*Retry these 5/);

  await group.locator("summary").click();
  await group.getByRole("checkbox", { name: /Choose run/ }).nth(0).check();
  await group.getByRole("checkbox", { name: /Choose run/ }).nth(1).check();
  await group.getByRole("button", { name: "Retry chosen" }).click();
  await said("2 of 2 retried.");
  await until("them to have failed again", async () => (await failedOf("DatabaseError")) === 5);

  await page.getByRole("region", { name: "CardDeclined", exact: true }).getByRole("button", { name: "Retry these 3" }).click();
  await said("3 runs begin anew.");
  await until("them to have failed again", async () => (await failedOf("CardDeclined")) === 3);

  await page.getByRole("combobox", { name: "Function" }).selectOption("charge-card");
  await page.getByRole("button", { name: "Retry all of it" }).click();
  await said("8 runs begin anew.");
  await until("all to have failed again", async () => (await failedOf("CardDeclined")) === 3 && (await failedOf("DatabaseError")) === 5);
});

test("chosen runs of a list are retried and cancelled", async () => {
  await go("#/runs?status=failed&function=charge-card&error=CardDeclined");
  const runs = page.getByRole("region", { name: "Runs" });
  assert.equal(await runs.getByRole("row").count(), 4);
  await page.getByRole("checkbox", { name: "Choose all that are shown" }).check();
  await page.getByRole("button", { name: "Retry chosen" }).click();
  await said("3 of 3 retried.");
  await goneSaid();
  await send("shop/cart.left", { cart: 7 });
  await some("a delayed run", { status: "delayed", function: "remind" });
  await go("#/runs?status=delayed&function=remind");
  await page.getByRole("checkbox", { name: /Choose run/ }).first().check();
  await page.getByRole("button", { name: "Cancel chosen" }).click();
  await said("1 of 1 cancelled.");
  assert.equal((await runsOf({ status: "cancelled", function: "remind" })).length, 1);
});

test("all runs that a filter leaves are cancelled, shown or not", async () => {
  for (let cart = 0; cart < 3; cart++) await send("shop/cart.left", { cart });
  await until("three delayed runs", async () => (await runsOf({ status: "delayed", function: "remind" })).length === 3);
  await go("#/runs");
  assert.equal(await page.getByRole("button", { name: "Cancel all such" }).count(), 0, "not without a filter");
  await go("#/runs?status=delayed&function=remind");
  await page.getByRole("button", { name: "Cancel all such" }).click();
  assert.equal((await runsOf({ status: "delayed", function: "remind" })).length, 3, "not unless it is said again");
  await page.getByRole("button", { name: "Cancel all such, shown here or not?" }).click();
  await said("3 runs cancelled.");
  assert.equal((await runsOf({ status: "delayed", function: "remind" })).length, 0);
});

test("lists are filtered by status, function, event, error and time", async () => {
  await go("#/runs");
  await page.getByRole("combobox", { name: "Status" }).selectOption("failed");
  await until("failed ones alone", async () => new Set(await page.locator("td .status").allTextContents()).size === 1 && page.url().includes("status=failed"));
  await page.getByRole("combobox", { name: "Status" }).selectOption("");
  await page.getByRole("searchbox", { name: "Event name or id, run id" }).fill("short-sleep");
  await page.getByRole("button", { name: "Show" }).click();
  await until("one run", async () => (await page.getByRole("region", { name: "Runs" }).getByRole("row").count()) === 2);
  const [run] = await runsOf({ text: "short-sleep" });
  assert.equal((await runsOf({ since: run.created_ms, until: run.created_ms })).some((one) => one.id === run.id), true);
  assert.equal((await runsOf({ since: run.created_ms + 1 })).some((one) => one.id === run.id), false);
  await page.getByRole("searchbox", { name: "Event name or id, run id" }).fill(run.id);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /weekly-digest/ }).waitFor();
});

test("an event is sent, and what is no JSON is refused", async () => {
  await go("#/send");
  await page.getByLabel("Event", { exact: true }).fill("app/button.clicked");
  await page.getByLabel("Data, JSON").fill("{nonsense");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("#wrong").waitFor();
  await page.getByLabel("Data, JSON").fill(`{\n  "button_id": "buy",\n  "user_id": "u1"\n}`);
  await page.getByLabel("Id (none: leave empty)").fill("from-the-page");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("It is in events.").waitFor();
  await some("its run", { text: "from-the-page" });
  await goneSaid();
  await shoot("send");
  await page.getByRole("link", { name: "Look for its runs" }).click();
  await page.getByRole("row", { name: /from-the-page/ }).waitFor();
});

/* ---- for everybody ------------------------------------------------------------------------------- */

// As if it had run for a while: a picture needs no more.
function withPast(now) {
  const SECONDS = 5;
  const sums = [0, 0, 0, 0];
  now.past = Array.from({ length: 180 }, (_, i) => {
    const wave = 1 + Math.sin(i / 9) / 3 + Math.sin(i / 2.3) / 9;
    const is_bad = i % 57 > 20 && i % 57 < 26;
    const [events, failed, retried] = [210 * wave, is_bad ? 4 : 0, is_bad ? 12 : 1];
    [events, events - failed - retried, failed, retried].forEach((rate, k) => { sums[k] += rate * SECONDS; });
    return [now.now_ms - (180 - i) * SECONDS * 1000, ...sums.map(Math.round), Math.round(40 + 25 * Math.sin(i / 15)), is_bad ? 900 : 12, Math.round(9 * wave)];
  });
  ["events", "completed", "failed", "retried"].forEach((name, k) => { now.totals[name] = Math.round(sums[k]) + [1065, 1060, 0, 5][k]; });
  return Object.assign(now, { delayed: 52, threads_busy: 11, queued: 3 });
}

async function photographOverview() {
  const now = withPast(await api("/api/overview"));
  const next = { ...now, now_ms: now.now_ms + 1000, past: undefined, totals: { ...now.totals, events: now.totals.events + 213, completed: now.totals.completed + 212, retried: now.totals.retried + 1 } };
  await go("#/send");
  await page.route("**/api/overview", (route) => route.fulfill({ json: now }));
  await page.evaluate((text) => {
    window.EventSource = class {
      constructor() { setTimeout(() => this.onmessage({ data: text }), 100); }
      close() {}
    };
  }, JSON.stringify(next));
  await go("#/");
  await until("its numbers", async () => (await page.locator(".number").first().textContent()) === "213");
  await page.mouse.move(0, 0);
  await shoot("overview");
  await page.setViewportSize({ width: 390, height: 800 });
  await shoot("phone");
  await page.setViewportSize({ width: 1200, height: 800 });
  await page.unroute("**/api/overview");
  await page.reload();
}

async function photograph() {
  await photographOverview();
  await go("#/functions");
  await shoot("functions");
  await go("#/runs");
  await page.getByRole("table").waitFor();
  await shoot("runs");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot("runs-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await go("#/failed");
  await page.locator("summary").first().click();
  await page.getByRole("checkbox", { name: /Choose run/ }).first().waitFor();
  await shoot("failed");
  const [run] = await runsOf({ status: "sleeping", text: "user/digest.due" });
  await go(`#/runs/${run.id}`);
  await page.setViewportSize({ width: 1200, height: 1160 });
  await shoot("run");
  await page.setViewportSize({ width: 1200, height: 800 });
}

// What the page is made of, and what it is of.
function makings() {
  const web = join(root, "daemon", "page", "web");
  const hash = createHash("sha256");
  for (const path of [...readdirSync(web).sort().map((name) => join(web, name)), join(root, "tests", "page", "looked_at.c")]) hash.update(readFileSync(path));
  return `${hash.digest("hex")}\n`;
}

test("runs that wait in line are told by function and key", async () => {
  const change = (word) => post(`/api/functions/record-click/${word}`, "{}");
  assert.equal((await change("pause")).status, 200);
  await until("the pause to be known", async () => (await api("/api/functions")).functions.find(({ id }) => id === "record-click").paused);
  for (let n = 0; n < 3; n++) await send("app/button.clicked", { user: "queued", n });
  await go("#/functions");
  const cells = page.getByRole("region", { name: "Lines" }).getByRole("row", { name: /record-click/ }).getByRole("cell");
  await until("all three in line", async () => (await cells.nth(2).textContent()) === "3");
  assert.equal(await cells.nth(1).textContent(), "all");
  assert.match(await cells.nth(3).textContent(), /^[\d.]+ (ms|s|m)/);
  assert.equal((await change("resume")).status, 200);
  await until("the line to end", async () => (await page.getByRole("region", { name: "Lines" }).count()) === 0);
});

test("the pictures in docs are of this page", async () => {
  await send("user/digest.due", { user: "ada", text: "find-address" });
  await send("shop/cart.left", { cart: 8 });
  await some("a delayed run", { status: "delayed", function: "remind" });
  await until("a run in its last sleep", async () => (await runsOf({ status: "sleeping", text: "user/digest.due" }))[0].due_ms > Date.now() + 60_000);
  await goneSaid();
  await photograph();
  const names = readdirSync(shots).sort();
  const known = existsSync(join(docs, "made-of")) ? readFileSync(join(docs, "made-of"), "utf8") : "";
  if (known === makings()) {
    for (const name of names) assert.ok(existsSync(join(docs, name)), `docs/screenshots/${name} is missing`);
    return;
  }
  assert.notEqual(process.env.CI, "true", "The page has changed since its pictures in docs/screenshots were taken. Run this test without CI=true: it renews them.");
  for (const name of names) copyFileSync(join(shots, name), join(docs, name));
  writeFileSync(join(docs, "made-of"), makings());
  console.log("docs/screenshots has new pictures");
});

test("is readable by a screen reader, in light and dark", async () => {
  const [run] = await runsOf({ status: "sleeping" });
  const pages = { ...PAGES, run: `#/runs/${run.id}` };
  const bad = [];
  // axe is not the page's: it comes past the policy, which the page itself never does.
  const other = await context.newPage();
  const cdp = await context.newCDPSession(other);
  await cdp.send("Page.setBypassCSP", { enabled: true });
  const shown = page;
  page = other;
  for (const [scheme, rules] of [["light", null], ["dark", ["color-contrast"]]]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [name, hash] of Object.entries(pages)) {
      await go(hash);
      if (name === "failed") await page.locator("summary").first().click();
      await pause(name === "overview" ? 1500 : 300);
      bad.push(...(await check(rules)).map((text) => `${scheme} ${name}: ${text}`));
    }
  }
  await page.close();
  page = shown;
  assert.deepEqual(bad, []);
});

test("works by keyboard", async () => {
  await go("#/runs");
  await page.reload();
  await page.locator("main h1").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "To the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "view");
  await page.locator(".brand").focus();
  for (let i = 0; i < 12 && !(await page.evaluate(() => document.activeElement.textContent === "Failed")); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Failed" }).waitFor();
  for (let i = 0; i < 40 && !(await page.evaluate(() => document.activeElement.tagName === "SUMMARY")); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("checkbox", { name: /Choose run/ }).first().waitFor();
  for (let i = 0; i < 40 && !(await page.evaluate(() => document.activeElement.ariaLabel?.startsWith("Choose run"))); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Retry chosen" }).first().focus();
  await page.keyboard.press("Enter");
  await said("1 of 1 retried.");
});

test("works on a phone", async () => {
  const [run] = await runsOf({ status: "sleeping" });
  await page.setViewportSize({ width: 390, height: 800 });
  for (const hash of [...Object.values(PAGES), `#/runs/${run.id}`]) {
    await go(hash);
    await pause(500);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${hash} is wider than a phone`);
  }
  await go("#/runs?status=failed");
  await page.getByRole("checkbox", { name: /Choose run/ }).first().check();
  await page.getByRole("button", { name: "Retry chosen" }).click();
  await said("1 of 1 retried.");
  await page.setViewportSize({ width: 1200, height: 800 });
});

/* ---- against strangers --------------------------------------------------------------------------- */

test("nothing that came with an event becomes markup", async () => {
  for (const [i, text] of HOSTILE.entries()) {
    await send(`look/<${text.slice(0, 150)}`, { [text]: text, text }, { id: `hostile-${i}${text.slice(0, 100)}`, key: text });
    await send("shop/order.placed", { error: text.slice(0, 90), message: text });
    await send("user/digest.due", { text: text.slice(0, 150).replaceAll(/[\n\t]/g, " ") }, { id: `stepped-${i}` });
  }
  await until("all of them", async () => (await runsOf({ text: "hostile-", limit: 200 })).length === HOSTILE.length && (await runsOf({ text: "stepped-", limit: 200 })).length === HOSTILE.length);
  await until("all to have failed", async () => (await runsOf({ status: "failed", function: "charge-card", limit: 200 })).length >= HOSTILE.length + 8);
  for (const hash of ["#/", "#/runs", "#/failed", "#/runs?status=failed", "#/runs?text=%3Cscript%3E", "#/runs?function=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E",
    "#/runs?error=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E", "#/runs?status=%3Cb%3E", "#/runs/%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E", "#/runs/%", "#/%3Cb%3E"]) {
    await page.goto(`${base}/${hash}`);
    await page.reload();
    await page.locator("main h1, main .alarm").first().waitFor();
  }
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of 40[04]/.test(text))); // what is no status, no run
  for (const details of await page.locator("summary").all()) await details.click();
  for (const run of await runsOf({ limit: 200 })) {
    await page.goto(`${base}/#/runs/${run.id}`);
    await page.getByRole("heading", { name: "Send it again" }).waitFor();
    await page.getByText(run.id).waitFor();
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator("main script, main img, main svg:not(.chart)").count(), 0);
});

test("changes come from no other site, and reading from no other name", async () => {
  const [run] = await runsOf({ status: "failed" });
  const retry = `/api/runs/${run.id}/retry`;
  assert.equal((await post(retry, {}, { Origin: "http://evil.example" })).status, 403);
  assert.equal((await fetch(base + retry, { method: "POST", body: "{}", headers: { "Content-Type": "text/plain" } })).status, 415);
  const policy = (await fetch(`${base}/`)).headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
});

test("a page of another site can neither change nor read anything", async () => {
  const evil = createServer((request, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>evil</title>"));
  await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
  const other = await context.newPage();
  await other.goto(`http://localhost:${evil.address().port}/`);
  const [run] = await runsOf({ status: "failed" });
  const tried = await other.evaluate(async ([at, id]) => {
    const attempt = (path, options) => fetch(at + path, options).then(async (answer) => `${answer.type} ${await answer.text()}`, () => "blocked");
    return [
      await attempt(`/api/runs/${id}/retry`, { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } }),
      await attempt(`/api/runs/${id}/retry`, { method: "POST", body: "{}", mode: "no-cors" }),
      await attempt("/api/runs", {}),
      await attempt("/api/runs", { mode: "no-cors" }),
    ];
  }, [base, run.id]);
  for (const answer of tried) assert.match(answer, /^(blocked|opaque )$/);
  assert.equal((await api(`/api/runs/${run.id}`)).run.status, "failed");
  await other.close();
  evil.close();
});

test("where a token is set, changes need it", async () => {
  const port = await new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => { const { port: free } = probe.address(); probe.close(() => resolve(free)); });
  });
  const config = join(data, "token.yaml");
  writeFileSync(config, JSON.stringify({ // JSON is YAML
    kafka: { "bootstrap.servers": kafka, "group.id": "with-token" }, topics: ["events"], redis: { url: `redis://${redis}`, prefix: "with-token" },
    modules: [process.env.MODULE], worker: { journal: join(data, "journal-with-token") }, http: { listen: `127.0.0.1:${port}`, token: TOKEN } }));
  const at = `http://127.0.0.1:${port}`;
  await startDaemon(["--config", config], /ready: /);
  const failed = async () => (await (await fetch(`${at}/api/runs?status=failed&limit=200`)).json()).runs;
  const event = { name: "shop/order.placed", data: { error: "Declined" }, id: "with-token" };
  assert.equal((await post("/api/events", event, {}, at)).status, 401);
  assert.equal((await post("/api/events", event, { Authorization: "Bearer open sesamE" }, at)).status, 401);
  assert.equal((await post("/api/events", event, { Authorization: `Bearer ${TOKEN}`, Origin: "http://evil.example" }, at)).status, 403);
  const answer = await post("/api/events", event, { Authorization: `Bearer ${TOKEN}` }, at);
  assert.equal(answer.status, 200, await answer.text());
  const run = await until("the failed run", async () => (await failed()).find((one) => one.event_id === "with-token"));

  await page.goto(`${at}/#/runs/${run.id}`);
  const retry = page.getByRole("button", { name: "Retry" });
  const dialog = page.getByRole("dialog", { name: "Token" });
  await retry.click();
  await dialog.getByRole("button", { name: "Leave it" }).click();
  await said("Nothing was changed.");
  await retry.click();
  await dialog.getByLabel("Token").fill("guessed");
  await dialog.getByRole("button", { name: "Go on" }).click();
  await dialog.getByText("That is not the token.").waitFor();
  await dialog.getByLabel("Token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await said("The run is retried.");
  await until("it to have failed again", async () => (await failed()).some((one) => one.id === run.id && one.ended_ms !== run.ended_ms));
  await retry.click();
  await until("no more asking", async () => (await page.locator("#said").getByText("The run is retried.").count()) > 1);
  assert.equal(await dialog.isVisible(), false);
  const daemon = daemons.pop();
  const ended = new Promise((resolve) => daemon.on("exit", resolve));
  daemon.kill("SIGTERM");
  await ended;
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of 401/.test(text)));
});

/* ---- many ---------------------------------------------------------------------------------------- */

// Of the first pages: each run once, newest first.
async function checkOrder(parameters, pages) {
  const seen = new Set();
  let cursor = "";
  let before_ms = Infinity;
  for (let i = 0; i < pages && cursor !== null; i++) {
    const answer = await api(`/api/runs?${new URLSearchParams({ ...parameters, cursor, limit: 200 })}`);
    for (const run of answer.runs) {
      assert.ok(run.created_ms <= before_ms, `${run.id} is newer than the one before it`);
      assert.ok(!seen.has(run.id), `${run.id} comes twice`);
      before_ms = run.created_ms;
      seen.add(run.id);
    }
    cursor = answer.cursor;
  }
  assert.equal(seen.size, pages * 200);
}

async function timed(hash) {
  const begun = performance.now();
  await page.goto(`${base}/${hash}`);
  await page.reload();
  await page.getByRole("row").nth(2).waitFor();
  return Math.round(performance.now() - begun);
}

test("a hundred thousand delayed runs open as a few do, newest first", async () => {
  await send("shop/cart.left", { cart: 9 });
  await send("shop/cart.left", { cart: 10 });
  await until("two delayed runs", async () => (await runsOf({ status: "delayed" })).length > 1);
  const few_ms = await timed("#/runs?status=delayed");
  let wanted = (await api("/api/overview")).totals.retried;
  for (let sent = 0; sent < MANY; sent += 10_000) {
    await produce(10_000, "shop/cart.left");
    wanted += 10_000;
    await until(`${sent + 10_000} delayed runs`, async () => (await api("/api/overview")).totals.retried >= wanted);
  }
  await until("the count of what is delayed", async () => (await api("/api/overview")).delayed >= MANY);
  await send("shop/cart.left", { cart: 11 }, { id: "the-newest" });
  await some("the newest", { text: "the-newest" });

  const many_ms = await timed("#/runs?status=delayed");
  console.log(`delayed runs are shown in ${few_ms} ms where there are a few, in ${many_ms} ms where there are ${MANY}`);
  assert.ok(many_ms < few_ms + 15_000, `${many_ms} ms, and ${few_ms} ms where there are a few`);
  for (const hash of ["#/runs?status=delayed", "#/runs"]) {
    await go(hash);
    assert.match(await page.getByRole("row").nth(1).textContent(), /the-newest/);
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("row").nth(100).waitFor();
  }
  await checkOrder({ status: "delayed" }, 10);
  await checkOrder({}, 10);
});

test("the browser had nothing to complain about", () => {
  assert.deepEqual(complaints, []);
});

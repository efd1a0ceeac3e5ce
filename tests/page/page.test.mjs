// SPDX-License-Identifier: Apache-2.0
// The page in a real browser, before a real `stepd dev`.
//   STEPD        the daemon's program
//   MODULE       looked_at.so
//   SCREENSHOTS  a folder for them; docs/screenshots to renew those
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const MANY = 100_000;
const PATIENCE_MS = 120_000;
const HOSTILE = [`<script>window.hacked=1</script>`, `"><img src=x onerror="window.hacked=1">`, `'; alert(1) //`, `javascript:window.hacked=1`,
  `\u202Eright to left\u202C`, `a\nb\tc`, `😀 ünï`, `</pre></textarea><svg onload=window.hacked=1>`, "x".repeat(3000)];

const data = mkdtempSync(join(tmpdir(), "stepd-page-"));
const shots = process.env.SCREENSHOTS ?? join(data, "screenshots");
let daemon, browser, context, page, base, kafka;
const complaints = [];

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

const api = async (path) => (await fetch(base + path)).json();
const post = (path, body, headers = {}) => fetch(base + path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });

async function send(name, body = {}, more = {}) {
  const answer = await post("/api/events", { name, data: body, ...more });
  assert.equal(answer.status, 200, await answer.text());
}

function startDaemon() {
  daemon = spawn(process.env.STEPD, ["dev", "--module", process.env.MODULE, "--kafka-port", "0", "--redis-port", "0", "--http-port", "0", "--data", data],
    { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve, reject) => {
    let text = "";
    daemon.stderr.on("data", (part) => { if (text.length < 100_000) text += part; });
    daemon.on("exit", (code) => reject(new Error(`stepd dev ended with ${code}:\n${text}`)));
    daemon.stdout.on("data", (part) => {
      if (text.length < 100_000) text += part;
      const ready = text.match(/stepd dev ready kafka=(\S+) redis=\S+ http=(\S+)/);
      if (ready) resolve({ kafka: ready[1], base: `http://${ready[2]}` });
    });
  });
}

before(async () => {
  ({ kafka, base } = await startDaemon());
  mkdirSync(shots, { recursive: true });
  context = await chromium.launchPersistentContext(join(data, "browser"), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
    viewport: { width: 1200, height: 800 },
  });
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("dialog", (dialog) => { complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
});

after(async () => {
  await context?.close();
  if (daemon && daemon.exitCode === null) {
    const ended = new Promise((resolve) => daemon.on("exit", resolve));
    daemon.kill("SIGINT");
    await ended;
  }
  rmSync(data, { recursive: true, force: true });
});

const go = async (hash) => {
  await page.goto(`${base}/#/`);
  await page.goto(`${base}/${hash}`);
};
const shoot = (name) => page.screenshot({ path: join(shots, `${name}.png`) });
const runsOf = async (parameters) => (await api(`/api/runs?${new URLSearchParams(parameters)}`)).runs;

test("the overview is live", async () => {
  await go("#/");
  await page.getByRole("heading", { name: "Partitions", exact: true }).waitFor();
  const tile = page.getByRole("region", { name: "Events a second" }).locator(".under");
  await until("a first count", async () => (await tile.textContent()).includes("in all"));
  const text = await tile.textContent();
  const height = await page.evaluate(() => document.querySelector(".tiles").getBoundingClientRect().height);
  for (let i = 0; i < 5; i++) await send("look/good", { i });
  await until("the count to go on by itself", async () => (await tile.textContent()) !== text);
  assert.equal(await page.evaluate(() => document.querySelector(".tiles").getBoundingClientRect().height), height, "the layout shifts");
  await until("health", async () => (await page.locator("#health").textContent()) === "works");
  await shoot("overview");
});

test("functions are told with what they did", async () => {
  await go("#/functions");
  const row = page.getByRole("row", { name: /look\/good/ });
  await row.waitFor();
  assert.match(await row.textContent(), /4 retries/);
  await shoot("functions");
});

test("a run tells its steps, what comes next, and how to send its event again", async () => {
  await send("look/stepped", { text: "greet" }, { key: "it's a key" });
  const [run] = await until("a sleeping run", async () => { const runs = await runsOf({ status: "sleeping" }); return runs.length > 0 && runs; });
  await go(`#/runs/${run.id}`);
  await page.getByRole("heading", { name: /stepped/ }).waitFor();
  const timeline = page.getByRole("list", { name: "Timeline" });
  for (const text of ["greet", "refused", "an hour"]) assert.ok((await timeline.textContent()).includes(text), text);
  const due = page.locator("[data-due]").first();
  const first = await due.textContent();
  assert.match(first, /^in /);
  await until("the countdown to move", async () => (await page.locator("[data-due]").first().textContent()) !== first);
  assert.match(await page.locator("pre.line").textContent(), /^stepctl send 'look\/stepped' '\{"text":"greet"\}' --topic 'events' --key 'it'\\''s a key'$/);
  assert.match(await page.locator("time").first().getAttribute("title"), /UTC$/);
  assert.ok((await page.locator("main").textContent()).includes(run.id));
  assert.equal((await page.locator("main").textContent()).includes("[object"), false);
  await shoot("run");
});

test("a run is cancelled", async () => {
  const [run] = await runsOf({ status: "sleeping" });
  await go(`#/runs/${run.id}`);
  await page.getByRole("button", { name: "Cancel" }).click();
  await until("it to be cancelled", async () => (await page.locator("h1 .status").textContent()) === "cancelled");
  assert.equal((await api(`/api/runs/${run.id}`)).run.status, "cancelled");
});

test("a failed run is retried", async () => {
  await send("look/mended");
  const [run] = await until("a failed run", async () => { const runs = await runsOf({ status: "failed", function: "mended" }); return runs.length > 0 && runs; });
  await go(`#/runs/${run.id}`);
  await page.getByText("NotMended").first().waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await until("it to complete", async () => (await page.locator("h1 .status").textContent()) === "completed");
});

test("what failed is grouped, and all of a function is retried", async () => {
  for (let i = 0; i < 3; i++) await send("look/bad", { error: "DatabaseError", message: "no route to host" });
  await until("three failures", async () => (await api("/api/failed")).groups.some((group) => group.error === "DatabaseError" && group.count === 3));
  await go("#/failed");
  await page.getByRole("row", { name: /DatabaseError.*bad.*3/ }).waitFor();
  await shoot("failed");
  await page.getByRole("button", { name: "All of bad" }).click();
  await page.getByText("3 runs begin anew.").waitFor();
});

test("chosen runs are retried", async () => {
  await until("them to have failed again", async () => (await runsOf({ status: "failed", function: "bad" })).length === 3);
  await go("#/runs?status=failed&function=bad");
  await page.getByRole("checkbox").nth(0).check();
  await page.getByRole("checkbox").nth(1).check();
  await page.getByRole("button", { name: "Retry chosen" }).click();
  await page.getByText("2 of 2 retried.").waitFor();
});

test("an event is sent, and what is no JSON is refused", async () => {
  await go("#/send");
  await page.getByLabel("Event", { exact: true }).fill("look/good");
  await page.getByLabel("Data, JSON").fill("{nonsense");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("#wrong").waitFor();
  await page.getByLabel("Data, JSON").fill(`{"sent": "from the page"}`);
  await page.getByLabel("Id (none: leave empty)").fill("from-the-page");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("It is in events.").waitFor();
  await until("its run", async () => (await runsOf({ text: "from-the-page" })).length === 1);
  await shoot("send");
});

test("nothing that came with an event becomes markup", async () => {
  for (const [i, text] of HOSTILE.entries()) {
    await send(`look/<${text.slice(0, 150)}`, { [text]: text, text }, { id: `hostile-${i}${text.slice(0, 100)}`, key: text });
    await send("look/bad", { error: text.slice(0, 90), message: text });
    await send("look/stepped", { text: text.slice(0, 150).replaceAll(/[\n\t]/g, " ") });
  }
  await until("all of them", async () => (await runsOf({ text: "hostile-", limit: 200 })).length === HOSTILE.length);
  await until("all to have failed", async () => (await runsOf({ status: "failed", function: "bad", limit: 200 })).length >= HOSTILE.length);
  for (const hash of ["#/", "#/runs", "#/failed", "#/runs?status=failed", "#/runs?text=%3Cscript%3E", "#/runs?function=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E"]) {
    await go(hash);
    await page.locator("main h1").waitFor();
    await pause(300);
  }
  for (const run of await runsOf({ limit: 200 })) {
    await go(`#/runs/${run.id}`);
    await page.getByRole("heading", { name: "Send it again" }).waitFor();
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator("main script, main img, main svg:not(.chart)").count(), 0);
});

test("changes come from no other site, and reading from no other name", async () => {
  const [run] = await runsOf({ status: "failed" });
  const retry = `/api/runs/${run.id}/retry`;
  assert.equal((await post(retry, {}, { Origin: "http://evil.example" })).status, 403);
  assert.equal((await fetch(base + retry, { method: "POST", body: "{}", headers: { "Content-Type": "text/plain" } })).status, 415);
  assert.match((await fetch(`${base}/`)).headers.get("content-security-policy"), /default-src 'none'/);
});

test("works by keyboard, on a phone, and in the dark", async () => {
  await go("#/runs");
  await page.getByRole("table").waitFor();
  await page.locator(".brand").click();
  for (let i = 0; i < 12 && !(await page.evaluate(() => document.activeElement.textContent === "Failed")); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Failed" }).waitFor();
  await page.setViewportSize({ width: 390, height: 800 });
  for (const hash of ["#/", "#/functions", "#/runs", "#/failed", "#/send"]) {
    await go(hash);
    await page.locator("main h1").waitFor();
    await pause(500);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${hash} is wider than a phone`);
  }
  await go("#/");
  await pause(1500);
  await shoot("phone");
  await page.setViewportSize({ width: 1200, height: 800 });
  await page.emulateMedia({ colorScheme: "dark" });
  await go("#/runs");
  await page.getByRole("table").waitFor();
  await shoot("runs-dark");
  await page.emulateMedia({ colorScheme: "light" });
});

async function produce(count) {
  const kcat = spawn("kcat", ["-P", "-b", kafka, "-t", "events"], { stdio: ["pipe", "ignore", "inherit"] });
  kcat.stdin.end(`{"name":"look/late"}\n`.repeat(count));
  assert.equal(await new Promise((resolve) => kcat.on("exit", resolve)), 0);
}

test("a hundred thousand delayed runs open as ten do", async () => {
  let wanted = (await api("/api/overview")).totals.retried;
  for (let sent = 0; sent < MANY; sent += 10_000) {
    await produce(10_000);
    wanted += 10_000;
    await until(`${sent + 10_000} delayed runs`, async () => (await api("/api/overview")).totals.retried >= wanted);
  }
  const begun = Date.now();
  await go("#/runs?status=delayed");
  await page.getByRole("row").nth(50).waitFor();
  const took_ms = Date.now() - begun;
  console.log(`runs shown in ${took_ms} ms with ${MANY} delayed`);
  assert.ok(took_ms < 15_000, `${took_ms} ms`);
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("row").nth(100).waitFor();
  await until("the count of what is delayed", async () => (await api("/api/overview")).delayed >= MANY);
  await go("#/runs");
  await page.getByRole("row").nth(50).waitFor();
  await shoot("runs");
});

test("the browser had nothing to complain about", () => {
  assert.deepEqual(complaints, []);
});

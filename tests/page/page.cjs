// The page in a real browser: shows what happens, live; holds no secret; runs nothing of a caller's.
"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [binary, browserPath] = process.argv.slice(2);
const ADMIN = "127.0.0.1:19902";
const PAGE = `http://${ADMIN}/ui/`;
// Planted: none of these may be anywhere.
const secrets = {
  STRIPE_SECRET: "whsec_MARKED-stripe-0123456789",
  GITHUB_SECRET: "MARKED-github-0123456789",
  GITHUB_OLD: "MARKED-github-old-0123456789",
  ACME_SECRET: "MARKED-acme-0123456789",
};
const MARK = /MARKED/;
const HOSTILE = "<img src=x onerror=document.title='owned'>";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "gatepost-page-"));
const config = path.join(folder, "sidecar.toml");
fs.copyFileSync(path.join(__dirname, "sidecar.toml"), config);

function start() {
  const child = spawn(binary, ["run", "--config", config], { env: secrets });
  let log = "";
  child.log = () => log;
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`gatepost ended with ${code}: ${log}`)));
    child.stderr.on("data", (data) => {
      log += data;
      const listening = log.split("\n").find((line) => line.includes('"listening"') && line.endsWith("}"));
      if (listening && !child.at) {
        child.at = JSON.parse(listening);
        child.removeAllListeners("exit");
        resolve(child);
      }
    });
  });
}

function request(address, options, body) {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const asked = http.request({ host, port, ...options }, (answer) => {
      let text = "";
      answer.on("data", (data) => (text += data));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function post(gate, where, headers, body) {
  return request(gate.at.listen, { method: "POST", path: where, headers }, body);
}

function stripe(gate, body, key = secrets.STRIPE_SECRET) {
  const time = Math.floor(Date.now() / 1000);
  const mac = crypto.createHmac("sha256", key).update(`${time}.${body}`).digest("hex");
  return post(gate, "/webhooks/stripe", { "Stripe-Signature": `t=${time},v1=${mac}` }, body);
}

function github(gate, body, key = secrets.GITHUB_SECRET) {
  const mac = crypto.createHmac("sha256", key).update(body).digest("hex");
  const headers = { "X-Hub-Signature-256": `sha256=${mac}`, "X-GitHub-Event": "push" };
  return post(gate, "/webhooks/github", headers, body);
}

// The number in a column of a route's row.
async function cell(page, route, column) {
  const row = page.locator("table").first().getByRole("row", { name: route });
  return (await row.getByRole("cell").nth(column).innerText()).trim();
}

async function eventually(what, so) {
  const started = Date.now();
  while (!(await so())) {
    assert.ok(Date.now() - started < 8000, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Date.now() - started;
}

async function main() {
  const started = Date.now();
  let gate = await start();
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  try {
    const context = await browser.newContext({ viewport: { width: 1180, height: 1080 } });
    const page = await context.newPage();
    const problems = [];
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    let bytes = 0;
    page.on("response", async (response) => {
      if (!response.url().includes("/events")) bytes += (await response.body().catch(() => "")).length;
    });

    // The first state comes from the server: all of it is there without script.
    const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
    await plain.goto(PAGE);
    assert.equal(await plain.locator("table").first().getByRole("row").count(), 4, "three routes and a head");
    await plain.close();

    await page.goto(PAGE);
    await page.getByText("live", { exact: true }).waitFor();
    const weight = bytes;
    assert.ok(weight > 0 && weight < 60 * 1024, `the page weighs ${weight} bytes`);
    const before = [await cell(page, "stripe", 3), await cell(page, "stripe", 4)];
    assert.deepEqual(before, ["0", "0"]);

    // One good, one forged: both within two seconds, and the forged one explained.
    const event = JSON.stringify({ id: "evt_1", type: "payment_intent.succeeded" });
    assert.equal((await stripe(gate, event)).status, 200);
    assert.equal((await stripe(gate, event, "MARKED-another-key")).status, 401);
    const shown = await eventually("+1 forwarded, +1 refused", async () =>
      (await cell(page, "stripe", 3)) === "1" && (await cell(page, "stripe", 4)) === "1");
    assert.ok(shown < 2000, `shown after ${shown} ms`);
    const refusal = page.locator("details", { hasText: "signature_mismatch" }).first();
    await refusal.locator("summary").click();
    const told = await refusal.innerText();
    assert.match(told, /Fix\s+\S+/, "a refusal without a fix");
    assert.match(told, /hmac-sha256/, "a refusal without its steps");

    // What a caller sends stays text.
    await post(gate, "/webhooks/acme", { "User-Agent": HOSTILE, "X-Acme-Key": "wrong" }, "{}");
    await post(gate, "/nowhere/%3Cb%3E", { "User-Agent": HOSTILE }, "{}");
    await eventually("the hostile name", async () => (await page.content()).includes("&lt;img src=x"));
    assert.equal(await page.locator("main img").count(), 0);
    assert.equal(await page.title(), "gatepost");

    // Whoever reads a refusal keeps it open when the state is shown anew.
    await eventually("still open", async () => page.locator("details[open]").count());

    // Without a mouse: to the refusals, into one, out again.
    await page.keyboard.press("Tab");
    await page.locator("details summary").first().focus();
    const openBefore = await page.locator("details[open]").count();
    await page.keyboard.press("Enter");
    assert.notEqual(await page.locator("details[open]").count(), openBefore);

    // What a screen reader is told.
    const tree = await page.locator("body").ariaSnapshot();
    for (const part of ['heading "gatepost"', 'heading "Routes"', 'heading "Last refusals"',
      'columnheader "Forwarded"', 'rowheader "/webhooks/stripe"', "status: live", 'combobox "Route"']) {
      assert.ok(tree.includes(part), `not told: ${part}\n${tree}`);
    }

    // The filter works, and without script too: it is a form.
    await page.goto(`${PAGE}?route=%2Fwebhooks%2Facme`);
    assert.equal(await page.locator("details", { hasText: "signature_mismatch" }).count(), 0);
    await page.goto(PAGE);
    await page.getByText("live", { exact: true }).waitFor();

    // Both grounds have enough contrast to be read: the text is not the ground.
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      const [text, ground] = await page.evaluate(() => {
        const style = getComputedStyle(document.body);
        return [style.color, style.backgroundColor].map((color) => color.match(/\d+/g).slice(0, 3).map(Number));
      });
      assert.ok(contrast(text, ground) > 7, `${colorScheme}: ${text} on ${ground}`);
    }

    // The picture of README.md; when it is made anew, with some minutes to show.
    const earlier = process.env.GATEPOST_BLESS ? await busy(gate) : 0;
    for (let count = 0; count < 12; count += 1) await github(gate, JSON.stringify({ ref: "main", count }));
    await github(gate, '{"ref":"main"}\n', secrets.GITHUB_OLD);
    await github(gate, JSON.stringify({ ref: "main", forged: true }), "MARKED-github-wrong");
    await page.emulateMedia({ colorScheme: "light" });
    await eventually("github", async () => (await cell(page, "github", 3)) === String(earlier + 13));
    const newest = page.locator("details", { hasText: "/webhooks/github" }).first();
    await newest.locator("summary").click();
    const picture = await page.screenshot({ animations: "disabled" });
    assert.ok(picture.length > 20000, "an empty picture");
    if (process.env.GATEPOST_BLESS) fs.writeFileSync(path.join(__dirname, "../../docs/page.png"), picture);

    // Which secret is in use is told by its name.
    const rotation = await page.locator("table").nth(1).innerText();
    assert.match(rotation, new RegExp(`2026\\s+${earlier + 12}\\s`), rotation);
    assert.match(rotation, /2025\s+1\s/, rotation);

    // Planted secrets are nowhere.
    const answers = [await page.content(), gate.log()];
    for (const where of ["/api/v1/status", "/api/v1/refusals", "/api/v1/config", "/ui/", "/ui/state"]) {
      answers.push((await request(ADMIN, { path: where })).text);
    }
    answers.push((await request(gate.at.health, { path: "/metrics" })).text);
    answers.forEach((text, index) => assert.doesNotMatch(text, MARK, `answer ${index}`));

    // Pages of others get nothing.
    for (const headers of [{ Host: "evil.example" }, { Origin: "http://evil.example" },
      { "Sec-Fetch-Site": "cross-site" }]) {
      assert.equal((await request(ADMIN, { path: "/ui/", headers })).status, 403, JSON.stringify(headers));
    }

    assert.deepEqual(problems, [], "errors in the console");

    // It says so when gatepost is gone, and recovers by itself.
    const gone = new Promise((resolve) => gate.on("exit", resolve));
    gate.kill("SIGKILL");
    await gone;
    await page.getByText("disconnected", { exact: true }).waitFor({ timeout: 5000 });
    problems.length = 0;
    gate = await start();
    await page.getByText("live", { exact: true }).waitFor({ timeout: 8000 });
    await eventually("a fresh count", async () => (await cell(page, "stripe", 3)) === "0");
    const serious = problems.filter((text) => !/ERR_(CONNECTION|INCOMPLETE)/.test(text));
    assert.deepEqual(serious, [], "errors in the console");
    console.log(`page: live after ${shown} ms, ${weight} bytes, ${((Date.now() - started) / 1000).toFixed(1)} s in all`);
  } finally {
    await browser.close();
    gate.kill();
    fs.rmSync(folder, { recursive: true });
  }
}

// Two and a half minutes of what comes in on a day: more, less, and some forgeries in between. Gives
// how many of them were GitHub's.
async function busy(gate) {
  let sent = 0;
  for (let column = 0; column < 15; column += 1) {
    const many = 6 + Math.round(5 * Math.sin(column / 2)) + (column % 3);
    for (let count = 0; count < many; count += 1) {
      const event = JSON.stringify({ id: `evt_${column}_${count}`, type: "payment_intent.succeeded" });
      await stripe(gate, event);
      if (count % 3 === 0) {
        await github(gate, JSON.stringify({ ref: "main", column, count }));
        sent += 1;
      }
    }
    if (column > 10) await stripe(gate, "{}", "MARKED-another-key");
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  }
  return sent;
}

// WCAG 2.2, contrast ratio.
function contrast(one, other) {
  const [dark, light] = [one, other].map((color) => {
    const [r, g, b] = color.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

// Every page of the dashboard in a browser: node dashboard.mjs MODULES BROWSER HTTP MQTT PICTURES GEMELLI DATA PID
import { spawn } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, browserName, http, mqtt, pictures, gemelli, data, pid] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(modules, path)).href);
const { chromium } = await load("playwright-core/index.mjs");
const mqttJs = (await load("mqtt/build/index.js")).default;

const PATIENCE_MS = 30_000;
let failures = 0;
async function check(name, run) {
  try {
    console.log(`ok ${name}${await run() ?? ""}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL ${name}: ${error.message}`);
  }
}
function want(what, wanted, found) {
  if (!wanted) throw new Error(`${what}: ${JSON.stringify(found)}`);
}

const browser = await chromium.launch({
  executablePath: browserName.startsWith("/") ? browserName : `/usr/bin/${browserName}`,
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
const page = await browser.newPage({ viewport: { width: 1360, height: 850 } });
page.setDefaultTimeout(PATIENCE_MS);
const foreign = [];
const errors = [];
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(http) && !url.startsWith("blob:") && !url.startsWith("data:")) foreign.push(url);
});
page.on("pageerror", (error) => errors.push(error.message));
let offline = false;
page.on("console", (message) => {
  if (message.type() === "error" && !offline) errors.push(message.text());
});
const go = (path) => page.goto(`${http}/#/${path}`);
const picture = (name) => page.screenshot({ path: join(pictures, `${name}.png`) });
const numberOf = async (locator) => Number((await locator.first().innerText()).replaceAll(",", ""));

await check("overview: figures live", async () => {
  await go("overview");
  await page.locator("[data-test=twins]").waitFor();
  want("more than 10,000 twins", (await numberOf(page.locator("[data-test=twins]"))) > 10_000);
  await page.waitForFunction(() => Number(document.querySelector("[data-test=rate]")?.textContent.replaceAll(",", "")) > 0);
  await picture("overview");
});

await check("twins: 10,000 in a list, few rows in the document", async () => {
  await go("twins");
  await page.waitForFunction(() => /^1\d,\d{3} of/.test(document.querySelector("[role=status]")?.textContent ?? ""));
  const rows = await page.locator("[role=row]").count();
  want("at most 200 rows", rows > 5 && rows <= 200, rows);
  await page.locator("[role=table]").evaluate((list) => list.scrollTo(0, list.scrollHeight));
  await page.getByText("point-09999", { exact: true }).waitFor();
  want("at most 200 rows at the end", (await page.locator("[role=row]").count()) <= 200);
  await page.getByRole("searchbox").fill("neighborhood-nb001");
  await page.getByRole("link", { name: "ngsi-ld-city-neighborhood-nb001" }).waitFor();
  want("the filter is in the address", page.url().includes("find=neighborhood-nb001"), page.url());
  await picture("twins");
  return ` (${rows} rows)`;
});

await check("twin: a value arrives after its MQTT message", async () => {
  await go("twins/point-00042");
  const level = page.locator("[data-test=level]");
  await level.getByText("42", { exact: false }).waitFor();
  const device = await mqttJs.connectAsync(`mqtt://${mqtt}`);
  await device.publishAsync("ktwin/real/point/point-00042", JSON.stringify({ level: 777.5 }), { qos: 1 });
  const start = performance.now();
  await level.getByText("777.5").waitFor();
  const took = performance.now() - start;
  await device.endAsync();
  want("texts stay texts", (await page.evaluate(() => window.hacked)) === undefined);
  want("the hostile text is shown", (await page.locator("[data-test=label]").innerText()).includes("<script>"));
  await picture("twin");
  return ` (${took.toFixed(0)} ms)`;
});

await check("twin: an edit is shown as a patch before it is sent", async () => {
  await page.getByRole("button", { name: "Edit" }).click();
  const text = page.getByRole("textbox");
  const now = JSON.parse(await text.inputValue());
  await text.fill(JSON.stringify({ ...now, label: "a place" }));
  want("one operation", JSON.parse(await page.locator("pre").first().innerText()).length === 1);
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("[data-test=label]").getByText("a place").waitFor();
});

await check("twin: roll-ups say where they come from, with history", async () => {
  await go("twins/ngsi-ld-city-neighborhood-nb001");
  await page.getByText("= max(airQualityIndex)").waitFor();
  await page.locator("canvas").first().waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll("p")].some((p) => /^[1-9]\d* values/.test(p.textContent ?? "")));
  await picture("neighbourhood");
});

await check("graph: a neighbourhood", async () => {
  await go("graph/ngsi-ld-city-neighborhood-nb001");
  await page.waitForFunction(() => /Graph of [1-9]\d twins/.test(document.querySelector("[role=img]")?.getAttribute("aria-label") ?? ""));
  await page.waitForTimeout(1000);
  await picture("graph");
});

await check("map: 10,000 points", async () => {
  await go("map?colour=level");
  await page.waitForFunction(() => Number(document.querySelector("[data-drawn]")?.getAttribute("data-drawn")) >= 10_000);
  await page.waitForTimeout(1500);
  await picture("map");
});

await check("models: members with what they inherit", async () => {
  await go("models/ngsi-ld-city-neighborhood");
  await page.getByText("= sum(congestedFlows)").waitFor();
  await page.getByRole("link", { name: "ngsi-ld-city-place" }).first().waitFor();
  await picture("models");
});

await check("models: what would change is shown before it does", async () => {
  await go("models?upload=1");
  await page.getByLabel("Manifests").fill("apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: { name: shed }\nspec: { properties: [ { name: open, schema: boolean } ] }\n");
  await page.getByRole("button", { name: "See what would change" }).click();
  await page.getByRole("cell", { name: "created" }).waitFor();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("link", { name: "shed" }).waitFor();
  await page.getByLabel("Manifests").fill("kind: Nothing");
  await page.getByRole("button", { name: "See what would change" }).click();
  await page.getByRole("alert").waitFor();
  await picture("upload");
});

await check("events: live, paused, opened", async () => {
  await go("events?category=real");
  await page.locator("tbody tr").nth(5).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.locator("tbody button").first().click();
  await page.getByRole("region", { name: /^Event / }).waitFor();
  await picture("events");
});

await check("dead letters: what could not be used, and why", async () => {
  const device = await mqttJs.connectAsync(`mqtt://${mqtt}`);
  await device.publishAsync("ktwin/real/point/point-00001", "{not json", { qos: 1 });
  await device.endAsync();
  await go("events?show=deadletters");
  await page.getByRole("cell", { name: "malformed-json" }).first().waitFor();
  await picture("deadletters");
});

await check("query: rows, a link to a twin, an error with its place", async () => {
  await go(`query?q=${encodeURIComponent("SELECT T.$dtId, T.level FROM DIGITALTWINS T WHERE T.level > 9997 AND IS_OF_MODEL(T, 'point')")}`);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("link", { name: "point-09998" }).waitFor();
  await picture("query");
  await go(`query?q=${encodeURIComponent("SELECT FROM")}`);
  await page.reload();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("alert").waitFor();
});

await check("keyboard and readers: every control has a name", async () => {
  for (const path of ["overview", "twins", "models", "events", "query", "map", "graph"]) {
    await go(path);
    await page.locator("main h1").first().waitFor();
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll("button, a[href], select, input, textarea")]
        .filter((element) => !(element.textContent?.trim() || element.getAttribute("aria-label") || element.getAttribute("title") || element.closest("label")))
        .map((element) => element.outerHTML.slice(0, 120)),
    );
    want(`names on ${path}`, nameless.length === 0, nameless);
  }
});

await check("dark", async () => {
  await page.emulateMedia({ colorScheme: "dark" });
  await go("overview");
  await page.locator("[data-test=twins]").waitFor();
  await picture("dark");
  await page.emulateMedia({ colorScheme: "light" });
});

// A refused query is a failed request, which browsers write to the console too.
const unexpected = errors.filter((text) => !/status of 4\d\d/.test(text));
await check("no request leaves the server, no script fails", async () => {
  want("foreign requests", foreign.length === 0, foreign);
  want("errors", unexpected.length === 0, unexpected);
});

await check("a server that is gone: said so, and live again by itself", async () => {
  await go("overview");
  await page.locator("[data-test=twins]").waitFor();
  offline = true;
  process.kill(Number(pid), "SIGKILL");
  await page.getByText("Not live.").waitFor();
  await picture("offline");
  const address = new URL(http).host;
  const again = spawn(gemelli, ["up", "--data", data, "--http", address, "--mqtt", "127.0.0.1:0"], { stdio: "ignore" });
  try {
    await page.getByText("Not live.").waitFor({ state: "detached" });
  } finally {
    again.kill("SIGKILL");
  }
});

await browser.close();
process.exit(failures === 0 ? 0 : 1);

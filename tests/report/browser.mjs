// What a browser makes of a page: node browser.mjs CHROMIUM FILE; the answer is JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [program, file, modules] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const address = pathToFileURL(file).href;
const browser = await chromium.launch({ executablePath: program, chromiumSandbox: false });
const found = [];
for (const [width, colorScheme] of [[1280, "light"], [1280, "dark"], [360, "light"], [360, "dark"]]) {
  const context = await browser.newContext({ viewport: { width, height: 760 }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  const said = [], asked = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(address);
  const [wide, back] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    getComputedStyle(document.body).backgroundColor,
  ]);
  // A runbook is shown to who follows the link of its metric.
  const link = page.locator("#health a[href^='#runbook-']").first();
  const target = (await link.count()) ? await link.getAttribute("href") : null;
  if (target) await link.click();
  const opened = target ? await page.locator(target).isVisible() : null;
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  const opened_wide = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  found.push({
    width, colorScheme, said, back, opened, asked: asked.filter((each) => each !== address),
    wide: Math.max(wide, opened_wide), checked: passes.length,
    violations: violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target).join(" ")}`),
  });
  await context.close();
}
await browser.close();
console.log(JSON.stringify(found));

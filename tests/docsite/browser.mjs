// What a browser makes of the site: node browser.mjs CHROMIUM ADDRESS MODULES PAGE...; the answer is JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [program, address, modules, ...pages] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: program, chromiumSandbox: false });
const found = [];
for (const [width, colorScheme] of [[1280, "light"], [360, "dark"]]) {
  const context = await browser.newContext({ viewport: { width, height: 760 }, colorScheme, reducedMotion: "reduce" });
  for (const name of pages) {
    const page = await context.newPage();
    const said = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("requestfailed", (request) => said.push(`failed: ${request.url()}`));
    page.on("request", (request) => request.url().startsWith(address) || said.push(`asked: ${request.url()}`));
    await page.goto(`${address}${name}`, { waitUntil: "networkidle" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    // A diagram is drawn into a closed shadow tree, in the place of its text.
    const undrawn = await page.locator("pre.mermaid").count();
    const drawn = await page.locator("div.mermaid").count();
    await page.evaluate(axe);
    // Of the text, which is ours; a code block's buttons and the frame of a table in it are the theme's.
    const rules = { "landmark-unique": { enabled: false }, "scrollable-region-focusable": { enabled: false } };
    const { violations } = await page.evaluate((rules) => globalThis.axe.run("article", { rules }), rules);
    found.push({
      name, width, said, wide, undrawn, drawn,
      violations: violations.map((each) => `${each.id}: ${each.nodes.slice(0, 3).map((node) => node.target).join(" ")}`),
    });
    await page.close();
  }
  await context.close();
}
// As somebody searches on a phone.
const page = await browser.newPage({ viewport: { width: 360, height: 760 } });
await page.goto(`${address}index.html`, { waitUntil: "networkidle" });
await page.locator("label[for=__search]").first().click();
await page.locator("input[name=query]").pressSequentially("restore-drill");
const result = page.locator(".md-search-result__link").first();
await result.waitFor();
await result.click();
await page.waitForLoadState("networkidle");
const searched = { url: page.url(), text: await page.locator("article").innerText() };
await browser.close();
console.log(JSON.stringify({ found, searched }));

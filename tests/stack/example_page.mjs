// Two people at the page of the example app: node example_page.mjs CHROMIUM ADDRESS MODULES; SCAN is the operator's
// command. The answer is JSON: what each saw, and what the browsers said.
import { execSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [program, address, modules] = process.argv.slice(2);
const { SCAN } = process.env;
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const EVIL = '<img src=x onerror="document.title=1">';
const run = Date.now().toString(36);
const found = { said: [], violations: [], wide: [] };

const browser = await chromium.launch({ executablePath: program, chromiumSandbox: false });

async function person(name, viewport) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => found.said.push(`${name}: ${message.text()}`));
  page.on("pageerror", (error) => found.said.push(`${name}: ${error}`));
  const email = `${name}.${run}@example.org`;
  await page.goto(address);
  await page.getByLabel("Address", { exact: true }).fill(email);
  await page.getByRole("button", { name: "Sign in by the provider" }).click();
  await page.getByText(email).waitFor();
  return { name, page, email, width: viewport.width };
}

async function looked({ name, page, width }, at) {
  found.wide.push((await page.evaluate(() => document.documentElement.scrollWidth)) - width);
  // By the protocol, since the page's policy forbids `eval`.
  const session = await page.context().newCDPSession(page);
  const evaluate = (expression) =>
    session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  await evaluate(axe);
  const { result } = await evaluate(
    "axe.run().then(({ violations }) => violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`))",
  );
  await session.detach();
  found.violations.push(...result.value.map((each) => `${name} ${at}: ${each}`));
}

const text = ({ page }, number) => page.getByLabel(`Text ${number}`, { exact: true });
const says = ({ page }, number, value) =>
  page.waitForFunction(
    ([label, wanted]) => {
      return document.querySelector(`textarea[aria-label="${label}"]`)?.value === wanted;
    },
    [`Text ${number}`, value],
  );
const status = ({ page }, wanted) => page.locator("#status", { hasText: wanted }).waitFor();

const ada = await person("ada", { width: 1280, height: 800 });
const bob = await person("bob", { width: 360, height: 760 });
await looked(bob, "empty");

// Ada makes a project and shares it.
await ada.page.getByLabel("New project", { exact: true }).fill(`Plan ${EVIL}`);
await ada.page.getByRole("button", { name: "Make" }).click();
await ada.page.getByRole("heading", { name: "Plan" }).waitFor();
await ada.page.getByLabel("New text", { exact: true }).fill(EVIL);
await ada.page.getByRole("button", { name: "Add", exact: true }).click();
await says(ada, 1, EVIL);
await ada.page.getByLabel("Share with the address", { exact: true }).fill(bob.email);
await ada.page.getByLabel("Role", { exact: true }).selectOption("editor");
await ada.page.getByRole("button", { name: "Share" }).click();
await status(ada, "Invited");

// Bob accepts, and sees what Ada does from then on.
await bob.page.reload();
await bob.page.getByRole("button", { name: "Accept" }).click();
await says(bob, 1, EVIL);
await text(ada, 1).fill("from Ada");
await ada.page.getByRole("button", { name: "Save" }).click();
await says(bob, 1, "from Ada");
found.markup = await bob.page.locator("img").count();
found.title = await bob.page.title();

// Both write the same text; who is late is shown both.
await text(bob, 1).fill("from Bob");
await text(ada, 1).fill("Ada again");
await ada.page.getByRole("button", { name: "Save" }).click();
await bob.page.getByText("Meanwhile it says: Ada again").waitFor();
await bob.page.getByRole("button", { name: "Save" }).click();
await status(bob, "isn't saved yet");
found.kept = await text(bob, 1).inputValue();
await bob.page.getByRole("button", { name: "Save" }).click();
await says(ada, 1, "from Bob");
await bob.page.getByLabel("New text", { exact: true }).fill("second");
await bob.page.getByRole("button", { name: "Add", exact: true }).click();
await says(ada, 2, "second");
await ada.page.getByRole("button", { name: "Up" }).nth(1).click();
await says(bob, 1, "second");

// A recording, its scan, and the verdict at Bob's.
const sound = Buffer.alloc(44 + 800, 128);
Buffer.from("524946464403000057415645666d74201000000001000100401f0000401f0000010008006461746120030000", "hex").copy(
  sound,
);
await ada.page
  .getByLabel("New recording", { exact: true })
  .setInputFiles({ name: "tone.wav", mimeType: "audio/wav", buffer: sound });
await ada.page.getByRole("button", { name: "Upload" }).click();
await bob.page.getByText("tone.wav: pending").waitFor();
found.early = await bob.page.locator("audio").count();
execSync(SCAN, { stdio: "ignore" });
await bob.page.getByText("tone.wav: clean").waitFor();
found.late = await bob.page.locator("audio").count();
found.played = await bob.page.locator("audio").evaluate(
  (audio) =>
    new Promise((resolve) => {
      audio.addEventListener("loadedmetadata", () => resolve(audio.duration));
      audio.addEventListener("error", () => resolve(audio.error.message));
      audio.load();
      audio.preload = "metadata";
    }),
);

await ada.page.getByLabel("Search", { exact: true }).fill("nowhere");
await ada.page.waitForFunction(() => !document.querySelector("#list li"));
await ada.page.getByLabel("Search", { exact: true }).fill("plan");
await ada.page.locator("#list li").waitFor();
await looked(ada, "project");
await looked(bob, "project");

// Ada takes her data along and leaves; Bob's project is gone.
await ada.page.getByRole("button", { name: "Export my data" }).click();
found.exported = await ada.page.getByRole("link", { name: /export-.*\.zip/ }).getAttribute("href");
await ada.page.getByRole("button", { name: "Delete my account" }).click();
await looked(ada, "dialog");
await ada.page.keyboard.press("Escape");
await ada.page.getByRole("button", { name: "Delete my account" }).click();
await ada.page.getByLabel("Your address, to go on", { exact: true }).fill(ada.email);
await ada.page.getByRole("button", { name: "Delete", exact: true }).last().click();
await ada.page.getByRole("heading", { name: "Sign in" }).waitFor();
await status(bob, "The project is gone");
found.open = await bob.page.locator("#project").isVisible();
await bob.page.getByRole("button", { name: "Sign out" }).click();
await bob.page.getByRole("heading", { name: "Sign in" }).waitFor();
await looked(bob, "signed-out");
await browser.close();
console.log(JSON.stringify(found));

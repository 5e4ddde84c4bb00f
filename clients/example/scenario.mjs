/** The whole story, each step with a tick: node scenario.mjs; status 0, or 1 where a step has failed. */
import { Browser } from "./browser.mjs";
import { start } from "./running.mjs";
import { account } from "./story/account.mjs";
import { canvas } from "./story/canvas.mjs";
import { recordings } from "./story/recordings.mjs";
import { sharing } from "./story/sharing.mjs";

const STEPS = [...sharing, ...canvas, ...recordings, ...account];

/** Ada owns, Bob is invited, Cara is a stranger, Dan's address is proved by nothing; new people at each run. */
async function world() {
  const links = new Map();
  const app = await start({ send: ({ identifier, url }) => links.set(identifier, url) });
  const run = Date.now().toString(36);
  const address = (name) => `${name}.${run}@example.org`;
  const person = (name) => ({ name, address: address(name), browser: new Browser(app.origin, app.environment) });
  const people = Object.fromEntries(["ada", "bob", "cara"].map((name) => [name, person(name)]));
  return { ...people, dan: { ...person("dan"), address: address("unverified.dan") }, app, links, run };
}

/** Deletes the accounts that the run has left. */
async function clear({ ada, bob, cara, dan, ada2 }) {
  for (const each of [ada, bob, cara, dan, ada2]) {
    if (!each || !(await each.browser.session())) continue;
    const { status } = await each.browser.server("POST", "/api/account/delete", { address: each.address });
    if (status !== 200) throw new Error(`the account ${each.address} is left: status ${status}`);
  }
}

async function run() {
  const state = await world();
  try {
    try {
      await tell(state);
    } catch (error) {
      // What stood in the way comes before what clearing says.
      await clear(state).catch((left) => console.error(`error: ${left.message}`));
      throw error;
    }
    await clear(state);
  } finally {
    await state.app.close();
  }
}

async function tell(state) {
  for (const [text, step] of STEPS) {
    try {
      await step(state);
    } catch (error) {
      console.log(`✗ ${text}`);
      throw error;
    }
    console.log(`✓ ${text}`);
  }
}

try {
  await run();
} catch (error) {
  console.error(`error: ${process.env.VERBOSE ? error.stack : error.message.replace(/\s+/g, " ")}`);
  process.exitCode = 1;
}

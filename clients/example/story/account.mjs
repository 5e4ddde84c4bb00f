/** What a person may use, take along, and leave behind. */
import assert from "node:assert/strict";

import { found, refused, until } from "../checks.mjs";
import { unzip } from "../zip.mjs";

const tokens = async ({ api }) => (await found(api.rpc("my_budget"))).find((each) => each.measure === "tokens");

async function budget({ ada, bob, project }) {
  const before = await tokens(ada);
  assert.equal(before.used, 0);
  const ask = (given) =>
    ada.browser.server("POST", "/api/generations", { project, prompt: "Write a poem about a lighthouse", ...given });
  const done = await ask({});
  assert.deepEqual([done.status, done.body.became], [200, "succeeded"]);
  const after = await tokens(ada);
  assert.deepEqual([after.used, after.reserved], [done.body.tokens, 0]);
  const over = await ask({ most: after.hard });
  assert.deepEqual([over.status, over.body.code], [402, "PT402"]);
  assert.deepEqual(await tokens(ada), after);
  const rows = await found(bob.api.from("prompt_generations").select("status, response").eq("project_id", project));
  assert.deepEqual(rows, [{ status: "succeeded", response: done.body.answer }]);
  assert.equal((await tokens(bob)).used, 0);
  await refused(ada.api.from("prompt_generations").update({ cost: 0 }).eq("project_id", project), "42501");
}

async function takeOut(state) {
  const { ada, bob, project } = state;
  const members = ada.api.from("collaborators").delete().eq("project_id", project).eq("user_id", bob.id).select("id");
  assert.equal((await found(members)).length, 1);
  await until(() => state.atBob.over, "the end of Bob's stream");
  assert.equal(state.atBob.heard.at(-1).event, "gone");
  assert.deepEqual(await found(bob.api.from("project_components").select("id").eq("project_id", project)), []);
  assert.equal((await bob.browser.listen(project)).status, 404);
}

async function exportAll({ ada, bob, project, secret, recording, harmful, sound }) {
  assert.equal((await ada.browser.server("POST", "/api/exports", {})).status, 200);
  const [{ name, url }] = (await ada.browser.server("GET", "/api/exports")).body;
  const download = (person) => person.api.storage.from("exports").download(name);
  assert.deepEqual([(await download(ada)).error, Boolean((await download(bob)).error)], [null, true]);
  const files = unzip(Buffer.from(await (await fetch(url)).arrayBuffer()));
  const table = (of) => JSON.parse(files.get(`tables/${of}.json`));
  assert.deepEqual(
    table("next_auth.users").map((each) => each.email),
    [ada.address],
  );
  assert.deepEqual(
    table("public.projects")
      .map((each) => each.id)
      .sort(),
    [project, secret].sort(),
  );
  assert.equal(table("public.project_components").length, 3);
  assert.equal(table("public.prompt_generations")[0].prompt, "Write a poem about a lighthouse");
  assert.equal(table("public.audio_recordings").length, 2);
  assert.deepEqual(files.get(`files/audio/${recording}`), sound);
  const { left_out } = JSON.parse(files.get("manifest.json"));
  assert.deepEqual(left_out, [{ bucket: "audio", name: harmful, reason: "found harmful" }]);
  assert.doesNotMatch([...files.values()].map(String).join(), /access_token":\s*"[^"]|sessionToken":\s*"/);
}

async function leave(state) {
  const { ada, project, secret } = state;
  const kept = (await ada.browser.session()).supabaseAccessToken;
  const wrong = await ada.browser.server("POST", "/api/account/delete", { address: "bob@example.org" });
  assert.equal(wrong.status, 400);
  assert.equal((await ada.browser.server("POST", "/api/account/delete", { address: ada.address })).status, 200);
  assert.equal(await ada.browser.session(), null);
  assert.equal((await ada.browser.server("GET", "/api/exports")).status, 401);
  const headers = { apikey: state.app.environment.key, authorization: `Bearer ${kept}` };
  for (const table of ["users", "projects", "project_components", "audio_recordings", "prompt_generations"]) {
    const answer = await fetch(`${state.app.environment.url}/rest/v1/${table}?select=id`, { headers });
    assert.deepEqual([answer.status, await answer.json()], [200, []]);
  }
  const body = JSON.stringify({ title: "late" });
  const made = await fetch(`${state.app.environment.url}/rest/v1/rpc/create_project`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body,
  });
  assert.ok([403, 409].includes(made.status), String(made.status));
  await until(() => state.atAda.over, "the end of Ada's stream");
  state.gone = [project, secret];
}

async function comeBack(state) {
  const { ada, gone, app } = state;
  const browser = new ada.browser.constructor(app.origin, app.environment);
  assert.doesNotMatch(await browser.signIn(ada.address), /error/);
  state.ada2 = { browser, address: ada.address };
  assert.notEqual((await browser.session()).user.id, ada.id);
  assert.deepEqual(await found(browser.supabase().from("projects").select("id").in("id", gone)), []);
}

export const account = [
  ["a generation is answered and counted; one beyond the budget is refused with PT402", budget],
  ["Ada takes Bob out: his stream ends, and he reads nothing more", takeOut],
  ["Ada's export has all of her data, for her alone", exportAll],
  ["Ada deletes her account: no session, and a token from before reads and writes nothing", leave],
  ["the same address signs in as somebody new", comeBack],
];

/** A recording from the form to the ear of somebody else. */
import assert from "node:assert/strict";

import { command, found, send, until, wav } from "../checks.mjs";

const HARMFUL = 2;
// A file that every scanner of this project finds harmful, in two parts, so that this file isn't one.
const SIGNATURE = "VISUAL-PROMPT-BUILDER" + "-SCANNER-TEST-FILE";
const SCAN = process.env.SCAN ?? "./vpb scan";

const listed = async ({ browser }, project) => (await browser.server("GET", `/api/recordings?project=${project}`)).body;

async function upload({ browser, api }, project, title, bytes, beforehand = async () => {}) {
  const form = await browser.server("POST", "/api/uploads", { project, type: "audio/wav", size: bytes.length });
  assert.equal(form.status, 200, form.body.message);
  assert.equal(await send(form.body, bytes), 204);
  const { name, version } = form.body;
  await beforehand({ project, name, version });
  const finished = await browser.server("POST", "/api/uploads/finish", { project, name, version });
  assert.deepEqual([finished.status, finished.body], [200, { name, size: bytes.length }]);
  await found(api.from("audio_recordings").insert({ project_id: project, object_path: name, title }));
  return name;
}

async function record(state) {
  const { ada, bob, project } = state;
  state.sound = wav();
  // What Ada has stored is hers to take over.
  const byBob = async (form) =>
    assert.equal((await bob.browser.server("POST", "/api/uploads/finish", form)).status, 400);
  state.recording = await upload(ada, project, "a second of silence", state.sound, byBob);
  const row = await found(
    bob.api.from("audio_recordings").select("bytes, mime_type, scan_status").eq("project_id", project).single(),
  );
  assert.deepEqual(row, { bytes: state.sound.length, mime_type: "audio/wav", scan_status: "pending" });
}

async function wrongFiles({ ada, project }) {
  const ask = (given) =>
    ada.browser.server("POST", "/api/uploads", { project, type: "audio/wav", size: 100, ...given });
  assert.equal((await ask({ type: "text/html" })).status, 400);
  assert.equal((await ask({ size: 10 ** 12 })).status, 400);
  const { body: form } = await ask({});
  assert.notEqual(await send(form, wav(), { ...form.fields, "Content-Type": "text/html" }), 204);
  assert.equal(form.largest, 100);
  assert.notEqual(await send(form, wav()), 204);
  // Of what was never stored nothing is taken over.
  const { name, version } = form;
  assert.equal((await ada.browser.server("POST", "/api/uploads/finish", { project, name, version })).status, 400);
}

async function unscanned({ ada, bob, cara, project, recording }) {
  assert.deepEqual(
    (await listed(ada, project)).map((each) => each.name),
    [recording],
  );
  assert.equal((await ada.api.storage.from("audio").download(recording)).error, null);
  for (const person of [bob, cara]) {
    assert.deepEqual(await listed(person, project), []);
    assert.ok((await person.api.storage.from("audio").download(recording)).error);
  }
}

async function scan(state) {
  const { ada, bob, cara, project, recording, sound } = state;
  state.harmful = await upload(ada, project, "harmful", wav(SIGNATURE));
  assert.equal(await command(SCAN), HARMFUL);
  const rows = await found(
    bob.api.from("audio_recordings").select("object_path, scan_status").eq("project_id", project),
  );
  const status = Object.fromEntries(rows.map((each) => [each.object_path, each.scan_status]));
  assert.deepEqual(status, { [recording]: "clean", [state.harmful]: "infected" });
  const [{ url }, ...rest] = await listed(bob, project);
  assert.deepEqual(rest, []);
  assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), sound);
  assert.deepEqual(
    (await listed(ada, project)).map((each) => each.name),
    [recording],
  );
  assert.deepEqual(await listed(cara, project), []);
  await until(
    () => state.atBob.heard.some((each) => JSON.stringify(each.data).includes("audio_recordings")),
    "the verdict at Bob",
  );
}

async function transcript({ ada, bob, cara, project }) {
  await found(
    ada.api
      .from("audio_recordings")
      .update({ transcript: "the sound of zephyrs" })
      .eq("title", "a second of silence")
      .eq("project_id", project),
  );
  const search = async (person) => (await found(person.api.rpc("search_recordings", { query: "zephyrs" }))).length;
  assert.deepEqual([await search(ada), await search(bob), await search(cara)], [1, 1, 0]);
}

export const recordings = [
  ["Ada uploads a recording by a signed form, which Bob can't take over; he sees its row", record],
  ["a file of another type, a larger one and one that wasn't sent are refused", wrongFiles],
  ["before its scan it is served to Ada alone", unscanned],
  ["scanned clean, Bob hears it; a harmful one is served to nobody", scan],
  ["its transcript is found by those who may read it", transcript],
];

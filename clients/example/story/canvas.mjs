/** Two clients at one canvas, and what they hear of each other. */
import assert from "node:assert/strict";

import { found, refused, until } from "../checks.mjs";

const heardOf = (stream) => stream.heard.filter((each) => each.event === "changes").flatMap((each) => each.data);

async function listen(state) {
  const { ada, bob, project, secret } = state;
  state.atBob = await bob.browser.listen(project);
  state.atAda = await ada.browser.listen(secret);
  const { id } = await found(
    ada.api.from("project_components").insert({ project_id: project, kind: "text" }).select("id").single(),
  );
  const hidden = await found(
    ada.api.from("project_components").insert({ project_id: secret, kind: "text" }).select("id").single(),
  );
  await until(() => heardOf(state.atAda).some((each) => each.id === hidden.id), "Ada's component at Ada");
  await until(() => heardOf(state.atBob).some((each) => each.id === id), "Ada's component at Bob");
  const change = heardOf(state.atBob).find((each) => each.id === id);
  assert.deepEqual(change, { table: "project_components", kind: "insert", id });
  // Of two commits the later one has arrived, and of the other project nothing.
  assert.ok(!JSON.stringify(state.atBob.heard).includes(hidden.id));
}

async function editAtOnce(state) {
  const { ada, bob, project } = state;
  const read = (person) =>
    found(
      person.api
        .from("project_components")
        .select("id, properties, revision")
        .eq("project_id", project)
        .eq("title", "first")
        .single(),
    );
  const write = (person, seen, text) =>
    person.api
      .from("project_components")
      .update({ properties: { text }, revision: seen.revision })
      .eq("id", seen.id)
      .select("revision")
      .single();
  const [hers, his] = await Promise.all([read(ada), read(bob)]);
  const answers = await Promise.all([write(ada, hers, "Hello from Ada"), write(bob, his, "Hello from Bob")]);
  assert.deepEqual(answers.map(({ error }) => error?.code ?? "ok").sort(), ["PT409", "ok"]);
  const [late, lateText] = answers[0].error ? [ada, "Ada"] : [bob, "Bob"];
  const now = await read(late);
  assert.notEqual(now.revision, hers.revision);
  const merged = await found(write(late, now, `${now.properties.text} and ${lateText}`));
  assert.equal(merged.revision, now.revision + 1);
  const { properties } = await read(ada);
  for (const name of ["Ada", "Bob"]) assert.match(properties.text, new RegExp(name));
  await refused(bob.api.from("project_components").update({ properties: {} }).eq("id", now.id), "PT428");
}

async function order({ ada, bob, project }) {
  const read = () => found(bob.api.from("project_components").select("id").eq("project_id", project).order("position"));
  const [first, second] = await read();
  await Promise.all([
    found(bob.api.rpc("move_component", { component: first.id, after: second.id })),
    found(ada.api.from("project_components").update({ x: 40, y: 80 }).eq("id", first.id)),
  ]);
  assert.deepEqual(
    (await read()).map((each) => each.id),
    [second.id, first.id],
  );
  await refused(bob.api.from("project_components").update({ position: "1" }).eq("id", first.id), "42501");
}

async function search({ ada, bob, cara, project, run }) {
  const found_by = async (person, query) =>
    (await found(person.api.rpc("search_projects", { query }))).map((each) => each.id);
  for (const person of [ada, bob]) assert.deepEqual(await found_by(person, `lighthouse${run}`), [project]);
  assert.deepEqual(await found_by(ada, "lightho"), [project]);
  assert.deepEqual(await found_by(cara, `lighthouse${run}`), []);
}

export const canvas = [
  ["Bob hears of Ada's change in the project, and of none in another one of hers", listen],
  ["both edit one text at once: one is refused as stale, reads again and merges", editAtOnce],
  ["one moves a component while the other drags it; a place isn't theirs to write", order],
  ["a search finds the project for those who may read it", search],
];

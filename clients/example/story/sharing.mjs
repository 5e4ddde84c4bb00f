/** Who comes in, and who sees whose project. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";

import { found, refused } from "../checks.mjs";

const fine = (location) => assert.doesNotMatch(location, /error/);

async function signIn({ ada, bob, cara, dan, links, app }) {
  assert.equal((await ada.browser.server("GET", "/api/exports")).status, 401);
  for (const person of [ada, bob, dan]) fine(await person.browser.signIn(person.address));
  await cara.browser.askForLink(cara.address);
  fine(await cara.browser.follow(links.get(cara.address)));
  for (const person of [ada, bob, cara, dan]) {
    const session = await person.browser.session();
    assert.equal(session.user.email, person.address);
    const claims = JSON.parse(Buffer.from(session.supabaseAccessToken.split(".")[1], "base64url"));
    assert.deepEqual([claims.sub, claims.role], [session.user.id, "authenticated"]);
    Object.assign(person, { id: session.user.id, api: person.browser.supabase() });
  }
  const forged = {
    headers: {
      apikey: app.environment.key,
      authorization: `Bearer ${(await ada.browser.session()).supabaseAccessToken}x`,
    },
  };
  assert.equal((await fetch(`${app.environment.url}/rest/v1/projects`, forged)).status, 401);
  // Sign-in links lead where the request came to: never to a host that it names.
  const { hostname, port } = new URL(app.origin);
  const asked = request({ hostname, port, path: "//evil.example/auth/csrf" }).end();
  const [answer] = await once(asked, "response");
  answer.resume();
  assert.equal(answer.statusCode, 400);
}

async function makeProject(state) {
  const { ada, run } = state;
  const components = [{ kind: "text", title: "first", properties: { text: "Hello" } }];
  state.project = await found(ada.api.rpc("create_project", { title: `Lighthouse${run}`, components }));
  state.secret = await found(ada.api.rpc("create_project", { title: "Only Ada's" }));
  const rows = await found(
    ada.api.from("project_components").select("title, properties").eq("project_id", state.project),
  );
  assert.deepEqual(rows, [{ title: "first", properties: { text: "Hello" } }]);
}

async function keepOut({ cara, project }) {
  for (const [table, column] of [
    ["projects", "id"],
    ["project_components", "project_id"],
    ["collaborators", "project_id"],
  ]) {
    assert.deepEqual(await found(cara.api.from(table).select().eq(column, project)), []);
  }
  assert.deepEqual(await found(cara.api.from("projects").update({ title: "mine" }).eq("id", project).select("id")), []);
  await refused(cara.api.from("project_components").insert({ project_id: project, kind: "text" }), "42501");
  const own = { project_id: project, user_id: cara.id, role: "admin" };
  await refused(cara.api.from("collaborators").insert(own), "42501");
  assert.equal((await cara.browser.listen(project)).status, 404);
  const form = { project, type: "audio/wav", size: 100 };
  assert.equal((await cara.browser.server("POST", "/api/uploads", form)).status, 403);
}

async function share({ ada, bob, cara, dan, project }) {
  for (const { address } of [bob, dan]) {
    await found(ada.api.from("collaborators").insert({ project_id: project, email: address, role: "viewer" }));
  }
  assert.deepEqual(await found(bob.api.from("projects").select("id").eq("id", project)), []);
  const invitations = await found(bob.api.rpc("my_invitations"));
  assert.deepEqual(
    invitations.map((each) => [each.project_id, each.role]),
    [[project, "viewer"]],
  );
  // The provider doesn't say of Dan's address that it is his, and Cara's is another one.
  for (const person of [dan, cara]) assert.deepEqual(await found(person.api.rpc("my_invitations")), []);
  await refused(cara.api.rpc("accept_invitation", { invitation: invitations[0].id }), "PT404");
  assert.equal(await found(bob.api.rpc("accept_invitation", { invitation: invitations[0].id })), project);
  assert.equal((await found(bob.api.from("projects").select("id").eq("id", project))).length, 1);
}

async function viewerReads({ ada, bob, project, secret }) {
  const [component] = await found(bob.api.from("project_components").select().eq("project_id", project));
  assert.equal(component.title, "first");
  await refused(bob.api.from("project_components").insert({ project_id: project, kind: "text" }), "42501");
  const renamed = bob.api.from("project_components").update({ title: "Bob's" }).eq("id", component.id).select("id");
  assert.deepEqual(await found(renamed), []);
  await refused(bob.api.from("collaborators").insert({ project_id: project, email: "eve@example.org" }), "42501");
  assert.equal((await bob.browser.server("POST", "/api/generations", { project, prompt: "?" })).status, 403);
  assert.deepEqual(await found(bob.api.from("projects").select("id").eq("id", secret)), []);
  await found(ada.api.from("collaborators").update({ role: "editor" }).eq("project_id", project).eq("user_id", bob.id));
}

export const sharing = [
  ["Ada, Bob and Dan sign in by a provider, Cara by a link; a forged token is refused", signIn],
  ["Ada makes a project", makeProject],
  ["a stranger reads nothing of it, writes nothing, hears nothing", keepOut],
  ["Ada shares it by address; it is Bob's who proved the address, and nobody else's", share],
  ["Bob, a viewer, reads and changes nothing; Ada makes him an editor", viewerReads],
];

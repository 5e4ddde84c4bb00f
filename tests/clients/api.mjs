// What people and visitors reach by supabase-js through PostgREST, as the app does: CLIENT holds the address, tokens by
// name and Ada's and Bob's ids. Ada and Bob have a private, a public and an archived public project each.
import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { test } from "node:test"

import "./gateway.mjs"
import { createClient } from "@supabase/supabase-js"

const { url, tokens, ada, bob } = JSON.parse(process.env.CLIENT)
const as = (name, schema = "public") => createClient(url, tokens[name], { db: { schema }, auth: { persistSession: false } })
const anon = as("anon")
const people = { ada: as("ada"), bob: as("bob") }
const service = as("service")

const found = async (request) => {
  const { data, error } = await request
  assert.equal(error, null, error?.message)
  return data
}
const refused = async (request, code) => {
  const { data, error } = await request
  assert.equal(error?.code, code, `${error?.message ?? "no error"}, ${JSON.stringify(data)}`)
}
const titles = async (client) =>
  (await found(client.from("projects").select("title, owner_id"))).map((row) => `${row.owner_id === ada ? "a" : "b"} ${row.title}`).sort()

test("a visitor reads public projects that are in use", async () => {
  assert.deepEqual(await titles(anon), ["a public", "b public"])
})

test("a person reads all of their own and what is public of others", async () => {
  assert.deepEqual(await titles(people.ada), ["a archived", "a private", "a public", "b public"])
  assert.deepEqual(await titles(people.bob), ["a public", "b archived", "b private", "b public"])
})

test("the app's servers read everything", async () => {
  assert.equal((await titles(service)).length, 6)
})

test("a visitor reads no profiles, writes nothing and calls nothing that is people's", async () => {
  await refused(anon.from("users").select(), "42501")
  await refused(anon.from("projects").insert({ owner_id: ada, title: "x" }), "42501")
  await refused(anon.rpc("create_project", { title: "x" }), "42501")
  assert.equal((await found(anon.rpc("search_projects", { query: "public" }))).length, 2)
})

test("a person reads and changes their own profile, and nobody else's", async () => {
  assert.deepEqual(await found(people.ada.from("users").select("id, display_name")), [{ id: ada, display_name: "Ada" }])
  const changed = people.ada.from("users").update({ locale: "de" })
  assert.equal((await found(changed.eq("id", ada).select("locale"))).length, 1)
  assert.deepEqual(await found(people.ada.from("users").update({ locale: "fr" }).eq("id", bob).select("id")), [])
  assert.deepEqual(await found(service.from("users").select("locale").eq("id", bob)), [{ locale: "en" }])
})

test("columns that aren't a person's to write are refused", async () => {
  await refused(people.ada.from("users").update({ created_at: new Date().toISOString() }).eq("id", ada), "42501")
  await refused(people.ada.from("projects").update({ owner_id: bob }).eq("owner_id", ada), "42501")
})

test("a row that was read is upserted back by servers; people send what they change", async () => {
  const project = await found(people.ada.rpc("create_project", { title: "kept", components: [{ kind: "text", title: "x" }] }))
  for (const [table, key, change] of [["projects", "id", { title: "new" }], ["project_components", "project_id", { title: "y" }]]) {
    const rows = await found(people.ada.from(table).select("*").eq(key, project))
    assert.equal(rows.length, 1)
    assert.equal((await found(service.from(table).upsert(rows).select("id"))).length, 1)
    await refused(people.ada.from(table).upsert(rows), "42501")
    assert.equal((await found(people.ada.from(table).update(change).eq(key, project).select("id"))).length, 1)
  }
  const profiles = await found(people.ada.from("users").select("*"))
  assert.equal((await found(service.from("users").upsert(profiles).select("id"))).length, 1)
  await found(people.ada.from("projects").delete().eq("id", project))
})

test("nobody makes a project in another's name", async () => {
  await refused(people.ada.from("projects").insert({ owner_id: bob, title: "x" }), "42501")
})

test("a person makes, copies, finds and deletes a project by functions", async () => {
  const title = `Quokka ${randomUUID()}`
  const components = [{ kind: "text", title: "first" }]
  const made = await found(people.ada.rpc("create_project", { title, components }))
  const copy = await found(people.ada.rpc("duplicate_project", { project: made }))
  const parts = await found(people.ada.from("project_components").select("title").in("project_id", [made, copy]))
  assert.deepEqual(parts, [{ title: "first" }, { title: "first" }])
  assert.equal((await found(people.ada.rpc("search_projects", { query: "quokka" }))).length, 2)
  assert.deepEqual(await found(people.bob.rpc("search_projects", { query: "quokka" })), [])
  assert.deepEqual(await found(people.bob.from("projects").delete().eq("id", made).select("id")), [])
  assert.equal((await found(people.ada.from("projects").delete().in("id", [made, copy]).select("id"))).length, 2)
})

test("nobody copies a project that they can't see", async () => {
  const [{ id }] = await found(service.from("projects").select("id").match({ owner_id: bob, title: "private" }))
  await refused(people.ada.rpc("duplicate_project", { project: id }), "PT404")
})

test("an invitation counts once it is accepted, and only for anyone who was invited", async () => {
  const project = await found(people.ada.rpc("create_project", { title: "shared" }))
  const seen = () => found(people.bob.from("projects").select("id").eq("id", project))
  const invited = { project_id: project, user_id: bob, role: "viewer", invited_by: ada }
  await found(people.ada.from("collaborators").insert(invited))
  assert.deepEqual(await seen(), [])
  const [{ id }] = await found(people.bob.rpc("my_invitations"))
  const { error } = await people.ada.rpc("accept_invitation", { invitation: id })
  assert.notEqual(error, null)
  await found(people.bob.rpc("accept_invitation", { invitation: id }))
  assert.deepEqual(await seen(), [{ id: project }])
  assert.deepEqual(await found(people.bob.from("projects").update({ title: "mine" }).eq("id", project).select()), [])
  await found(people.ada.from("projects").delete().eq("id", project))
})

test("Auth.js' tables are the servers' alone", async () => {
  for (const name of ["anon", "ada"]) await refused(as(name, "next_auth").from("accounts").select(), "42501")
  assert.ok(Array.isArray(await found(as("service", "next_auth").from("users").select("id").limit(1))))
})

test("schemas that aren't exposed are not there", async () => {
  for (const schema of ["private", "auth", "authjs", "audit"]) {
    await refused(as("service", schema).from("users").select(), "PGRST106")
  }
})

test("what only the servers call is refused to people", async () => {
  await refused(people.ada.rpc("take_deletions", { count: 1 }), "42501")
  assert.deepEqual(await found(service.rpc("take_deletions", { count: 1 })), [])
})

test("a token without a subject is no person: no rows of anybody, no error", async () => {
  assert.deepEqual(await titles(as("nobody")), ["a public", "b public"])
  assert.deepEqual(await found(as("nobody").from("users").select()), [])
  await refused(as("nobody").from("projects").insert({ owner_id: ada, title: "x" }), "42501")
})

test("a subject that is no uuid, even with SQL in it, is an error and shows nothing", async () => {
  for (const name of ["text", "injection"]) await refused(as(name).from("projects").select(), "22P02")
})

test("a token with another's id in it is refused unless the server signed it", async () => {
  await refused(as("forged").from("projects").select(), "PGRST301")
  await refused(as("unsigned").from("projects").select(), "PGRST301")
})

test("a token that is over is refused", async () => {
  await refused(as("expired").from("projects").select(), "PGRST301")
})

test("a token can't name a role that the API may not become", async () => {
  for (const name of ["owner", "superuser", "authjs"]) await refused(as(name).from("projects").select(), "42501")
})

test("a header of the request is no claim", async () => {
  const headers = { "request.jwt.claims": JSON.stringify({ sub: ada }), "x-sub": ada }
  const client = createClient(url, tokens.nobody, { global: { headers }, auth: { persistSession: false } })
  assert.deepEqual(await titles(client), ["a public", "b public"])
})

test("requests of many people at once see each their own", async () => {
  const whose = Array.from({ length: 60 }, (_, number) => ["ada", "bob", "anon"][number % 3])
  const counts = await Promise.all(whose.map(async (name) => (await titles(as(name))).filter((title) => title.endsWith("private"))))
  const expected = { ada: ["a private"], bob: ["b private"], anon: [] }
  assert.deepEqual(counts, whose.map((name) => expected[name]))
})

// The local API by supabase-js, with one URL and a key: rows of people, roles, what is refused at the gate. CLIENT holds
// the address, keys, tokens by name, and Ada's and Bob's ids.
import assert from "node:assert/strict"
import { test } from "node:test"

import "./websocket.mjs"
import { createClient } from "@supabase/supabase-js"

const { url, anon, service, tokens, ada, bob } = JSON.parse(process.env.CLIENT)
const auth = { persistSession: false, autoRefreshToken: false }
const withKey = (key, schema = "public") => createClient(url, key, { auth, db: { schema } })
const as = (name, schema = "public") => createClient(url, anon, { accessToken: async () => tokens[name], db: { schema } })
const visitor = withKey(anon)
const servers = withKey(service)
const people = { ada: as("ada"), bob: as("bob") }

const found = async (request) => {
  const { data, error } = await request
  assert.equal(error, null, error?.message)
  return data
}
const refused = async (request, code) => {
  const { data, error } = await request
  assert.equal(error?.code, code, `${error?.message ?? "no error"}, ${JSON.stringify(data)}`)
}
const answer = async (path, headers = {}, more = {}) => {
  const response = await fetch(`${url}${path}`, { headers, ...more })
  return [response.status, await response.json().catch(() => null), response.headers]
}

test("a person reads and changes their own rows, and nobody else's", async () => {
  assert.deepEqual(await found(people.ada.from("users").select("id, display_name")), [{ id: ada, display_name: "Ada" }])
  assert.deepEqual(await found(people.ada.from("users").update({ locale: "fr" }).eq("id", bob).select("id")), [])
  const made = await found(people.ada.rpc("create_project", { title: "private" }))
  assert.equal((await found(people.ada.from("projects").select("id").eq("id", made))).length, 1)
  assert.deepEqual(await found(people.bob.from("projects").select("id").eq("id", made)), [])
  assert.deepEqual(await found(visitor.from("projects").select("id").eq("id", made)), [])
})

test("a visitor is refused what is people's, the servers read all", async () => {
  await refused(visitor.from("users").select(), "42501")
  assert.equal((await found(servers.from("users").select("id").in("id", [ada, bob]))).length, 2)
})

test("next_auth is the servers' alone, other schemas aren't there", async () => {
  await refused(as("ada", "next_auth").from("users").select(), "42501")
  assert.equal((await found(withKey(service, "next_auth").from("users").select("id").eq("id", ada))).length, 1)
  for (const schema of ["private", "storage", "auth"]) await refused(withKey(service, schema).from("users").select(), "PGRST106")
})

test("a forged and an expired token are refused", async () => {
  for (const name of ["forged", "expired"]) await refused(as(name).from("projects").select(), "PGRST301")
})

test("a token of a role that the API may not become is refused", async () => {
  await refused(as("storage").from("projects").select(), "42501")
})

test("without a key of the API nobody comes in, with one in the query they do", async () => {
  const bearer = { Authorization: `Bearer ${tokens.ada}` }
  const [status, body] = await answer("/rest/v1/projects", bearer)
  assert.deepEqual([status, body.message], [401, "No API key found in request"])
  for (const apikey of ["wrong", tokens.ada]) {
    const [status, body] = await answer("/rest/v1/projects", { ...bearer, apikey })
    assert.deepEqual([status, body.message], [401, "Invalid API key"])
  }
  const [found, rows] = await answer(`/rest/v1/users?apikey=${anon}&select=id`, bearer)
  assert.deepEqual([found, rows], [200, [{ id: ada }]])
})

test("what isn't there says what takes its place", async () => {
  for (const path of ["/auth/v1/user", "/realtime/v1/websocket", "/functions/v1/hello", "/graphql/v1"]) {
    const [status, body] = await answer(path, { apikey: anon })
    assert.equal(status, 501, path)
    assert.match(body.message, /^the local API has no \/\w+\/v1: .{20,}$/)
  }
  assert.equal((await answer("/elsewhere"))[0], 404)
  assert.equal((await people.ada.functions.invoke("hello")).error.context.status, 501)
})

test("counts, ranges and what is returned pass in both directions", async () => {
  const titles = ["one", "two", "three"]
  for (const title of titles) await found(people.bob.rpc("create_project", { title }))
  const own = people.bob.from("projects").select("title", { count: "exact", head: true }).in("title", titles)
  const { count, data } = await own
  assert.deepEqual([count, data], [3, null])
  const page = await people.bob.from("projects").select("title", { count: "exact" }).in("title", titles).order("title").range(1, 1)
  assert.deepEqual([page.count, page.data, page.status], [3, [{ title: "three" }], 206])
  const [, , headers] = await answer("/rest/v1/projects?select=id", { apikey: anon, Range: "0-0", Prefer: "count=exact" })
  assert.match(headers.get("content-range"), /^(0-0|\*)\/\d+$/)
  const quoted = await found(people.bob.from("projects").select("title").eq("title", 'a,b & "c"? ü/+%20'))
  assert.deepEqual(quoted, [])
})

test("a megabyte goes in and comes back as it was", async () => {
  const text = "é".repeat(100_000)
  const project = await found(people.ada.rpc("create_project", { title: "large" }))
  const row = { project_id: project, kind: "text", title: "large", properties: { text } }
  const made = await found(people.ada.from("project_components").insert(Array(5).fill(row)).select("properties"))
  assert.deepEqual(made.map((each) => each.properties.text === text), Array(5).fill(true))
})

test("any page may ask, as at Supabase", async () => {
  const origin = { Origin: "https://app.example.org" }
  const asked = { ...origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "apikey,prefer" }
  const preflight = await fetch(`${url}/rest/v1/projects`, { method: "OPTIONS", headers: asked })
  assert.equal(preflight.status, 200)
  assert.equal(preflight.headers.get("access-control-allow-headers"), "apikey,prefer")
  assert.match(preflight.headers.get("access-control-allow-methods"), /PATCH/)
  for (const path of ["/rest/v1/projects", "/storage/v1/bucket"]) {
    const [, , headers] = await answer(path, { ...origin, apikey: anon })
    assert.equal(headers.get("access-control-allow-origin"), "*")
    assert.match(headers.get("access-control-expose-headers"), /Content-Range/)
  }
})

test("many at once see each their own", async () => {
  const whose = Array.from({ length: 40 }, (_, number) => (number % 2 ? "ada" : "bob"))
  const rows = await Promise.all(whose.map((name) => found(as(name).from("users").select("id"))))
  assert.deepEqual(rows, whose.map((name) => [{ id: name === "ada" ? ada : bob }]))
})

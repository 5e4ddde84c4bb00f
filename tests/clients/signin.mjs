// From a sign-in to a row: the configuration of docs/auth.md in Auth.js' own core, a provider that listens (OpenID Connect,
// with PKCE and tokens of RS256), and supabase-js with the token of the session. CLIENT holds the adapter, addresses and
// keys. In order: each test goes on where the one before has ended.
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { after, test } from "node:test"

import "./websocket.mjs"
import { Auth, skipCSRFCheck } from "@auth/core"
import { createClient } from "@supabase/supabase-js"
import { SupabaseAdapter } from "@auth/supabase-adapter"
import { OAuth2Server } from "oauth2-mock-server"
import { sessionWithToken } from "visual-prompt-builder/auth"

const { adapter, url, anon, service, environment, note } = JSON.parse(process.env.CLIENT)
Object.assign(process.env, environment)
const { config: documented, pool } = await import("./out/auth.js")
after(() => pool.end())
const SITE = "https://app.example.org/auth"

// Two providers, each a server of its own. Who signs in there next is `there`.
const there = {}
const servers = {}
for (const name of ["work", "home"]) {
  const server = (servers[name] = new OAuth2Server())
  await server.issuer.keys.generate("RS256")
  await server.start(0, "127.0.0.1")
  after(() => server.stop())
  server.service.on("beforeTokenSigning", (token) => Object.assign(token.payload, { aud: "app", ...there[name] }))
  server.service.on("beforeUserinfo", (answer) => Object.assign(answer.body, there[name]))
}
const sent = []
const oidc = (name) => ({
  ...{ id: name, name, type: "oidc", issuer: servers[name].issuer.url, clientId: "app", clientSecret: "s" },
  ...{ checks: ["pkce", "state", "nonce"] },
})
const config = {
  ...documented,
  ...(adapter === "supabase" ? { adapter: SupabaseAdapter({ url, secret: service }) } : {}),
  ...{ basePath: "/auth", trustHost: true, skipCSRFCheck, logger: { error: () => {}, warn: () => {} } },
  providers: [
    oidc("work"),
    oidc("home"),
    { id: "email", type: "email", maxAge: 600, sendVerificationRequest: (link) => sent.push(link.url) },
  ],
}
const withSecrets = (...secrets) => ({ ...config, secret: secrets })

// A browser: it keeps the cookies that it is given, and follows redirects to the provider.
class Browser {
  cookies = new Map()

  async ask(address, form, by = config) {
    const headers = { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ") }
    const body = form && new URLSearchParams(form)
    const answer = await Auth(new Request(address, { method: form ? "POST" : "GET", headers, body }), by)
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
      this.cookies.set(name, value)
    }
    return answer
  }

  // To the provider and back; the address that leads back to the app.
  async begin(provider, who, by) {
    const asked = (await this.ask(`${SITE}/signin/${provider}`, {}, by)).headers.get("location")
    there[provider] = { name: "Somebody", email_verified: true, ...who }
    return (await fetch(asked, { redirect: "manual" })).headers.get("location")
  }

  async signIn(provider, who) {
    return (await this.ask(await this.begin(provider, who))).headers.get("location")
  }

  async byLink(email) {
    await this.ask(`${SITE}/signin/email`, { email })
    return (await this.ask(sent.pop())).headers.get("location")
  }

  async session() {
    return (await this.ask(`${SITE}/session`)).json()
  }
}

const at = (name) => `${name}@${adapter}.sign-in.example.org`
const who = (name, more = {}) => ({ sub: `${adapter} ${name}`, email: at(name), ...more })
const fine = (location) => assert.doesNotMatch(location, /error/)
const database = (token) => createClient(url, anon, { accessToken: async () => token })
const found = async (request) => {
  const { data, error } = await request
  assert.equal(error, null, error?.message)
  return data
}
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"))

const browser = new Browser()
const other = new Browser()
let person, token, project

test("a sign-in by a provider ends in a session whose token has the claims of row policies and no other", async () => {
  fine(await browser.signIn("work", who("ada")))
  const session = await browser.session()
  assert.deepEqual(Object.keys(session).sort(), ["expires", "supabaseAccessToken", "user"])
  assert.deepEqual(session.user, { id: session.user.id, name: "Somebody", email: at("ada"), image: null })
  person = session.user.id
  token = session.supabaseAccessToken
  const { iat, exp, ...rest } = claims(token)
  assert.deepEqual(rest, { aud: "authenticated", sub: person, role: "authenticated" })
  assert.equal(exp - iat, 900)
  assert.ok(Math.abs(iat - Date.now() / 1000) < 60)
})

test("with it supabase-js writes and reads rows under row security, and another person none of them", async () => {
  project = await found(database(token).rpc("create_project", { title: "mine" }))
  const own = database(token).from("projects").select("id, owner_id").eq("id", project)
  assert.deepEqual(await found(own), [{ id: project, owner_id: person }])
  await found(database(token).from("project_components").insert({ project_id: project, kind: "text" }))

  fine(await other.signIn("work", who("bob")))
  const theirs = database((await other.session()).supabaseAccessToken)
  for (const [table, column] of [["projects", "id"], ["project_components", "project_id"]])
    assert.deepEqual(await found(theirs.from(table).select().eq(column, project)), [])
  assert.deepEqual(await found(theirs.from("users").select("id").eq("id", person)), [])
  assert.deepEqual(await found(theirs.from("projects").update({ title: "theirs" }).eq("id", project).select("id")), [])
  assert.equal((await theirs.from("project_components").insert({ project_id: project, kind: "text" })).error.code, "42501")
})

test("a link leads to the same person", async () => {
  const linked = new Browser()
  fine(await linked.byLink(at("ada")))
  assert.equal((await linked.session()).user.id, person)
  assert.ok((await config.adapter.getUser(person)).emailVerified)
})

test("a second account is linked while signed in, and not by its address alone", async () => {
  assert.match(await new Browser().signIn("home", who("at home", { email: at("ada") })), /error=OAuthAccountNotLinked/)
  fine(await browser.signIn("home", who("at home", { email: at("home") })))
  const home = new Browser()
  fine(await home.signIn("home", who("at home", { email: at("home") })))
  assert.equal((await home.session()).user.id, person)
})

test("an account that is unlinked signs in no more as its person", async () => {
  await config.adapter.unlinkAccount({ provider: "home", providerAccountId: who("at home").sub })
  assert.match(await new Browser().signIn("home", who("at home", { email: at("ada") })), /error=OAuthAccountNotLinked/)
  const stranger = new Browser()
  fine(await stranger.signIn("home", who("at home", { email: at("stranger") })))
  assert.notEqual((await stranger.session()).user.id, person)
})

test("a sign-in that was begun before AUTH_SECRET changed ends while the old one is in the list", async () => {
  const [ends, ended] = [new Browser(), new Browser()]
  const back = await ends.begin("work", who("ada"), withSecrets("old"))
  fine((await ends.ask(back, undefined, withSecrets("new", "old"))).headers.get("location"))
  const late = await ended.begin("work", who("ada"), withSecrets("old"))
  assert.match((await ended.ask(late, undefined, withSecrets("new"))).headers.get("location"), /error/)
})

test("a link that was sent before is refused, unless the mail provider has a secret of its own", async () => {
  const own = (by) => ({ ...by, providers: [{ ...config.providers[2], secret: "of links" }] })
  for (const [kept, change] of [[false, (by) => by], [true, own]]) {
    const late = new Browser()
    await late.ask(`${SITE}/signin/email`, { email: at("ada") }, change(withSecrets("old")))
    const answer = await late.ask(sent.pop(), undefined, change(withSecrets("new", "old")))
    assert.equal(/error=Verification/.test(answer.headers.get("location")), !kept)
  }
})

test("no token outlives its session, and none is signed with what is no secret or for what is no person", async () => {
  const soon = new Date(Date.now() + 60_000)
  const callback = sessionWithToken({ secret: "s".repeat(32), keyId: "k", seconds: 3600 })
  const session = await callback({ session: { expires: soon, sessionToken: "hidden" }, token: { sub: person } })
  assert.ok(!JSON.stringify(session).includes("hidden"))
  assert.equal(claims(session.supabaseAccessToken).exp, Math.floor(soon / 1000))
  assert.equal(JSON.parse(Buffer.from(session.supabaseAccessToken.split(".")[0], "base64url")).kid, "k")
  for (const options of [{}, { secret: "short" }, { secret: "s".repeat(32), seconds: 86_401 }, { secret: "s".repeat(32), seconds: 0.5 }])
    assert.throws(() => sessionWithToken(options), { name: "AuthError" })
  for (const sub of ["", "ada", `${person}'`])
    await assert.rejects(callback({ session: { expires: soon }, token: { sub } }), { name: "AuthError" })
})

test("who deletes the account has no session, and the token reads and writes nothing", async () => {
  const kept = (await browser.session()).supabaseAccessToken
  writeFileSync(note, JSON.stringify({ person, project }))
  await config.adapter.deleteUser(person)
  assert.equal(await browser.session(), null)
  for (const table of ["users", "projects", "project_components", "collaborators"])
    assert.deepEqual(await found(database(kept).from(table).select()), [])
  const { error } = await database(kept).rpc("create_project", { title: "late" })
  assert.match(error.code, /^(42501|23503)$/, error.message)
})

// Sign-ins as Auth.js' own core makes them, from the first request to the session, with its own providers; the providers'
// servers alone are played. What it leaves in the database is looked at by the test that runs this.
import assert from "node:assert/strict"
import { test, after } from "node:test"

import { Auth, skipCSRFCheck } from "@auth/core"
import GitHub from "@auth/core/providers/github"
import Google from "@auth/core/providers/google"

import "./gateway.mjs"

const SITE = "https://app.example.org/auth"
const GOOGLE = "https://accounts.google.com"
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url")
const now = () => Math.floor(Date.now() / 1000)

// Who is at the other side of the next sign-in.
let there
const played = {
  [`${GOOGLE}/.well-known/openid-configuration`]: () => ({
    issuer: GOOGLE,
    authorization_endpoint: `${GOOGLE}/authorize`,
    token_endpoint: `${GOOGLE}/token`,
    userinfo_endpoint: `${GOOGLE}/userinfo`,
  }),
  [`${GOOGLE}/token`]: () => {
    const claims = { iss: GOOGLE, aud: "app", iat: now(), exp: now() + 600, ...there }
    const token = `${encoded({ alg: "RS256" })}.${encoded(claims)}.${encoded("signature")}`
    return { access_token: "a", token_type: "bearer", expires_in: 600, id_token: token }
  },
  "https://github.com/login/oauth/access_token": () => ({ access_token: "a", token_type: "bearer" }),
  "https://api.github.com/user": () => there,
}
const outside = globalThis.fetch
globalThis.fetch = async (address, options) => {
  const answer = played[String(address.url ?? address)]
  return answer ? Response.json(answer()) : outside(address, options)
}

const client = JSON.parse(process.env.CLIENT)
const { open } = await import("./adapters.mjs")
const { adapter, close } = await open(client)
after(close)

let sent
const config = {
  adapter,
  basePath: "/auth",
  secret: "only for this run",
  trustHost: true,
  skipCSRFCheck,
  logger: { error: () => {}, warn: () => {} },
  providers: [
    Google({ clientId: "app", clientSecret: "s" }),
    GitHub({ clientId: "app", clientSecret: "s" }),
    { id: "email", type: "email", maxAge: 600, sendVerificationRequest: ({ url }) => (sent = url) },
  ],
}

// A browser: it keeps the cookies that it is given.
class Browser {
  cookies = new Map()

  async ask(address, form) {
    const headers = { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ") }
    const body = form && new URLSearchParams(form)
    const answer = await Auth(new Request(address, { method: form ? "POST" : "GET", headers, body }), config)
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
      this.cookies.set(name, value)
    }
    return answer.headers.get("location")
  }

  // Where it ends: the site, or the page that says what went wrong.
  async through(provider, who) {
    const asked = new URL(await this.ask(`${SITE}/signin/${provider}`, {}))
    there = { name: "Somebody", ...who }
    const state = asked.searchParams.get("state")
    return this.ask(`${SITE}/callback/${provider}?code=c${state ? `&state=${state}` : ""}`)
  }

  async byLink(email) {
    await this.ask(`${SITE}/signin/email`, { email })
    return this.ask(sent)
  }
}

const at = (name) => `${name}@${client.adapter}.example.org`
const person = (name) => adapter.getUserByEmail(at(name))
const google = (name, more = {}) => ({ sub: `${client.adapter} ${name}`, email: at(name), email_verified: true, ...more })
let number = 1000
const github = (name) => ({ id: `${client.adapter} ${number++}`, login: name, email: at(name), avatar_url: null })
const fine = (location) => assert.doesNotMatch(location, /error/)

test("a person who comes by google or github has no date of verification", async () => {
  fine(await new Browser().through("google", google("google")))
  fine(await new Browser().through("google", google("unverified", { email_verified: false })))
  fine(await new Browser().through("github", github("github")))
  for (const name of ["google", "unverified", "github"]) assert.equal((await person(name)).emailVerified ?? null, null)
})

test("a person who comes by a link has one", async () => {
  fine(await new Browser().byLink(at("link")))
  assert.ok((await person("link")).emailVerified)
})

test("an account that is linked later has its own address, and the person keeps theirs", async () => {
  const browser = new Browser()
  fine(await browser.through("github", github("victim")))
  fine(await browser.through("google", google("attacker")))
  const { id } = await person("victim")
  const linked = { provider: "google", providerAccountId: google("attacker").sub }
  assert.equal((await adapter.getUserByAccount(linked)).id, id)
  assert.equal(await person("attacker"), null)
})

test("one's own address in another spelling, linked later, is one's own", async () => {
  const browser = new Browser()
  fine(await browser.through("github", github("late")))
  fine(await browser.through("google", google("late", { email: at("Late") })))
})

test("an address in another spelling is the same person's", async () => {
  fine(await new Browser().through("google", google("mixed", { email: at("Mixed") })))
  const { id } = await person("mixed")
  const location = await new Browser().through("github", { ...github("mixed"), email: at("MIXED") })
  assert.match(location, /error=OAuthAccountNotLinked/)
  fine(await new Browser().byLink(at("mIxEd")))
  const found = await person("mixed")
  assert.equal(found.id, id)
  assert.ok(found.emailVerified)
  await assert.rejects(async () => adapter.createUser({ id: crypto.randomUUID(), email: at("MiXed"), emailVerified: null }))
})

// What Auth.js asks of a database adapter, driven with the real one: CLIENT says which, and where its database is.
// Whole rows are compared, as Auth.js hands them on: a column too many fails here.
import assert from "node:assert/strict"
import { createHash, randomUUID } from "node:crypto"
import { after, test } from "node:test"

import "./gateway.mjs"
import { open } from "./adapters.mjs"

const client = JSON.parse(process.env.CLIENT)
const { adapter, rows, close } = await open(client)
after(close)

const soon = () => new Date(Date.now() + 60_000)
const person = () => ({
  id: randomUUID(),
  name: "Ada Lovelace",
  email: `ada-${randomUUID()}@example.org`,
  emailVerified: new Date("2026-01-02T03:04:05.678Z"),
  image: "https://example.org/ada.png",
})
const account = (userId, more = {}) => ({
  userId,
  type: "oidc",
  provider: "github",
  providerAccountId: randomUUID(),
  access_token: `access-${randomUUID()}`,
  expires_at: 1_893_456_000,
  refresh_token: `refresh-${randomUUID()}`,
  id_token: `id-${randomUUID()}`,
  scope: "read:user",
  session_state: "state",
  token_type: "bearer",
  ...more,
})
const identity = ({ provider, providerAccountId }) => ({ provider, providerAccountId })
const newUser = () => adapter.createUser(person())
const newSession = async (userId) =>
  adapter.createSession({ sessionToken: `token ${randomUUID()}`, userId, expires: soon() })

test("a new person comes back whole and is stored so", async () => {
  const given = person()
  const made = await adapter.createUser(given)
  assert.match(made.id, /^[0-9a-f-]{36}$/)
  assert.deepEqual(made, { ...given, id: made.id })
  assert.deepEqual(await rows.user(made.id), made)
})

test("a person is found by id, and nobody by an id that is none", async () => {
  const made = await newUser()
  assert.deepEqual(await adapter.getUser(made.id), made)
  assert.equal(await adapter.getUser(randomUUID()), null)
})

test("a person is found by address", async () => {
  const made = await newUser()
  assert.deepEqual(await adapter.getUserByEmail(made.email), made)
  assert.equal(await adapter.getUserByEmail("nobody@example.org"), null)
})

test("two people with one address are refused", async () => {
  const made = await newUser()
  await assert.rejects(adapter.createUser({ ...person(), email: made.email }))
})

test("a person is changed in what is named, and in nothing else", async () => {
  const made = await newUser()
  const changed = await adapter.updateUser({ id: made.id, name: "Countess" })
  assert.deepEqual(changed, { ...made, name: "Countess" })
  assert.deepEqual(await rows.user(made.id), { ...made, name: "Countess" })
})

test("an account is linked, stored as it was given, and leads to its person", async () => {
  const made = await newUser()
  const given = account(made.id)
  const returned = await adapter.linkAccount(given)
  const stored = await rows.account(identity(given))
  if (client.returnsAccounts) assert.deepEqual(returned, stored)
  assert.deepEqual(await adapter.getUserByAccount(identity(given)), made)
  const { id, ...rest } = stored
  assert.match(id, /^[0-9a-f-]{36}$/)
  const tokens = ["access_token", "refresh_token", "id_token"]
  if (client.readsTokens) assert.deepEqual(rest, given)
  else for (const name of tokens) assert.match(rest[name], /^pgp:k1:/)
  assert.deepEqual(Object.keys(stored).sort(), client.accountColumns)
})

test("an account without any token is linked as well", async () => {
  const made = await newUser()
  const given = { userId: made.id, type: "email", provider: "mail", providerAccountId: randomUUID() }
  await adapter.linkAccount(given)
  const stored = await rows.account(identity(given))
  for (const column of ["access_token", "refresh_token", "id_token"]) assert.equal(stored[column], null)
  assert.deepEqual(await adapter.getUserByAccount(identity(given)), made)
})

test("an id token of 16 KiB goes in and comes out", async () => {
  const made = await newUser()
  const given = account(made.id, { id_token: "e".repeat(16 * 1024) })
  await adapter.linkAccount(given)
  if (client.readsTokens) assert.equal((await rows.account(identity(given))).id_token, given.id_token)
})

test("one identity at a provider is one person", async () => {
  const given = account((await newUser()).id)
  await adapter.linkAccount(given)
  const other = await newUser()
  await assert.rejects(async () => adapter.linkAccount({ ...given, userId: other.id }))
})

test("an unlinked account leads nowhere, and its person stays", async () => {
  const made = await newUser()
  const given = account(made.id)
  await adapter.linkAccount(given)
  await adapter.unlinkAccount(identity(given))
  assert.equal(await adapter.getUserByAccount(identity(given)), null)
  assert.equal(await rows.account(identity(given)), undefined)
  assert.deepEqual(await adapter.getUser(made.id), made)
})

test("a session is opened, and comes with its person", async () => {
  const made = await newUser()
  const given = { sessionToken: `any text, ${randomUUID()}`, userId: made.id, expires: soon() }
  const opened = await adapter.createSession(given)
  const stored = await rows.session(given.sessionToken)
  const { id, ...rest } = stored
  assert.deepEqual(rest, given)
  const found = await adapter.getSessionAndUser(given.sessionToken)
  assert.deepEqual(found, { session: stored, user: made })
  assert.equal(opened.sessionToken, given.sessionToken)
  assert.equal(await adapter.getSessionAndUser("no such token"), null)
})

test("a session lasts longer when it is moved on", async () => {
  const made = await newUser()
  const { sessionToken } = await newSession(made.id)
  const expires = new Date(Date.now() + 3_600_000)
  await adapter.updateSession({ sessionToken, expires })
  assert.deepEqual((await adapter.getSessionAndUser(sessionToken)).session.expires, expires)
})

test("a session that is ended is gone", async () => {
  const { sessionToken } = await newSession((await newUser()).id)
  await adapter.deleteSession(sessionToken)
  assert.equal(await adapter.getSessionAndUser(sessionToken), null)
  assert.equal(await rows.session(sessionToken), undefined)
})

test("a token of a sign-in link is used once, by its own address only", async () => {
  const token = createHash("sha256").update(randomUUID()).digest("hex")
  const given = { identifier: `ada-${randomUUID()}@example.org`, token, expires: soon() }
  assert.deepEqual(await adapter.createVerificationToken({ ...given }), given)
  assert.deepEqual(await rows.verificationToken(given), given)
  assert.equal(await adapter.useVerificationToken({ identifier: "eve@example.org", token }), null)
  assert.deepEqual(await adapter.useVerificationToken({ identifier: given.identifier, token }), given)
  assert.equal(await adapter.useVerificationToken({ identifier: given.identifier, token }), null)
})

test("a person who is deleted takes accounts and sessions along", async () => {
  const made = await newUser()
  const { sessionToken } = await newSession(made.id)
  const given = account(made.id)
  await adapter.linkAccount(given)
  await adapter.deleteUser(made.id)
  assert.equal(await adapter.getUser(made.id), null)
  assert.equal(await rows.account(identity(given)), undefined)
  assert.equal(await rows.session(sessionToken), undefined)
})

test("a person with more rows than go at once is gone at once", async () => {
  const { id, email } = await adapter.getUser(client.heavy)
  await adapter.deleteUser(id)
  assert.equal(await adapter.getUser(id), null)
  assert.equal(await adapter.getUserByEmail(email), null)
  const again = await adapter.createUser({ ...person(), email })
  assert.notEqual(again.id, id)
})

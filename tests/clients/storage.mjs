// Stored files by supabase-js through the local API: what row security lets each caller do, limits, addresses that are
// signed. CLIENT holds the address, keys, tokens, ids, and the superuser's URL, by which a file is scanned clean.
import assert from "node:assert/strict"
import { beforeEach, test } from "node:test"

import "./websocket.mjs"
import { createClient } from "@supabase/supabase-js"
import pg from "pg"

const { url, anon, service, tokens, ada, bob, admin } = JSON.parse(process.env.CLIENT)
const as = (name) => createClient(url, anon, { accessToken: async () => tokens[name] })
const people = { ada: as("ada"), bob: as("bob") }
const visitor = createClient(url, anon, { auth: { persistSession: false, autoRefreshToken: false } })
const servers = createClient(url, service, { auth: { persistSession: false, autoRefreshToken: false } })
const avatars = (client) => client.storage.from("avatars")
const audio = (client) => client.storage.from("audio")
const png = (size = 100, fill = 1) => new Blob([new Uint8Array(size).fill(fill)], { type: "image/png" })
const bytes = async (blob) => [...new Uint8Array(await blob.arrayBuffer())]

const query = async (text, values) => {
  const client = new pg.Client({ connectionString: admin })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}
const scanned = () => query("update private.object_scans set status = 'clean', scanned_at = now() where status = 'pending'")
const found = async (request) => {
  const { data, error } = await request
  assert.equal(error, null, JSON.stringify(error))
  return data
}
const refused = async (request, statusCode, message) => {
  const { data, error } = await request
  const body = error?.originalError ? await error.originalError.json() : error
  assert.equal(body?.statusCode, statusCode, `${JSON.stringify(body)}, ${JSON.stringify(data)}`)
  if (message) assert.match(body.message, message)
}
const names = async (client, folder) => (await found(avatars(client).list(folder))).map((entry) => entry.name)

beforeEach(async () => {
  const own = await found(avatars(servers).list(ada))
  if (own.length) await found(avatars(servers).remove(own.map((entry) => `${ada}/${entry.name}`)))
})

test("a file goes up, is listed, comes back, and goes", async () => {
  const stored = await found(avatars(people.ada).upload(`${ada}/one.png`, png()))
  assert.deepEqual([stored.path, stored.fullPath], [`${ada}/one.png`, `avatars/${ada}/one.png`])
  await scanned()
  const [entry] = await found(avatars(people.ada).list(ada))
  assert.deepEqual([entry.name, entry.id, entry.metadata.size, entry.metadata.mimetype], ["one.png", stored.id, 100, "image/png"])
  assert.deepEqual(await bytes(await found(avatars(people.ada).download(`${ada}/one.png`))), Array(100).fill(1))
  assert.equal((await found(avatars(people.ada).info(`${ada}/one.png`))).size, 100)
  const gone = await found(avatars(people.ada).remove([`${ada}/one.png`, `${ada}/none.png`]))
  assert.deepEqual(gone.map((row) => row.name), [`${ada}/one.png`])
  assert.deepEqual(await names(people.ada, ada), [])
  assert.equal((await avatars(people.ada).exists(`${ada}/one.png`)).data, false)
})

test("raw bytes and a stream go up as a form does", async () => {
  const options = { contentType: "image/png", cacheControl: "60", metadata: { of: "Ada" } }
  await found(avatars(people.ada).upload(`${ada}/raw.png`, new Uint8Array(10), options))
  const stream = png(1500).stream()
  await found(avatars(people.ada).upload(`${ada}/stream.png`, stream, { ...options, duplex: "half" }))
  await scanned()
  const raw = await found(avatars(people.ada).info(`${ada}/raw.png`))
  assert.deepEqual([raw.size, raw.cacheControl, raw.metadata], [10, "max-age=60", { of: "Ada" }])
  assert.equal((await found(avatars(people.ada).info(`${ada}/stream.png`))).size, 1500)
})

test("a bucket's limit is to the byte, its types to the word", async () => {
  await found(avatars(people.ada).upload(`${ada}/full.png`, png(2000)))
  await refused(avatars(people.ada).upload(`${ada}/over.png`, png(2001)), "413", /exceeded the maximum allowed size/)
  const raw = { contentType: "image/png" }
  await refused(avatars(people.ada).upload(`${ada}/raw.png`, new Uint8Array(2001), raw), "413")
  await refused(avatars(people.ada).upload(`${ada}/far.png`, new Uint8Array(20_000_000), raw), "413")
  await refused(avatars(people.ada).upload(`${ada}/x.png`, "<script>", { contentType: "text/html" }), "415", /text\/html/)
  assert.deepEqual(await names(people.ada, ada), ["full.png"])
})

test("a folder is its person's", async () => {
  await found(avatars(people.ada).upload(`${ada}/hers.png`, png()))
  await scanned()
  await refused(avatars(people.bob).upload(`${ada}/his.png`, png()), "403", /row-level security/)
  await refused(avatars(people.bob).upload(`${ada}/hers.png`, png(), { upsert: true }), "403")
  assert.deepEqual(await names(people.bob, ada), [])
  assert.deepEqual(await found(avatars(people.bob).remove([`${ada}/hers.png`])), [])
  await refused(avatars(people.bob).move(`${ada}/hers.png`, `${bob}/mine.png`), "404")
  await refused(avatars(people.bob).createSignedUrl(`${ada}/hers.png`, 60), "404")
  await refused(avatars(visitor).upload(`${ada}/x.png`, png()), "403")
  assert.deepEqual(await names(people.ada, ada), ["hers.png"])
})

test("nothing is replaced unless it is asked for", async () => {
  await found(avatars(people.ada).upload(`${ada}/a.png`, png(10, 1)))
  await refused(avatars(people.ada).upload(`${ada}/a.png`, png(10, 2)), "409", /already exists/)
  await found(avatars(people.ada).upload(`${ada}/a.png`, png(10, 2), { upsert: true }))
  await found(avatars(people.ada).update(`${ada}/a.png`, png(10, 3)))
  await scanned()
  assert.deepEqual(await bytes(await found(avatars(people.ada).download(`${ada}/a.png`))), Array(10).fill(3))
})

test("a signed upload stores what was signed, once", async () => {
  const signed = await found(avatars(people.ada).createSignedUploadUrl(`${ada}/signed.png`))
  await refused(avatars(visitor).uploadToSignedUrl(`${ada}/other.png`, signed.token, png()), "400", /signature/)
  await refused(avatars(visitor).uploadToSignedUrl(`${ada}/signed.png`, signed.token, png(2001)), "413")
  await found(avatars(visitor).uploadToSignedUrl(`${ada}/signed.png`, signed.token, png()))
  await refused(avatars(visitor).uploadToSignedUrl(`${ada}/signed.png`, signed.token, png()), "409")
  await refused(avatars(people.bob).createSignedUploadUrl(`${ada}/his.png`), "403")
  const [row] = await query("select owner_id from storage.objects where name = $1", [`${ada}/signed.png`])
  assert.equal(row.owner_id, ada)
  for (const token of [tokens.ada, `${signed.token}x`]) {
    await refused(avatars(visitor).uploadToSignedUrl(`${ada}/signed.png`, token, png()), "400")
  }
})

test("a signed address serves what is scanned clean, until its time", async () => {
  await found(avatars(people.ada).upload(`${ada}/s.png`, png(500)))
  const { signedUrl } = await found(avatars(people.ada).createSignedUrl(`${ada}/s.png`, 60, { download: "picture.png" }))
  assert.equal((await (await fetch(signedUrl)).json()).statusCode, "404")
  await scanned()
  const whole = await fetch(signedUrl)
  assert.deepEqual([whole.status, whole.headers.get("content-type")], [200, "image/png"])
  assert.match(whole.headers.get("content-disposition"), /^attachment; filename\*=UTF-8''picture.png$/)
  assert.equal((await whole.arrayBuffer()).byteLength, 500)
  const part = await fetch(signedUrl, { headers: { Range: "bytes=490-" } })
  assert.deepEqual([part.status, part.headers.get("content-range")], [206, "bytes 490-499/500"])
  assert.equal((await part.arrayBuffer()).byteLength, 10)
  const tag = whole.headers.get("etag")
  assert.equal((await fetch(signedUrl, { headers: { "If-None-Match": tag } })).status, 304)
  const brief = (await found(avatars(people.ada).createSignedUrl(`${ada}/s.png`, 1))).signedUrl
  await new Promise((resolve) => setTimeout(resolve, 2100))
  assert.equal((await (await fetch(brief)).json()).error, "InvalidJWT")
  const other = new URL(signedUrl)
  other.pathname = other.pathname.replace("s.png", "t.png")
  assert.equal((await (await fetch(other)).json()).error, "InvalidSignature")
  const several = await found(avatars(people.ada).createSignedUrls([`${ada}/s.png`, `${ada}/none.png`], 60))
  assert.deepEqual(several.map((each) => each.error === null), [true, false])
})

test("a public bucket is everybody's by its address, once a file is clean; a private one isn't", async () => {
  await found(avatars(people.ada).upload(`${ada}/p.png`, png()))
  const { publicUrl } = avatars(visitor).getPublicUrl(`${ada}/p.png`).data
  assert.equal((await fetch(publicUrl)).status, 400)
  await scanned()
  assert.deepEqual(await bytes(await (await fetch(publicUrl)).blob()), Array(100).fill(1))
  assert.equal((await fetch(publicUrl, { method: "HEAD" })).headers.get("content-length"), "100")
  const hidden = audio(visitor).getPublicUrl("a/b.ogg").data.publicUrl
  assert.equal((await (await fetch(hidden)).json()).error, "Bucket not found")
})

test("files are moved, copied and listed by folder", async () => {
  const one = `${ada}/one.png`
  await found(avatars(people.ada).upload(one, png()))
  await scanned()
  await found(avatars(people.ada).copy(one, `${ada}/deep/two.png`))
  await found(avatars(people.ada).move(one, `${ada}/three.png`))
  await scanned()
  const listed = await found(avatars(people.ada).list(ada, { limit: 10, sortBy: { column: "name", order: "desc" } }))
  assert.deepEqual(listed.map((entry) => [entry.name, entry.id === null]), [["deep", true], ["three.png", false]])
  assert.deepEqual((await found(avatars(people.ada).list(ada, { search: "th" }))).length, 1)
  assert.deepEqual((await found(avatars(people.ada).list(ada, { limit: 1, offset: 1 })))[0].name, "three.png")
  assert.equal((await found(avatars(people.ada).download(`${ada}/deep/two.png`))).size, 100)
  await found(avatars(people.ada).remove([`${ada}/deep/two.png`]))
})

test("a project's files follow the role in it", async () => {
  const project = await found(people.ada.rpc("create_project", { title: "sound" }))
  const name = `${project}/take.ogg`
  const sound = new Blob(["OggS", new Uint8Array(3000)], { type: "audio/ogg" })
  await found(audio(people.ada).upload(name, sound))
  await refused(audio(people.bob).download(name), "404")
  assert.equal((await found(audio(people.ada).download(name))).size, 3004)
  await found(people.ada.from("audio_recordings").insert({ project_id: project, object_path: name }))
  const [row] = await found(people.ada.from("audio_recordings").select("bytes, mime_type").eq("project_id", project))
  assert.deepEqual(row, { bytes: 3004, mime_type: "audio/ogg" })
  assert.deepEqual((await found(audio(people.ada).remove([name]))).length, 1)
})

test("tokens that aren't to be believed are refused, in all words alike", async () => {
  await refused(avatars(as("expired")).upload(`${ada}/a.png`, png()), "403", /exp/)
  await refused(avatars(as("forged")).list(ada), "403", /signature verification failed/)
  await refused(avatars(as("storage")).list(ada), "403", /role/)
  const bare = await fetch(`${url}/storage/v1/object/avatars/${ada}/a.png`)
  assert.match((await bare.json()).message, /authorization/)
  const named = { Authorization: `Bearer ${tokens.ada}`, role: "service_role", "storage.operation": "object.delete" }
  assert.equal((await fetch(`${url}/storage/v1/object/list/audio`, { method: "POST", headers: named, body: "{}" })).status, 200)
})

test("names that can't be stored and what is missing are one line", async () => {
  await found(avatars(people.ada).upload(`${ada}/stays.png`, png()))
  await refused(avatars(people.ada).upload(`${ada}/ü.png`, png()), "400", /Invalid key/)
  await refused(people.ada.storage.from("nowhere").upload("a.png", png()), "404", /Bucket not found/)
  await refused(people.ada.storage.createBucket("mine"), "501", /database:buckets/)
  await refused(avatars(people.ada).download(`${ada}/a.png`, { transform: { width: 10 } }), "501", /as it was stored/)
  await refused(avatars(people.ada).listV2({ prefix: ada }), "501", /use list/)
  const resumable = await fetch(`${url}/storage/v1/upload/resumable`, { method: "POST" })
  assert.equal((await resumable.json()).statusCode, "501")
  assert.deepEqual((await found(servers.storage.listBuckets())).map((bucket) => bucket.id), ["audio", "avatars"])
})

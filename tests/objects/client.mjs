// The app in a browser or on a Node server: uploads with a signed form, streams from a signed address, by fetch and
// FormData and nothing else; and @aws-sdk/client-s3 with a key of its own. Prints what the store answered.
import { readFileSync } from "node:fs"

import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3"

import * as objects from "./dist/index.js"

const given = JSON.parse(readFileSync(0, "utf8"))
const credentials = { accessKeyId: given.store.access_key, secretAccessKey: given.store.secret_key }
const s3 = objects.client(given.store.region, given.store.endpoint, credentials)
const store = { bucket: given.store.bucket, s3 }
const bucket = { id: "audio", fileSizeLimit: given.limit, allowedMimeTypes: ["audio/wav"] }
const sound = Buffer.from(given.sound, "base64")

async function send(upload, body = sound, changed = {}) {
  const form = new FormData()
  for (const [name, value] of Object.entries({ ...upload.fields, ...changed })) {
    if (value !== null) form.append(name, value)
  }
  form.append("file", new Blob([body]), "recording")
  const answer = await fetch(upload.url, { method: "POST", body: form })
  return [answer.status, /<Code>(.*?)<\/Code>/.exec(await answer.text())?.[1] ?? ""]
}

const sign = (options) => objects.signUpload(store, bucket, given.name, "audio/wav", { folder: given.folder, person: given.folder, room: null, ...options })
const upload = await sign()
const refused = {}
for (const [what, body, changed] of [
  ["too big", Buffer.concat([sound, Buffer.alloc(given.limit)]), {}],
  ["empty", Buffer.alloc(0), {}],
  ["another type", sound, { "Content-Type": "text/html" }],
  ["another key", sound, { key: `${upload.key}x` }],
  ["another signature", sound, { "X-Amz-Signature": "0".repeat(64) }],
  ["a field too many", sound, { acl: "public-read" }],
]) {
  refused[what] = await send(upload, body, changed)
}
const short = await sign({ seconds: 1 })
const sent = await send(upload)
const head = await s3.send(new HeadObjectCommand({ Bucket: store.bucket, Key: upload.key }))

const scanned = { TagSet: [{ Key: "GuardDutyMalwareScanStatus", Value: "NO_THREATS_FOUND" }] }
await s3.send(new PutObjectTaggingCommand({ Bucket: store.bucket, Key: upload.key, Tagging: scanned }))
const by = { folder: given.folder, person: given.folder }
const finish = (version, options = by) =>
  objects.finishUpload(store, "audio", upload.name, version, options).catch((error) => error.message)
const done = await finish(upload.version)
const again = await send(upload, Buffer.from("something else"))
const twice = await finish(upload.version)
const nothing = await finish(done.version.replace(/^.{8}/, "00000000"))
const stranger = await finish(upload.version, { ...by, person: done.version })
const final = { Bucket: store.bucket, Key: upload.key.replace("uploads/", "") }
const kept = await s3.send(new HeadObjectCommand(final))
const { TagSet: tags } = await s3.send(new GetObjectTaggingCommand(final))

const url = await objects.signDownload(store, "audio", upload.name, upload.version)
const middle = Math.floor(sound.length / 2)
const range = await fetch(url, { headers: { Range: `bytes=${middle}-${middle + 99}` } })
const piece = Buffer.from(await range.arrayBuffer())
const beyond = await fetch(url, { headers: { Range: `bytes=${sound.length}-` } })
const streamed = await s3.send(new GetObjectCommand({ ...final, Range: "bytes=-100" }))
const tail = Buffer.from(await streamed.Body.transformToByteArray())
const altered = await fetch(url.replace("X-Amz-Expires=900", "X-Amz-Expires=901"))
const { Versions: versions } = await s3.send(new ListObjectVersionsCommand({ Bucket: store.bucket, Prefix: final.Key }))
for (const { VersionId } of versions) await s3.send(new DeleteObjectCommand({ ...final, VersionId }))
const gone = await finish(upload.version)
await new Promise((resolve) => setTimeout(resolve, 2100))
refused["too late"] = await send(short)

console.log(
  JSON.stringify({
    refused,
    sent,
    finished: [done.metadata.size, done.metadata.mimetype, done.metadata.eTag === kept.ETag, again[0], kept.ContentLength, tags],
    twice: JSON.stringify(twice) === JSON.stringify(done),
    stranger: stranger.replace(upload.version, ""),
    nothing: nothing.replace(done.version.slice(8), ""),
    gone: gone.replace(upload.version, ""),
    stored: [head.ContentType, head.ContentLength],
    range: [range.status, range.headers.get("content-range"), piece.equals(sound.subarray(middle, middle + 100))],
    beyond: beyond.status,
    tail: tail.equals(sound.subarray(-100)),
    altered: altered.status,
  }),
)

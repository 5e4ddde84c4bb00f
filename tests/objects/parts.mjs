// Goes on with an upload in parts that may have been begun elsewhere: `steps` on standard input, in their order.
import { readFileSync } from "node:fs"

import * as objects from "./dist/index.js"
import { copied } from "./dist/uploads.js"

const { store: at, largest, limit, folder, person, name, size, room = null, upload: begun, steps } = JSON.parse(readFileSync(0, "utf8"))
const credentials = { accessKeyId: at.access_key, secretAccessKey: at.secret_key }
const store = { bucket: at.bucket, s3: objects.client(at.region, at.endpoint, credentials) }
const bucket = { id: "audio", fileSizeLimit: limit, allowedMimeTypes: ["audio/wav"] }
const body = Buffer.alloc(size, "abcdefg")
let upload = begun && { ...begun, uploadId: begun.upload_id }

const put = async ({ url, start, end }) =>
  (await fetch(url, { method: "PUT", body: body.subarray(start, end) })).status
const doing = {
  begin: async () => (upload = await objects.beginParts(store, bucket, name, "audio/wav", size, { folder, person, room })),
  sign: async () => (await objects.signParts(store, bucket, upload, { folder, room })).map(({ number, start, end }) => [number, start, end]),
  send: async () => put((await objects.signParts(store, bucket, upload, { folder, room, most: 1 }))[0]),
  "send one byte": async () => put({ ...(await objects.signParts(store, bucket, upload, { folder, room, most: 1 }))[0], end: 1 }),
  finish: async () => objects.finishParts(store, bucket, upload, { folder, person }),
  "copy again": async () => {
    // As a second finish that looked before the first had copied: what it is answered, and what there is.
    const place = objects.key(objects.TENANT, "audio", name, upload.version)
    return copied(store, `uploads/${place}`, place, { ContentLength: size, ContentType: "audio/wav" }, largest)
      .then(() => "replaced", (error) => error.name)
  },
  "copy in pieces": async () => {
    const head = { ContentLength: size, ContentType: "audio/wav", Metadata: {} }
    return copied(store, `uploads/${objects.key(objects.TENANT, "audio", name, upload.version)}`, "copy", head, 6 * 2 ** 20)
  },
  stop: async () => (await objects.stopParts(store, upload, { folder })) ?? null,
}
const answers = []
for (const step of steps) {
  try {
    answers.push(await doing[step]())
  } catch (error) {
    if (!(error instanceof objects.ObjectError)) throw error
    answers.push(error.message)
  }
}
console.log(JSON.stringify({ answers, upload }))

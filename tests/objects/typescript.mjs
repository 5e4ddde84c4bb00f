// Calls the functions of the TypeScript package as JSON on standard input says, at the time that it says.
import { readFileSync } from "node:fs"
import { mock } from "node:test"

import * as objects from "./dist/index.js"

const { now, store, buckets, calls } = JSON.parse(readFileSync(0, "utf8"))
if (now) mock.timers.enable({ apis: ["Date"], now: new Date(now) })
const s3 = objects.client(store.region, store.endpoint, {
  accessKeyId: store.access_key,
  secretAccessKey: store.secret_key,
})
const place = { bucket: store.bucket, s3 }

const functions = {
  checkName: ({ name }) => objects.checkName(name),
  signUpload: ({ bucket, name, type, ...options }) =>
    objects.signUpload(place, objects.declared(buckets, bucket), name, type, options),
  signDownload: ({ bucket, name, version, ...options }) => objects.signDownload(place, bucket, name, version, options),
  cdnUrl: ({ domain, bucket, name, version }) => objects.cdnUrl(domain, bucket, name, version),
  signCdn: ({ url, keyId, privateKey, expires }) => objects.signCdn(url, keyId, privateKey, new Date(expires)),
}

const answers = []
for (const { call, ...given } of calls) {
  try {
    answers.push({ answer: await functions[call](given) })
  } catch (error) {
    if (!(error instanceof objects.ObjectError)) throw error
    answers.push({ refused: error.message })
  }
}
console.log(JSON.stringify(answers))

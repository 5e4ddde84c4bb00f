// An app's first steps with what `./vpb env` and `./vpb token` print: a project, a file. CLIENT holds the address, the
// key, a token and whose it is.
import assert from "node:assert/strict"
import { test } from "node:test"

import "./websocket.mjs"
import { createClient } from "@supabase/supabase-js"

const { url, key, token, person } = JSON.parse(process.env.CLIENT)
const supabase = createClient(url, key, { accessToken: async () => token })

test("a person makes a project and stores a picture", async () => {
  const made = await supabase.rpc("create_project", { title: "first" })
  assert.equal(made.error, null)
  const read = await supabase.from("projects").select("title, owner_id").eq("id", made.data)
  assert.deepEqual(read.data, [{ title: "first", owner_id: person }])
  const picture = new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10])], { type: "image/png" })
  const stored = await supabase.storage.from("avatars").upload(`${person}/me.png`, picture)
  assert.equal(stored.error, null)
  const listed = await supabase.storage.from("avatars").list(person)
  assert.deepEqual(listed.data.map((entry) => [entry.name, entry.metadata.size]), [["me.png", 8]])
  const removed = await supabase.storage.from("avatars").remove([`${person}/me.png`])
  assert.deepEqual(removed.data.map((row) => row.name), [`${person}/me.png`])
})

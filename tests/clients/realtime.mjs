// What a logical subscriber hears of a project, through the publication that Supabase Realtime reads. CLIENT holds the
// connection URL of a login that may replicate, and Ada's and Bob's ids.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"

import pg from "pg"
import { LogicalReplicationService, PgoutputPlugin } from "pg-logical-replication"

const { url, ada, bob } = JSON.parse(process.env.CLIENT)
const slot = "realtime_test"
const sql = new pg.Client({ connectionString: url })
const service = new LogicalReplicationService({ connectionString: url }, { acknowledge: { auto: true, timeoutSeconds: 1 } })
const heard = []
const asked = async (text, values) => (await sql.query(text, values)).rows[0]
const changes = (table, tag) => heard.filter((each) => each.relation?.name === table && each.tag === tag)
let project, component, generation, recording, member

before(async () => {
  await sql.connect()
  await sql.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot])
  ;({ id: project } = await asked("insert into public.projects (owner_id, title) values ($1, 'watched') returning id", [ada]))
  ;({ id: component } = await asked(
    "insert into public.project_components (project_id, kind, position, properties) " +
      "values ($1, 'text', '1', '{\"text\": \"hi\"}') returning id",
    [project],
  ))
  ;({ id: generation } = await asked(
    "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) " +
      "values ($1, $2, 'a secret prompt', 'p', 'm') returning id",
    [project, ada],
  ))
  await sql.query("insert into storage.buckets (id, name) values ('audio', 'audio') on conflict do nothing")
  await sql.query(
    "insert into storage.objects (bucket_id, name, metadata) " +
      "values ('audio', $1::uuid || '/a.mp3', '{\"mimetype\": \"audio/mpeg\", \"size\": 1}')",
    [project],
  )
  ;({ id: recording } = await asked(
    "insert into public.audio_recordings (project_id, created_by, object_path, transcript) " +
      "values ($1::uuid, $2::uuid, $1::uuid || '/a.mp3', 'secret words') returning id",
    [project, ada],
  ))
  ;({ id: member } = await asked(
    "insert into public.collaborators (project_id, user_id, role, invited_by) values ($1, $2, 'editor', $3) returning id",
    [project, bob, ada],
  ))
  await sql.query("update public.prompt_generations set status = 'running' where id = $1", [generation])
  for (const [table, id] of [
    ["project_components", component],
    ["prompt_generations", generation],
    ["audio_recordings", recording],
    ["collaborators", member],
    ["projects", project],
  ])
    await sql.query(`delete from public.${table} where id = $1`, [id])
  service.on("data", (_, change) => heard.push(change))
  const listening = service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: ["supabase_realtime"] }), slot)
  listening.catch(() => {})
  const end = Date.now() + 20_000
  while (!changes("projects", "delete").length && Date.now() < end) await new Promise((done) => setTimeout(done, 50))
})

after(async () => {
  await service.stop()
  await sql.query("select pg_drop_replication_slot($1)", [slot])
  await sql.end()
})

const parts = ["project_components", "prompt_generations", "audio_recordings", "collaborators"]

for (const table of parts) {
  test(`${table}: who comes is heard of with the project`, () => {
    assert.deepEqual(changes(table, "insert").map((each) => each.new.project_id), [project])
  })

  test(`${table}: who goes is heard of with the project`, () => {
    assert.deepEqual(changes(table, "delete").map((each) => each.key.project_id), [project])
  })
}

test("a component comes whole", () => {
  assert.equal(changes("project_components", "insert")[0].new.properties.text, "hi")
})

test("a change of status carries no prompt, no answer and no transcript", () => {
  const [update] = changes("prompt_generations", "update")
  assert.equal(update.new.status, "running")
  const columns = new Set(heard.flatMap((each) => Object.keys(each.new ?? {})))
  for (const column of ["prompt", "response", "parameters", "transcript", "search", "email", "description"])
    assert.ok(!columns.has(column), column)
  assert.ok(!JSON.stringify(heard, (_, value) => (typeof value === "bigint" ? String(value) : value)).includes("secret"))
})

/** Each query pattern as a function of the TypeScript package, once as its role; standard output has what came of it. */

import { readFileSync } from "node:fs";

import pg from "pg";
import * as client from "visual-prompt-builder/queries";

const { url, direct, person, cases } = JSON.parse(readFileSync(0, "utf8"));
const pool = new pg.Pool({ connectionString: url, max: 2 });
const UNDO = new Error("undo");

const TYPES = {
  bigint: Number.isSafeInteger,
  integer: Number.isSafeInteger,
  real: Number.isFinite,
  "double precision": Number.isFinite,
  "double precision[]": (value) => Array.isArray(value) && value.every(Number.isFinite),
  boolean: (value) => typeof value === "boolean",
  date: (value) => /^\d{4}-\d\d-\d\d$/.test(value),
  "timestamp with time zone": (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$/.test(value),
  jsonb: (value) => typeof value === "object" && value !== null,
  numeric: (value) => typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value),
  text: (value) => typeof value === "string",
  uuid: (value) => /^[0-9a-f-]{36}$/.test(value),
};

function fits(value, { type, nullable, values }) {
  if (value === null) return nullable;
  return TYPES[type](value) && (values.length === 0 || values.includes(value));
}

/** What is wrong with an answer; empty for nothing. */
function wrong({ rows, columns }, answer) {
  if (rows === "value") return fits(answer, columns[0]) ? "" : `value ${JSON.stringify(answer)}`;
  if (rows === "nothing") return answer === undefined ? "" : `answer ${JSON.stringify(answer)}`;
  if (rows === "none") return Number.isSafeInteger(answer) ? "" : `count ${JSON.stringify(answer)}`;
  const found = rows === "many" ? answer : answer === null ? [] : [answer];
  if (!Array.isArray(found)) return `rows ${JSON.stringify(answer)}`;
  for (const row of found) {
    if (Object.keys(row).join() !== columns.map((each) => each.name).join()) return `columns ${Object.keys(row)}`;
    const bad = columns.find((column) => !fits(row[column.name], column));
    if (bad) return `${bad.name} ${JSON.stringify(row[bad.name])}`;
  }
  return "";
}

/** The answer of a function, whose writing is taken back. */
async function answered({ name, role, given, login }) {
  const call = (db) => (given ? client[name](db, given) : client[name](db));
  if (login) {
    const own = new pg.Client({ connectionString: direct, options: `-c role=${role}` });
    await own.connect();
    try {
      await own.query("begin");
      return await call(own);
    } finally {
      await own.end();
    }
  }
  let answer;
  const claims = role === "authenticated" ? { sub: person, role } : { role };
  const work = async (db) => {
    answer = await call(db);
    throw UNDO;
  };
  await client.asPerson(pool, claims, work).catch((error) => {
    if (error !== UNDO) throw error;
  });
  return answer;
}

async function refusal(promise) {
  return promise.then(() => "", (error) => error.message);
}

const results = {};
for (const each of cases) {
  try {
    const answer = await answered(each);
    results[each.name] = wrong(each, answer) || (answer?.length === 0 ? "empty" : "ok");
  } catch (error) {
    results[each.name] = `threw ${error.message}`;
  }
}

const visitor = client.eachAsPerson(pool, { role: "anon" });
const ids = [];
for await (const page of client.listPublicProjectsPages(visitor)) ids.push(...page.map((project) => project.id));

const claims = { sub: person, role: "authenticated" };
const left = "select current_user, coalesce(current_setting('request.jwt.claims', true), '') as claims";
const swallowed = await refusal(
  client.asPerson(pool, claims, (db) => db.query({ text: "select 1 / 0", values: [] }).catch(() => undefined)),
);
const thrown = await refusal(client.asPerson(pool, claims, (db) => db.query({ text: "select 1 / 0", values: [] })));
const owner = await refusal(client.asPerson(pool, { role: "app_owner" }, async () => undefined));
const after = (await pool.query(left)).rows[0];
await pool.end();

const own = new pg.Client({ connectionString: direct });
await own.connect();
for (let turn = 0; turn < 2; turn += 1) await client.openProject(client.prepared(own), { project: person });
const names = (await own.query("select name from pg_prepared_statements")).rows.map((row) => row.name);
await own.end();

// A connection that the server ends while the work waits for something else.
const ended = new pg.Pool({ connectionString: direct, max: 1 });
const killer = new pg.Client({ connectionString: direct });
await killer.connect();
const lost = await refusal(
  client.asPerson(ended, claims, async (db) => {
    const [{ pid }] = (await db.query({ text: "select pg_backend_pid() as pid", values: [] })).rows;
    await killer.query("select pg_terminate_backend($1)", [pid]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await db.query({ text: "select 1", values: [] });
  }),
);
const then = await client.asPerson(ended, claims, async () => "goes on");
await killer.end();
await ended.end();

console.log(JSON.stringify({ results, ids, swallowed, thrown, owner, after, names, lost, then }));

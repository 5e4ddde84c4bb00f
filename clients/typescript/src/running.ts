/** What the functions of the query patterns run on: any client or pool with the `query` of `pg`, as whom, and how rows are read. */

import type { Claims } from "./claims.js";

/** A statement as `pg` takes it. */
export interface Statement {
  name?: string;
  text: string;
  values: unknown[];
  types?: { getTypeParser: (oid: number, format?: string) => (text: string) => unknown };
}

/** A client, or a pool, of `pg`. */
export interface Queryable {
  query(statement: Statement): Promise<{ rows: unknown[]; rowCount: number | null; command?: string }>;
}

export interface PoolClient extends Queryable {
  release(broken?: boolean): void;
  on?(event: "error", listener: (error: Error) => void): unknown;
  removeListener?(event: "error", listener: (error: Error) => void): unknown;
}

export interface Pool {
  connect(): Promise<PoolClient>;
}

/**
 * A query pattern returned another number of rows than it can, or a number that JavaScript can't hold; or a transaction
 * was taken back although nothing was thrown.
 */
export class QueryError extends Error {
  override name = "QueryError";
}

/** What a query pattern sends. */
export interface Pattern {
  name: string;
  text: string;
}

const PREPARED = new WeakSet<Queryable>();
const ROLES: readonly string[] = ["anon", "authenticated", "service_role"];
const BECOME = "select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)";

/**
 * Runs `work` in one transaction under the row policies of somebody; role and claims end with it. What `work` throws takes
 * everything back and is thrown on. `work` must not go on after its promise is settled.
 *
 * @param pool of a login that may become the role of the claims: `api_url` of the stack's outputs
 */
export async function asPerson<T>(pool: Pool, claims: Claims, work: (db: Queryable) => Promise<T>): Promise<T> {
  if (!ROLES.includes(claims.role)) throw new QueryError(`claims: nobody becomes ${String(claims.role)} by a token`);
  const client = await pool.connect();
  let broken = true;
  // Of a connection that ends while `work` waits for something else, `pg` says so by an event; unheard it would end Node.
  // The next statement fails.
  const lost = (): void => {};
  client.on?.("error", lost);
  try {
    await client.query({ text: "begin", values: [] });
    try {
      await client.query({ text: BECOME, values: [JSON.stringify(claims), claims.role] });
      const found = await work(client);
      const ended = await client.query({ text: "commit", values: [] });
      if (ended.command === "ROLLBACK") throw new QueryError("a statement had failed, so everything was taken back");
      broken = false;
      return found;
    } catch (error) {
      broken = await client.query({ text: "rollback", values: [] }).then(
        () => false,
        () => true,
      );
      throw error;
    }
  } finally {
    client.release(broken);
    client.removeListener?.("error", lost);
  }
}

/** The same for statements one by one, each in a transaction of its own: for long lists, which then hold no snapshot. */
export function eachAsPerson(pool: Pool, claims: Claims): Queryable {
  return { query: (statement) => asPerson(pool, claims, (db) => db.query(statement)) };
}

/**
 * The same client, with each query pattern prepared once for a connection. Not through a pooler in transaction mode that is
 * older than PgBouncer 1.21 or has `max_prepared_statements = 0`.
 */
export function prepared(db: Queryable): Queryable {
  const made: Queryable = { query: (statement) => db.query(statement) };
  PREPARED.add(made);
  return made;
}

/** The rows of a query pattern. */
export async function many<Row>(db: Queryable, pattern: Pattern, values: unknown[]): Promise<Row[]> {
  return (await sent(db, pattern, values)).rows as Row[];
}

/** Its row, or null. */
export async function atMostOne<Row>(db: Queryable, pattern: Pattern, values: unknown[]): Promise<Row | null> {
  const rows = await many<Row>(db, pattern, values);
  if (rows.length > 1) throw new QueryError(`${pattern.name}: ${rows.length} rows where one is the most`);
  return rows[0] ?? null;
}

/** Its one row. */
export async function one<Row>(db: Queryable, pattern: Pattern, values: unknown[]): Promise<Row> {
  const row = await atMostOne<Row>(db, pattern, values);
  if (row === null) throw new QueryError(`${pattern.name}: no row where there is always one`);
  return row;
}

/** The one value of its one row. */
export async function value<Value>(db: Queryable, pattern: Pattern, values: unknown[]): Promise<Value> {
  return Object.values(await one<Record<string, Value>>(db, pattern, values))[0] as Value;
}

/** Runs one that returns nothing. */
export async function nothing(db: Queryable, pattern: Pattern, values: unknown[]): Promise<void> {
  await sent(db, pattern, values);
}

/** How many rows it wrote. */
export async function written(db: Queryable, pattern: Pattern, values: unknown[]): Promise<number> {
  return (await sent(db, pattern, values)).rowCount ?? 0;
}

/** Where a page by key begins: behind this row. */
export interface Key {
  before_time?: string;
  before_id?: string;
}

/** Before everything. */
export const FIRST: Required<Key> = { before_time: "infinity", before_id: "ffffffff-ffff-ffff-ffff-ffffffffffff" };

/** The pages of a list, one after the other, as long as they are full; no page is empty. */
export async function* pages<Time extends string, Row extends { id: string } & Record<Time, string>>(
  page: (key: Key) => Promise<Row[]>,
  time: Time,
  limit: number,
): AsyncGenerator<Row[], void, undefined> {
  let key: Key = {};
  for (;;) {
    const rows = await page(key);
    const last = rows.at(-1);
    if (last) yield rows;
    if (!last || rows.length < limit) return;
    key = { before_time: last[time], before_id: last.id };
  }
}

function sent(db: Queryable, pattern: Pattern, values: unknown[]): ReturnType<Queryable["query"]> {
  const name = PREPARED.has(db) ? { name: `vpb_${pattern.name}` } : {};
  return db.query({ ...name, text: pattern.text, values, types: { getTypeParser } });
}

/** A bigint as a number, as PostgREST gives it too. */
function whole(text: string): number {
  const found = Number(text);
  if (!Number.isSafeInteger(found)) throw new QueryError(`${text} is more than JavaScript's numbers hold exactly`);
  return found;
}

/** As PostgREST writes it, with up to six digits, so that a page by key begins where the last one ended. */
function instant(text: string): string {
  return text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
}

/** An array of numbers or of ids, in which nothing has to be quoted. */
function list<Each>(each: (text: string) => Each): (text: string) => (Each | null)[] {
  return (text) => (text === "{}" ? [] : text.slice(1, -1).split(",").map((part) => (part === "NULL" ? null : each(part))));
}

const text = (given: string): string => given;
const json = (given: string): unknown => JSON.parse(given);
// Types by their numbers in pg_type, which are the same on every server.
const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, (given) => given === "t"],
  [20, whole],
  [21, Number],
  [23, Number],
  [114, json],
  [700, Number],
  [701, Number],
  [1022, list(Number)],
  [1184, instant],
  [2951, list(text)],
  [3802, json],
]);

function getTypeParser(oid: number, format?: string): (text: string) => unknown {
  if (format === "binary") throw new QueryError("set `binary` of pg to false: the query patterns read texts");
  return PARSERS.get(oid) ?? text;
}

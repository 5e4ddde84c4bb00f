// Each connection URL as node-postgres reads it: a session on the server behind it.
import assert from "node:assert/strict";
import test from "node:test";
import pg from "pg";

const { urls, database } = JSON.parse(process.env.CLIENT);

for (const [name, connectionString] of Object.entries(urls)) {
  test(name, async () => {
    const client = new pg.Client({ connectionString });
    await client.connect();
    const { rows } = await client.query("select current_database() as name");
    await client.end();
    assert.equal(rows[0].name, database);
  });
}

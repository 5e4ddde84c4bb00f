/** The database as a person, and as the app's server: one transaction each, by the login of DATABASE_URL. */
import pg from "pg";
import { asPerson } from "visual-prompt-builder/queries";

class TakenBack extends Error {}

/** Who runs statements on a pool; rows come back. */
export function database(environment) {
  const pool = new pg.Pool({ connectionString: environment.databaseUrl, max: 3 });
  // Without a listener an idle connection that ends would end Node.
  pool.on("error", (error) => console.error(`database: ${error.message}`));
  const run = (claims, text, values) => asPerson(pool, claims, async (db) => (await db.query({ text, values })).rows);
  const server = { role: "service_role" };
  const claimsOf = (person) => ({ sub: person, role: "authenticated" });

  /** Runs a statement and takes it back: refused with its SQLSTATE, or nothing happens. */
  async function attempt(claims, text, values) {
    const work = async (db) => {
      await db.query({ text, values });
      throw new TakenBack();
    };
    await asPerson(pool, claims, work).catch((error) => {
      if (!(error instanceof TakenBack)) throw error;
    });
  }

  return {
    as: (person, text, values) => run(claimsOf(person), text, values),
    asServer: (text, values) => run(server, text, values),
    attempt: (person, text, values) => attempt(claimsOf(person), text, values),
    attemptAsServer: (text, values) => attempt(server, text, values),
    close: () => pool.end(),
  };
}

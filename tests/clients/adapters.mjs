// Both adapters of Auth.js, each with a way to look at the stored rows past it.
import { format, SupabaseAdapter } from "@auth/supabase-adapter"
import PostgresAdapter, { mapExpiresAt } from "@auth/pg-adapter"
import { createClient } from "@supabase/supabase-js"
import pg from "pg"

async function overPostgres({ url }) {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  const one = async (text, values) => (await pool.query(text, values)).rows[0]
  const account = async ({ provider, providerAccountId }) =>
    one('select * from accounts where provider = $1 and "providerAccountId" = $2', [provider, providerAccountId])
  return {
    adapter: PostgresAdapter(pool),
    rows: {
      user: (id) => one("select * from users where id = $1", [id]),
      account: async (identity) => {
        const found = await account(identity)
        // Numbers of 64 bits come as text; the adapter makes a number of this one too.
        return found && { ...mapExpiresAt(found), expires_at: found.expires_at && Number(found.expires_at) }
      },
      session: (token) => one('select * from sessions where "sessionToken" = $1', [token]),
      verificationToken: ({ identifier, token }) =>
        one("select * from verification_token where identifier = $1 and token = $2", [identifier, token]),
    },
    close: () => pool.end(),
  }
}

async function overPostgrest({ url, key }) {
  const database = createClient(url, key, { db: { schema: "next_auth" }, auth: { persistSession: false } })
  const one = async (table, match) => {
    const { data, error } = await database.from(table).select().match(match).maybeSingle()
    if (error) throw error
    return data ?? undefined
  }
  const dated = async (found) => {
    const row = await found
    return row && format(row)
  }
  return {
    adapter: SupabaseAdapter({ url, secret: key }),
    rows: {
      user: (id) => dated(one("users", { id })),
      account: (identity) => one("accounts", identity),
      session: (sessionToken) => dated(one("sessions", { sessionToken })),
      verificationToken: (match) => dated(one("verification_tokens", { identifier: match.identifier, token: match.token })),
    },
    close: () => {},
  }
}

export const open = (client) => (client.adapter === "pg" ? overPostgres(client) : overPostgrest(client))

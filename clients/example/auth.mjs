/** Sign-in: Auth.js' core with the configuration of docs/auth.md, by Google and by links. */
import { Auth } from "@auth/core";
import Google from "@auth/core/providers/google";
import PostgresAdapter from "@auth/pg-adapter";
import pg from "pg";
import { sessionWithToken } from "visual-prompt-builder/auth";

const LINK_SECONDS = 600;

/**
 * Handles what is below `/auth`, and knows who a request is of.
 *
 * @param {ReturnType<import("./environment.mjs").environment>} environment
 * @param {(link: { identifier: string, url: string }) => void} send gets a sign-in link to its address
 */
export function signIn(environment, send) {
  const pool = new pg.Pool({ connectionString: environment.authUrl, max: 3 });
  // Without a listener an idle connection that ends would end Node.
  pool.on("error", (error) => console.error(`sign-in: ${error.message}`));
  const adapter = PostgresAdapter(pool);
  const { issuer, clientId, clientSecret } = environment.google;
  const config = {
    adapter,
    basePath: "/auth",
    // The server has checked that a request's address is the site's.
    trustHost: true,
    secret: environment.authSecrets,
    pages: { signIn: "/", error: "/", verifyRequest: "/?sent=1" },
    logger: { error: (error) => console.error(`sign-in: ${error.name}`), warn: () => {} },
    providers: [
      Google({ clientId, clientSecret, ...(issuer ? { issuer } : {}) }),
      {
        id: "email",
        type: "email",
        name: "Link",
        maxAge: LINK_SECONDS,
        sendVerificationRequest: async (link) => send(link),
      },
    ],
    callbacks: { session: sessionWithToken({ secret: environment.jwtSecret }) },
  };
  return {
    handle: (request) => Auth(request, config),
    /** The session of a request's cookies with the token for the API, or null. */
    async session(origin, cookie) {
      const answer = await Auth(new Request(`${origin}/auth/session`, { headers: { cookie } }), config);
      return answer.ok ? answer.json() : null;
    },
    /** Deletes an account with all that docs/departures.md lists. */
    leave: (person) => adapter.deleteUser(person),
    close: () => pool.end(),
  };
}

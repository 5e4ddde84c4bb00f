/**
 * A provider of OpenID Connect for development, in the place of Google: it lets everybody in, with the address in
 * `login_hint`. It says of each address that it is verified, but of those that begin with `unverified`.
 */
import { createHash } from "node:crypto";

import { OAuth2Server } from "oauth2-mock-server";

const CLIENT = "example";

/** Starts it on this machine alone; what Auth.js has to know of it. */
export async function startProvider() {
  const server = new OAuth2Server();
  const people = new Map();
  await server.issuer.keys.generate("RS256");
  await server.start(0, "127.0.0.1");
  server.service.on("beforeAuthorizeRedirect", ({ url }, request) => {
    people.set(url.searchParams.get("code"), String(request.query.login_hint ?? "somebody@example.org"));
  });
  server.service.on("beforeTokenSigning", (token, request) => {
    const email = people.get(request.body.code);
    const sub = createHash("sha256").update(email).digest("hex").slice(0, 21);
    const claims = {
      aud: CLIENT,
      sub,
      email,
      email_verified: !email.startsWith("unverified"),
      name: email.split("@")[0],
    };
    Object.assign(token.payload, claims);
  });
  const variables = {
    AUTH_GOOGLE_ID: CLIENT,
    AUTH_GOOGLE_SECRET: "development",
    AUTH_GOOGLE_ISSUER: server.issuer.url,
  };
  return { variables, close: () => server.stop() };
}

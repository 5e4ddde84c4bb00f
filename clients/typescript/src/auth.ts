/**
 * The token of a signed-in person, for Auth.js: HS256, with the claims that row policies read, signed by the Web Crypto
 * that Node and edge runtimes have. Of Auth.js no type is imported; the callback fits version 5 by its shape.
 */

import type { PersonClaims } from "./claims.js";

/** Seconds that a token is good for, unless the options say otherwise. */
export const TOKEN_SECONDS = 900;
/** Bytes; RFC 7518 asks for a key as long as the hash. */
const SHORTEST_SECRET = 32;
const LONGEST_SECONDS = 86_400;
const PERSON = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What can't be signed; one line that says what to do. */
export class AuthError extends Error {
  override name = "AuthError";
}

export interface TokenOptions {
  /** What tokens are signed with: `SUPABASE_JWT_SECRET`, the newest one while two are accepted. */
  secret: string | undefined;
  /** Its `kid`, where who checks tokens finds the key by it, as hosted projects of Supabase do. */
  keyId?: string | undefined;
  /** Seconds that a token is good for; 900 by default, at most a day. A session that ends earlier ends it too. */
  seconds?: number;
}

/** What the app's pages and `useSession` get: no session token, which a script must not read. */
export interface SessionWithToken {
  user: { id: string; name: string | null; email: string | null; image: string | null };
  expires: string;
  /** For `accessToken` of supabase-js, or an `Authorization: Bearer` header. */
  supabaseAccessToken: string;
}

/** The part of what Auth.js 5 gives its session callback, by either strategy, that is read here. */
export interface SessionParameters {
  session: { expires: Date | string; user?: Described };
  /** With `strategy: "database"`. */
  user?: Described & { id: string };
  /** With `strategy: "jwt"`. */
  token?: { sub?: string | undefined };
}

interface Described {
  name?: string | null | undefined;
  email?: string | null | undefined;
  image?: string | null | undefined;
}

/**
 * A session callback for Auth.js 5: the session with `supabaseAccessToken`. A new one is signed for each request of the
 * session, so it is never older than that.
 *
 * @throws AuthError at once for a secret that is missing or too short, or a time that isn't allowed
 */
export function sessionWithToken(options: TokenOptions): (parameters: SessionParameters) => Promise<SessionWithToken> {
  checked(options);
  return async ({ session, user, token }) => {
    const id = user?.id ?? token?.sub ?? "";
    const { name = null, email = null, image = null } = user ?? session.user ?? {};
    const expires = new Date(session.expires);
    const supabaseAccessToken = await signToken(id, options, expires);
    return { user: { id, name, email, image }, expires: expires.toISOString(), supabaseAccessToken };
  };
}

/**
 * A token of one person.
 *
 * @param person their id: `users.id` of Auth.js, `auth.uid()` of the row policies
 * @param until when it ends at the latest
 * @throws AuthError for a person without a UUID, and for what `sessionWithToken` refuses
 */
export async function signToken(person: string, options: TokenOptions, until?: Date): Promise<string> {
  const { secret, seconds } = checked(options);
  if (until && Number.isNaN(until.getTime())) throw new AuthError("the time until which a token is good is no date");
  if (typeof person !== "string" || !PERSON.test(person)) throw new AuthError("a token's person has to be a UUID, the id that the adapter gives to a user");
  const iat = Math.floor(Date.now() / 1000);
  const exp = Math.min(iat + seconds, until ? Math.floor(until.getTime() / 1000) : Infinity);
  const claims: PersonClaims = { aud: "authenticated", sub: person, role: "authenticated", iat, exp };
  const header = { alg: "HS256", typ: "JWT", ...(options.keyId ? { kid: options.keyId } : {}) };
  const text = `${encoded(bytes(JSON.stringify(header)))}.${encoded(bytes(JSON.stringify(claims)))}`;
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return `${text}.${encoded(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(text))))}`;
}

function checked({ secret, seconds = TOKEN_SECONDS }: TokenOptions): { secret: string; seconds: number } {
  if (!secret?.trim()) throw new AuthError("no secret for tokens: set SUPABASE_JWT_SECRET (./vpb env --secrets has the one of a local API)");
  if (bytes(secret).length < SHORTEST_SECRET) throw new AuthError(`the secret for tokens has fewer than ${SHORTEST_SECRET} bytes`);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > LONGEST_SECONDS)
    throw new AuthError(`a token lasts 1 to ${LONGEST_SECONDS} whole seconds, not ${seconds}`);
  return { secret, seconds };
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}

function encoded(data: Uint8Array): string {
  return btoa(String.fromCharCode(...data)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

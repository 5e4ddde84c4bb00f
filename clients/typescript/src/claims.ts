/** The claims of a request's token, as row policies read them and the token of an Auth.js session carries them. */

/** A person who has signed in. */
export interface PersonClaims {
  /** The person's id: `auth.uid()` of the row policies, `users.id` of Auth.js. */
  sub: string;
  role: "authenticated";
  /** Whom the token is for; Supabase's servers write it, row policies don't read it. */
  aud?: "authenticated";
  email?: string;
  /** When the token was made and when it ends, in seconds since 1970. */
  iat?: number;
  exp?: number;
}

/** Somebody who hasn't signed in. */
export interface VisitorClaims {
  role: "anon";
  sub?: never;
}

/** The app's own servers, which row policies let through. */
export interface ServerClaims {
  role: "service_role";
  sub?: never;
}

export type Claims = PersonClaims | VisitorClaims | ServerClaims;

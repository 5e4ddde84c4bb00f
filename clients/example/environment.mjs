/** What the app knows of its environment: variables of `./vpb env --secrets`, and nothing else. */
import { client, declared } from "visual-prompt-builder";

const NEEDED = [
  ...["SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET", "DATABASE_URL", "AUTH_DATABASE_URL"],
  ...["REPLICATION_DATABASE_URL", "AWS_REGION", "OBJECT_BUCKET", "STORAGE_BUCKETS", "AUTH_SECRET"],
];

/** What an app can't start without; one line that says what to do. */
export class EnvironmentError extends Error {
  name = "EnvironmentError";
}

/**
 * The environment of the app.
 *
 * @param {Record<string, string | undefined>} variables those of the process
 * @throws {EnvironmentError} where one is missing
 */
export function environment(variables) {
  const missing = NEEDED.filter((name) => !variables[name]);
  if (missing.length) {
    throw new EnvironmentError(`environment: ${missing.join(", ")} not set; README.md says which command sets what`);
  }
  return {
    url: variables.SUPABASE_URL,
    key: variables.SUPABASE_ANON_KEY,
    jwtSecret: variables.SUPABASE_JWT_SECRET,
    databaseUrl: variables.DATABASE_URL,
    authUrl: variables.AUTH_DATABASE_URL,
    replicationUrl: variables.REPLICATION_DATABASE_URL,
    /** The site's address where a proxy is before it, such as `https://app.example.org`. */
    origin: variables.AUTH_URL && new URL(variables.AUTH_URL).origin,
    authSecrets: variables.AUTH_SECRET.split(",").filter(Boolean),
    /** Where the page sends its uploads to; at AWS it is the bucket's own host. */
    storeOrigin: storeOrigin(variables),
    store: { bucket: variables.OBJECT_BUCKET, s3: client(variables.AWS_REGION, variables.AWS_ENDPOINT_URL_S3) },
    audio: declared(JSON.parse(variables.STORAGE_BUCKETS), "audio"),
    google: {
      clientId: variables.AUTH_GOOGLE_ID,
      clientSecret: variables.AUTH_GOOGLE_SECRET,
      issuer: variables.AUTH_GOOGLE_ISSUER,
    },
    /** A command that exports a person whose id is its last argument. */
    exporter: variables.EXPORT ?? "",
  };
}

function storeOrigin({ AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region, OBJECT_BUCKET: bucket }) {
  return endpoint ? new URL(endpoint).origin : `https://${bucket}.s3.${region}.amazonaws.com`;
}

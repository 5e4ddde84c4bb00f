/**
 * Where an object lies: `<tenant>/<bucket>/<folder>/…/<version>`, as the Storage API has it, which serves it too.
 *
 * Rules and messages are those of `clients/python`; a test sends both the same names.
 */
import { createHash } from "node:crypto";

/** What the Storage API calls itself where it serves one tenant only (its setting TENANT_ID). */
export const TENANT = "storage-single-tenant";
/** What is sent by a signed form lies below this until it is taken over; the Storage API and the CDN don't reach it. */
const UPLOADS = "uploads";
/**
 * What is under a version never changes. It is on the object, since what a CDN adds it adds to its errors too; private:
 * browsers keep it, nobody between them and the CDN does.
 */
export const CACHE_CONTROL = "private, max-age=31536000, immutable";
/** Amazon S3's limit for a whole key is 1024; so much is left in the longest, which is that of quarantine. */
const LONGEST_NAME = 850;
/** The Storage API serves no object whose name has another character. */
const ALLOWED = /^[A-Za-z0-9_/!.*'() &$@=;:+,?-]$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const TYPE = /^[a-z]+\/[a-z0-9][a-z0-9.+_-]*$/;

/** A name, a type or a time that can't be used; the message is one line for the caller. */
export class ObjectError extends Error {
  override readonly name = "ObjectError";
}

/** What is declared of a storage bucket; no limit is null, no types means any. */
export interface Bucket {
  readonly id: string;
  readonly fileSizeLimit: number | null;
  readonly allowedMimeTypes: readonly string[];
}

/** A bucket as the stack output `storage_buckets` and the rows of `storage.buckets` have it. */
export interface Declared {
  readonly file_size_limit?: number | null;
  readonly allowed_mime_types?: readonly string[] | null;
}

/**
 * The bucket `id` out of the stack output `storage_buckets`, or of rows of `storage.buckets` by id.
 *
 * @throws ObjectError for a bucket that there isn't
 */
export function declared(buckets: Readonly<Record<string, Declared>>, id: string): Bucket {
  const found = Object.hasOwn(buckets, id) ? buckets[id] : undefined;
  if (!found) {
    const known = Object.keys(buckets).sort().join(", ") || "none";
    throw new ObjectError(`bucket ${shown(id)}: no such bucket; there are ${known}`);
  }
  return { id, fileSizeLimit: found.file_size_limit ?? null, allowedMimeTypes: found.allowed_mime_types ?? [] };
}

/**
 * Refuses a type that may not lie in this bucket.
 *
 * @throws ObjectError with what is wrong and what is allowed
 */
export function checkType(bucket: Bucket, contentType: string): void {
  if (!TYPE.test(contentType)) {
    throw new ObjectError(`type ${shown(contentType)}: must be type/subtype in lower case, without parameters`);
  }
  const allowed = bucket.allowedMimeTypes;
  const fits = [contentType, `${contentType.split("/")[0]}/*`, "*/*"].some((type) => allowed.includes(type));
  if (allowed.length > 0 && !fits) {
    throw new ObjectError(`type ${shown(contentType)}: bucket ${bucket.id} takes ${allowed.join(", ")}`);
  }
}

/**
 * The name of an object, if it is one by the database's rule (`private.is_file_name`); else it is refused.
 *
 * @throws ObjectError with what is wrong and what is allowed
 */
export function checkName(name: string): string {
  if (!name) throw new ObjectError("object name: is empty");
  for (const character of name) {
    if (!ALLOWED.test(character)) {
      throw new ObjectError(
        `object name: has the character ${shown(character)}; ` +
          "allowed are A-Z, a-z, 0-9, space and _ / ! - . * ' ( ) & $ @ = ; : + , ?",
      );
    }
  }
  if (name.length > LONGEST_NAME) {
    throw new ObjectError(`object name: has ${name.length} bytes, at most ${LONGEST_NAME} are allowed`);
  }
  const parts = name.split("/");
  if (parts.includes("")) {
    throw new ObjectError(`object name ${shown(name)}: has an empty part; no slash may stand first, last or twice`);
  }
  if (parts.includes(".") || parts.includes("..")) {
    throw new ObjectError(`object name ${shown(name)}: has a part . or ..`);
  }
  return name;
}

/**
 * The key in the object bucket of one version of an object.
 *
 * @throws ObjectError where a part of it can't be used
 */
export function key(tenant: string, bucket: string, name: string, version: string): string {
  for (const [what, id] of [["tenant", tenant], ["bucket", bucket]] as const) {
    if (!ID.test(id)) throw new ObjectError(`${what} ${shown(id)}: must be A-Z, a-z, 0-9, _ . and -, up to 100`);
  }
  if (!UUID.test(version)) throw new ObjectError(`version ${shown(version)}: must be a uuid in lower case`);
  return `${tenant}/${bucket}/${checkName(name)}/${version}`;
}

/** The key of what a signed form sends, until it is taken over as this version of the object. */
export function uploadKey(tenant: string, bucket: string, name: string, version: string): string {
  return `${UPLOADS}/${key(tenant, bucket, name, version)}`;
}

/** Refuses an object that isn't in that folder, or in no person's and no project's. */
export function checkFolder(name: string, folder: string): void {
  if (!UUID.test(name.split("/")[0] ?? "")) {
    throw new ObjectError(`object name ${shown(name)}: must be <project or user id>/<file>, the id a uuid in lower case`);
  }
  if (!name.startsWith(`${folder}/`)) {
    throw new ObjectError(`object name ${shown(name)}: is not in the folder ${shown(folder)}`);
  }
}

/**
 * Refuses what the quota has no room for: at least `size` bytes, where `public.take_room` of the database answers
 * `room`, or null where no quota counts it.
 */
export function checkRoom(bucket: string, name: string, size: number, room: number | null): void {
  // PostgreSQL's driver answers a bigint as text.
  if (room !== null && !Number.isInteger(room)) throw new ObjectError("room: must be a whole number of bytes, or null");
  if (room !== null && size > room) {
    const given = `was given room for ${room} bytes of the quota that it counts for, not for ${size}`;
    throw new ObjectError(`object ${shown(`${bucket}/${name}`)}: ${given}; delete files, or raise it`);
  }
}

/** What a form writes into what it sends: by whom and as which version it may be taken over. */
export function formMark(version: string, person: string): string {
  if (!UUID.test(person)) throw new ObjectError(`person ${shown(person)}: must be a uuid in lower case`);
  return createHash("sha256").update(`${version}/${person}`).digest("hex");
}

/**
 * The path at the CDN of one version of an object: in the one spelling in which it is signed.
 *
 * @throws ObjectError where a part of it can't be used
 */
export function cdnPath(bucket: string, name: string, version: string): string {
  return `/${spelled(key(TENANT, bucket, name, version).slice(TENANT.length + 1))}`;
}

/** A path as CloudFront's signer spells it: one spelling, one signature. */
export function spelled(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** The text in quotes, on one line, in ASCII, and not too much of it. */
export function shown(text: string): string {
  const start = [...text].slice(0, 100).join("");
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(start).replace(/[\u007f-\uffff]/g, escaped);
}

/**
 * What follows a signed upload: what was sent becomes a version of an object, and its row is written.
 *
 * A form can be sent as often as somebody likes until it expires. A file that was scanned must not be replaced by the
 * same form afterwards: so the form reaches no object, and what it sends is copied. The same in Python is `clients/python`.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";

import { CACHE_CONTROL, checkFolder, formMark, key, ObjectError, shown, TENANT, uploadKey } from "./names.js";
import type { Store } from "./signing.js";

/** Amazon S3 copies no more in one request. */
const LARGEST_COPY = 5 * 2 ** 30;
/** What was taken over has this beside it for as long as it is there, so that it is taken over once. */
const FINISHED = ".finished";
/**
 * A form can be sent for an hour after it was taken over, and the store keeps things for a day: so much of it is left in
 * which what was taken over has its mark. What came in parts is dated by its beginning, and sent once.
 */
const GOOD_FOR = 23 * 3600 * 1000;
/** What the store answers where an object is there by now, or is just being made. */
const FASTER = ["PreconditionFailed", "ConditionalRequestConflict"];

/** What the row of `storage.objects` says of a file; as the store has it, and nothing as a browser says it. */
export interface Stored {
  readonly bucket: string;
  readonly name: string;
  readonly version: string;
  /** The row's column `metadata`, by the Storage API's names. */
  readonly metadata: { size: number; mimetype: string; cacheControl: string; eTag: string; contentLength: number };
}

/**
 * Make what was sent by the form with this version that version of the object.
 *
 * It deletes nothing, and can be called again for almost a day, after a failure or twice: what is an object already
 * stays as it is, and what was one and isn't any more stays away. After that what was sent is gone. `folder` is as
 * `signUpload` was given it, and not as a browser says it; `person` is who asks.
 *
 * @throws ObjectError where nothing was sent by such a form of this person, or the object was deleted since
 */
export async function finishUpload(
  store: Store,
  bucket: string,
  name: string,
  version: string,
  options: { readonly folder: string; readonly person: string },
): Promise<Stored> {
  checkFolder(name, options.folder);
  const tenant = store.tenant ?? TENANT;
  const final = key(tenant, bucket, name, version);
  const sent = uploadKey(tenant, bucket, name, version);
  const mark = formMark(version, options.person);
  const head = await headOf(store, sent);
  const place = `object ${shown(`${bucket}/${name}`)}`;
  if (head?.Metadata?.["form"] !== mark || isLate(head)) {
    throw new ObjectError(`${place}: nothing was uploaded as version ${version} by a form of this person`);
  }
  const finished = await headOf(store, sent + FINISHED);
  const there = await listed(store, final);
  const ended = `${place}: version ${version} was moved, deleted or found harmful since; upload the file again`;
  if (finished && !there) throw new ObjectError(ended);
  const { size, eTag } = there ?? (await takenOver(store, sent, final, head, ended));
  // Before anybody can write the row, and so before anything can end the object.
  if (!finished) await store.s3.send(new PutObjectCommand({ Bucket: store.bucket, Key: sent + FINISHED, Body: new Uint8Array() }));
  // The form has pinned the type.
  const mimetype = head.ContentType ?? "";
  const metadata = { size, mimetype, cacheControl: CACHE_CONTROL, eTag, contentLength: size };
  return { bucket, name, version, metadata };
}

function isLate(head: HeadObjectCommandOutput): boolean {
  return !head.ETag?.includes("-") && (head.LastModified?.getTime() ?? 0) < Date.now() - GOOD_FOR;
}

/**
 * Size and ETag of the copy, or of what another one has taken over meanwhile: that stays. Refused as `ended` says where
 * what another one has taken over meanwhile is gone again.
 */
async function takenOver(
  store: Store,
  sent: string,
  final: string,
  head: HeadObjectCommandOutput,
  ended: string,
): Promise<{ size: number; eTag: string }> {
  let eTag: string;
  try {
    eTag = await copied(store, sent, final, head);
  } catch (error) {
    const faster = error instanceof Error && FASTER.includes(error.name);
    const there = faster ? await listed(store, final) : undefined;
    if (!there) throw error;
    return there;
  }
  // The mark without an object: this copy is one that nobody is to see, and the cleaner removes what has no row.
  if (await headOf(store, sent + FINISHED)) throw new ObjectError(ended);
  return { size: head.ContentLength ?? 0, eTag };
}

/** Size and ETag of what lies there; listed and not asked, since before its scan GuardDuty lets nobody ask. */
async function listed(store: Store, place: string): Promise<{ size: number; eTag: string } | undefined> {
  const answer = await store.s3.send(new ListObjectsV2Command({ Bucket: store.bucket, Prefix: place, MaxKeys: 1 }));
  const found = answer.Contents?.find((entry) => entry.Key === place);
  return found && { size: found.Size ?? 0, eTag: found.ETag ?? "" };
}

/**
 * Copies exactly what was looked at, in pieces of `largest` bytes at most; the copy's ETag, since with a key of KMS it is
 * another one.
 */
export async function copied(
  store: Store,
  sent: string,
  final: string,
  head: HeadObjectCommandOutput,
  largest = LARGEST_COPY,
): Promise<string> {
  const source = [store.bucket, ...sent.split("/")].map(encodeURIComponent).join("/");
  const CopySource = head.VersionId ? `${source}?versionId=${encodeURIComponent(head.VersionId)}` : source;
  const place = { Bucket: store.bucket, Key: final };
  const size = head.ContentLength ?? 0;
  if (size > largest) return copiedInParts(store, CopySource, place, head, largest);
  // Copying tags takes a right of its own.
  const once = { TaggingDirective: "REPLACE", IfNoneMatch: "*" } as const;
  const done = await store.s3.send(new CopyObjectCommand({ ...place, CopySource, ...once }));
  return done.CopyObjectResult?.ETag ?? "";
}

async function copiedInParts(
  store: Store,
  CopySource: string,
  place: { Bucket: string; Key: string },
  head: HeadObjectCommandOutput,
  largest: number,
): Promise<string> {
  const { ContentType, Metadata, ContentLength: size = 0 } = head;
  const CacheControl = CACHE_CONTROL;
  const { UploadId } = await store.s3.send(
    new CreateMultipartUploadCommand({ ...place, ContentType, CacheControl, Metadata }),
  );
  const upload = { ...place, UploadId };
  const Parts = [];
  try {
    for (let PartNumber = 1, start = 0; start < size; PartNumber += 1, start += largest) {
      const CopySourceRange = `bytes=${start}-${Math.min(start + largest, size) - 1}`;
      const copy = new UploadPartCopyCommand({ ...upload, PartNumber, CopySource, CopySourceRange });
      Parts.push({ PartNumber, ETag: (await store.s3.send(copy)).CopyPartResult?.ETag });
    }
    const whole = { ...upload, MultipartUpload: { Parts }, IfNoneMatch: "*" };
    return (await store.s3.send(new CompleteMultipartUploadCommand(whole))).ETag ?? "";
  } catch (error) {
    // Its parts would stay, and count, for a week.
    await store.s3.send(new AbortMultipartUploadCommand(upload));
    throw error;
  }
}

async function headOf(store: Store, Key: string): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await store.s3.send(new HeadObjectCommand({ Bucket: store.bucket, Key }));
  } catch (error) {
    if (error instanceof Error && error.name === "NotFound") return undefined;
    throw error;
  }
}

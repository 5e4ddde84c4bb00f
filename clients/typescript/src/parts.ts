/**
 * Uploads in parts: for files above one form's size, and for lines that break: what was sent isn't sent again.
 *
 * S3's multipart upload by signed addresses. The server begins it, signs the parts that are missing as often as it is
 * asked, and makes the whole an object, by the rules of `finishUpload`. The same in Python is `clients/python`.
 */
import { randomUUID } from "node:crypto";

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

import {
  type Bucket,
  CACHE_CONTROL,
  checkFolder,
  checkRoom,
  checkType,
  formMark,
  ObjectError,
  shown,
  TENANT,
  uploadKey,
} from "./names.js";
import { checkSeconds, expiry, type Store, UPLOAD_SECONDS } from "./signing.js";
import { finishUpload, type Stored } from "./uploads.js";

/** Amazon S3's limits: 5 MiB to 5 GiB for a part, 10,000 parts, 5 TiB for an object. */
const PART_BYTES = 16 * 2 ** 20;
const MOST_PARTS = 10_000;
const LARGEST_OBJECT = 5 * 2 ** 40;
const MOST_SIGNED = 100;

/** An upload in parts; the server that goes on with it has to know what is here, and who began it. */
export interface Parts {
  readonly bucket: string;
  readonly name: string;
  readonly version: string;
  readonly uploadId: string;
  /** How many bytes the file has. */
  readonly size: number;
}

/** Bytes `start` to `end`, which isn't among them, to send by PUT as they are. */
export interface Part {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly url: string;
  readonly expiresAt: string;
}

/**
 * Begins an upload in parts. What isn't finished goes after 7 days. The parts come to `size` and no more: sent again, a
 * part replaces what was sent.
 *
 * @throws ObjectError for a name, a type or a size that can't be used, and where there is no room
 */
export async function beginParts(
  store: Store,
  bucket: Bucket,
  name: string,
  contentType: string,
  size: number,
  options: {
    /** The id of the project, or of the person, by the bucket's access; the name must begin with it. */
    readonly folder: string;
    /** Whose upload it is. */
    readonly person: string;
    /** How many bytes of the quota it was given, as `public.take_room` of the database answers; null: no limit. */
    readonly room: number | null;
    readonly version?: string;
  },
): Promise<Parts> {
  const { folder, person, room, version = randomUUID() } = options;
  const Key = uploadKey(store.tenant ?? TENANT, bucket.id, name, version);
  checkFolder(name, folder);
  checkType(bucket, contentType);
  checkSize(bucket, size);
  checkRoom(bucket.id, name, size, room);
  const begun = await store.s3.send(
    new CreateMultipartUploadCommand({
      Bucket: store.bucket,
      Key,
      ContentType: contentType,
      CacheControl: CACHE_CONTROL,
      Metadata: { form: formMark(version, person) },
    }),
  );
  return { bucket: bucket.id, name, version, uploadId: begun.UploadId ?? "", size };
}

/**
 * Addresses for the next parts that are missing, each good for exactly as many bytes; none where all are there.
 * `folder` and `room` are as `beginParts` was given them, and not as a browser says them: nothing is taken again.
 *
 * @throws ObjectError for a size or a time that can't be used, or an upload that isn't there
 */
export async function signParts(
  store: Store,
  bucket: Bucket,
  upload: Parts,
  options: { readonly folder: string; readonly room: number | null; readonly seconds?: number; readonly most?: number },
): Promise<Part[]> {
  const { folder, room, seconds = UPLOAD_SECONDS, most = MOST_SIGNED } = options;
  const Key = placeOf(store, upload, folder);
  checkSize(bucket, upload.size);
  checkRoom(upload.bucket, upload.name, upload.size, room);
  checkSeconds(seconds);
  const sent = await sentOf(store, upload, Key);
  if (!sent) {
    const gone = "no such upload; it was finished, stopped, or begun more than 7 days ago";
    throw new ObjectError(`${objectOf(upload)}: ${gone}`);
  }
  const missing = [...pieces(upload.size)].filter(({ number, start, end }) => sent.get(number)?.size !== end - start);
  const expiresAt = expiry(seconds);
  return Promise.all(
    missing.slice(0, most).map(async ({ number, start, end }) => {
      const command = new UploadPartCommand({
        Bucket: store.bucket,
        Key,
        UploadId: upload.uploadId,
        PartNumber: number,
        ContentLength: end - start,
      });
      const pinned = new Set(["content-length"]);
      const url = await getSignedUrl(store.s3, command, { expiresIn: seconds, unhoistableHeaders: pinned });
      return { number, start, end, url, expiresAt };
    }),
  );
}

/**
 * Makes the parts an object, as `finishUpload` does; like that it can be called again. `folder` is as `beginParts` was
 * given it, and not as a browser says it; `person` is who asks.
 *
 * @throws ObjectError where parts are missing, or this person has begun no such upload
 */
export async function finishParts(
  store: Store,
  bucket: Bucket,
  upload: Parts,
  options: { readonly folder: string; readonly person: string },
): Promise<Stored> {
  const Key = placeOf(store, upload, options.folder);
  checkSize(bucket, upload.size);
  const sent = await sentOf(store, upload, Key);
  if (sent) await complete(store, upload, Key, sent);
  return finishUpload(store, upload.bucket, upload.name, upload.version, options);
}

/**
 * Removes what was sent; nothing where nothing is there.
 *
 * @throws ObjectError for an upload into another folder
 */
export async function stopParts(store: Store, upload: Parts, options: { readonly folder: string }): Promise<void> {
  const Key = placeOf(store, upload, options.folder);
  const command = new AbortMultipartUploadCommand({ Bucket: store.bucket, Key, UploadId: upload.uploadId });
  await store.s3.send(command).catch(unlessGone);
}

function* pieces(size: number): Generator<{ number: number; start: number; end: number }> {
  const length = Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS));
  for (let number = 1, start = 0; start < size; number += 1, start += length) {
    yield { number, start, end: Math.min(start + length, size) };
  }
}

type Sent = Map<number, { readonly size: number; readonly eTag: string }>;

async function complete(store: Store, upload: Parts, Key: string, sent: Sent): Promise<void> {
  const wanted = new Map([...pieces(upload.size)].map(({ number, start, end }) => [number, end - start]));
  const numbers = [...new Set([...wanted.keys(), ...sent.keys()])].sort((one, other) => one - other);
  const wrong = numbers.filter((number) => wanted.get(number) !== sent.get(number)?.size);
  if (wrong.length > 0) {
    const few = wrong.slice(0, 5).join(", ") + (wrong.length > 5 ? " and more" : "");
    throw new ObjectError(`${objectOf(upload)}: parts are missing or of another size: ${few}`);
  }
  const Parts = numbers.map((PartNumber) => ({ PartNumber, ETag: sent.get(PartNumber)?.eTag }));
  const place = { Bucket: store.bucket, Key, UploadId: upload.uploadId };
  // Where somebody else was faster, it is done.
  await store.s3.send(new CompleteMultipartUploadCommand({ ...place, MultipartUpload: { Parts } })).catch(unlessGone);
}

/** What was sent, by number; nothing where there is no such upload. */
async function sentOf(store: Store, upload: Parts, Key: string): Promise<Sent | undefined> {
  const found: Sent = new Map();
  const place = { Bucket: store.bucket, Key, UploadId: upload.uploadId };
  try {
    // Not the SDK's paginator: it goes on for as long as there is a marker, which the last page has too.
    let page: ListPartsCommandOutput | undefined;
    do {
      page = await store.s3.send(new ListPartsCommand({ ...place, PartNumberMarker: page?.NextPartNumberMarker }));
      for (const { PartNumber, Size, ETag } of page.Parts ?? []) {
        found.set(PartNumber ?? 0, { size: Size ?? 0, eTag: ETag ?? "" });
      }
    } while (page.IsTruncated);
  } catch (error) {
    unlessGone(error);
    return undefined;
  }
  return found;
}

function unlessGone(error: unknown): void {
  if (!(error instanceof Error && error.name === "NoSuchUpload")) throw error;
}

function placeOf(store: Store, upload: Parts, folder: string): string {
  checkFolder(upload.name, folder);
  return uploadKey(store.tenant ?? TENANT, upload.bucket, upload.name, upload.version);
}

function checkSize(bucket: Bucket, size: number): void {
  const largest = Math.min(bucket.fileSizeLimit || LARGEST_OBJECT, LARGEST_OBJECT);
  if (!Number.isInteger(size) || size < 1 || size > largest) {
    throw new ObjectError(`size ${size}: bucket ${bucket.id} takes 1 to ${largest} bytes in parts`);
  }
}

function objectOf(upload: Parts): string {
  return `object ${shown(`${upload.bucket}/${upload.name}`)}`;
}

/**
 * What follows a signed upload: the file is put where its form can't reach it any more, and its row is written.
 *
 * A form can be sent as often as somebody likes until it expires. A file that was scanned must not be replaced by the
 * same form afterwards, so it is copied to a version of its own first. The same in Python is `clients/python`.
 */
import { randomUUID } from "node:crypto";

import { CopyObjectCommand, DeleteObjectCommand, HeadObjectCommand, type HeadObjectCommandOutput } from "@aws-sdk/client-s3";

import { key, ObjectError, shown, TENANT } from "./names.js";
import type { Store } from "./signing.js";

/** What the row of `storage.objects` says of a file; as the store has it, and nothing as a browser says it. */
export interface Stored {
  readonly bucket: string;
  readonly name: string;
  readonly version: string;
  /** The row's column `metadata`, by the Storage API's names. */
  readonly metadata: { size: number; mimetype: string; eTag: string; contentLength: number };
}

/**
 * Take over what was uploaded by the form with this version; the version to write down is another one.
 *
 * It can be called again after a failure. What it left behind then has no row, and goes with the other orphans.
 */
export async function finishUpload(store: Store, bucket: string, name: string, version: string): Promise<Stored> {
  const tenant = store.tenant ?? TENANT;
  const uploaded = key(tenant, bucket, name, version);
  const head = await headOf(store, uploaded);
  if (!head) {
    throw new ObjectError(`object ${shown(`${bucket}/${name}`)}: nothing was uploaded as version ${version}`);
  }
  const final = randomUUID();
  const VersionId = head.VersionId;
  const source = [store.bucket, ...uploaded.split("/")].map(encodeURIComponent).join("/");
  const CopySource = VersionId ? `${source}?versionId=${encodeURIComponent(VersionId)}` : source;
  const copy = { Bucket: store.bucket, Key: key(tenant, bucket, name, final), CopySource };
  // GuardDuty may have tagged the original by now, and tags are copied by those only who may set them.
  await store.s3.send(new CopyObjectCommand({ ...copy, TaggingDirective: "REPLACE" }));
  const exactly = VersionId ? { VersionId } : {};
  await store.s3.send(new DeleteObjectCommand({ Bucket: store.bucket, Key: uploaded, ...exactly }));
  const size = head.ContentLength ?? 0;
  const metadata = { size, mimetype: head.ContentType ?? "", eTag: head.ETag ?? "", contentLength: size };
  return { bucket, name, version: final, metadata };
}

async function headOf(store: Store, Key: string): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await store.s3.send(new HeadObjectCommand({ Bucket: store.bucket, Key }));
  } catch (error) {
    if (error instanceof Error && error.name === "NotFound") return undefined;
    throw error;
  }
}

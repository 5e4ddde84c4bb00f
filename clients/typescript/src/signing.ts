/**
 * Signed URLs: one upload of one file, one file to read, for minutes; the CDN's with a key of its key group.
 *
 * Who may have one is decided before: ask for the row of `storage.objects` as the person who asks, and row security
 * says. A signed URL is good for anyone who holds it. The same in Python is `clients/python`.
 */
import { createPrivateKey, type KeyObject, randomUUID } from "node:crypto";

import { GetObjectCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { getSignedUrl as signForCdn } from "@aws-sdk/cloudfront-signer";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

import {
  type Bucket,
  CACHE_CONTROL,
  cdnPath,
  checkFolder,
  checkRoom,
  checkType,
  formMark,
  key,
  ObjectError,
  shown,
  spelled,
  TENANT,
  uploadKey,
} from "./names.js";

/** As long as it takes to upload the largest recording, and to listen to one. */
export const UPLOAD_SECONDS = 300;
const DOWNLOAD_SECONDS = 900;
const LONGEST_SECONDS = 3600;
/** Amazon S3 takes no more in one request. */
const LARGEST_UPLOAD = 5 * 2 ** 30;

/** The object bucket and how to reach it. */
export interface Store {
  /** The stack output `object_bucket`. */
  readonly bucket: string;
  readonly s3: S3Client;
  readonly tenant?: string;
}

/** A client of the store; with the stack output `s3_endpoint` where it isn't AWS itself. */
export function client(region: string, endpoint?: string, credentials?: S3ClientConfig["credentials"]): S3Client {
  return new S3Client({
    region,
    // Else it would put the checksum of an empty body into every address that it signs.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(credentials ? { credentials } : {}),
  });
}

/** A form to send by POST: `fields` in their order, then the file as the last one, named `file`. */
export interface Upload {
  readonly url: string;
  readonly fields: Record<string, string>;
  readonly bucket: string;
  readonly name: string;
  /** For `finishUpload`, and the row of `storage.objects` after it. */
  readonly version: string;
  /** Where it lies until then. */
  readonly key: string;
  /** How many bytes it may have. */
  readonly largest: number;
  readonly expiresAt: string;
}

/**
 * A form with which anybody can upload exactly this object: its key, its type, 1 byte to the bucket's limit.
 *
 * Not more than there is room for. What it sends is no object yet: `finishUpload` makes it one, for the same person.
 *
 * @throws ObjectError for a name, a type or a time that can't be used, and where there is no room
 */
export async function signUpload(
  store: Store,
  bucket: Bucket,
  name: string,
  contentType: string,
  options: {
    /** The id of the project, or of the person, by the bucket's access; the name must begin with it. */
    readonly folder: string;
    /** Whose form it is. */
    readonly person: string;
    /** How many bytes of the quota it was given, as `public.take_room` of the database answers; null: no limit. */
    readonly room: number | null;
    readonly seconds?: number;
    readonly version?: string;
  },
): Promise<Upload> {
  const { folder, person, room, seconds = UPLOAD_SECONDS, version = randomUUID() } = options;
  const place = uploadKey(store.tenant ?? TENANT, bucket.id, name, version);
  checkFolder(name, folder);
  checkType(bucket, contentType);
  checkSeconds(seconds);
  checkRoom(bucket.id, name, 1, room);
  const largest = Math.min(bucket.fileSizeLimit || LARGEST_UPLOAD, LARGEST_UPLOAD, room ?? LARGEST_UPLOAD);
  const expiresAt = expiry(seconds);
  const form = await createPresignedPost(store.s3, {
    Bucket: store.bucket,
    Key: place,
    Fields: {
      "Content-Type": contentType,
      "Cache-Control": CACHE_CONTROL,
      "x-amz-meta-form": formMark(version, person),
    },
    Conditions: [["content-length-range", 1, largest]],
    Expires: seconds,
  });
  return { url: form.url, fields: form.fields, bucket: bucket.id, name, version, key: place, largest, expiresAt };
}

/**
 * A URL that reads this version of an object, whole or in ranges; with `filename` a browser saves it as that.
 *
 * @throws ObjectError for a name, a version or a time that can't be used
 */
export async function signDownload(
  store: Store,
  bucket: string,
  name: string,
  version: string,
  options: { readonly seconds?: number; readonly filename?: string } = {},
): Promise<string> {
  const { seconds = DOWNLOAD_SECONDS, filename } = options;
  const Key = key(store.tenant ?? TENANT, bucket, name, version);
  checkSeconds(seconds);
  const saved = filename === undefined ? {} : { ResponseContentDisposition: attachment(filename) };
  const command = new GetObjectCommand({ Bucket: store.bucket, Key, ...saved });
  return getSignedUrl(store.s3, command, { expiresIn: seconds });
}

/**
 * The CDN's address of one version of an object: as it is in a public bucket, else for `signCdn`. The domain is the
 * stack output `cdn_domain`.
 *
 * @throws ObjectError for a domain, a name or a version that can't be used
 */
export function cdnUrl(domain: string, bucket: string, name: string, version: string): string {
  if (!/^[a-z0-9.-]+(:[0-9]{1,5})?$/.test(domain)) {
    throw new ObjectError(`CDN domain ${shown(domain)}: must be a host name`);
  }
  return `https://${domain}${cdnPath(bucket, name, version)}`;
}

/**
 * The CDN's URL, good until `expires`: CloudFront's canned policy, signed by a key of the behaviour's key group.
 * The private key is an RSA key as PEM, not encrypted; it is in no message.
 *
 * @throws ObjectError for a URL or a key that can't be used; the key is in no message
 */
export function signCdn(url: string, keyId: string, privateKey: string, expires: Date): string {
  const [, site, path] = /^(https:\/\/[a-z0-9.-]+(?::[0-9]{1,5})?)(\/[^?#]*)$/.exec(url) ?? [];
  if (site === undefined || path === undefined) {
    throw new ObjectError(`CDN address ${shown(url)}: must be https://domain/path, and nothing after it`);
  }
  const pem = rsaKey(privateKey).export({ type: "pkcs8", format: "pem" }).toString();
  const plain = site + spelled(path.split("/").map(unspelled).join("/"));
  return signForCdn({ url: plain, keyPairId: keyId, privateKey: pem, dateLessThan: expires.toISOString() });
}

/** A part of a path without its escapes; a sign that escapes nothing stands for itself. */
function unspelled(part: string): string {
  const bytes = (escaped: string) => Buffer.from(escaped.replaceAll("%", ""), "hex").toString("utf8");
  return part.replace(/(?:%[0-9A-Fa-f]{2})+/g, bytes);
}

function rsaKey(pem: string): KeyObject {
  try {
    const found = createPrivateKey(pem);
    if (found.asymmetricKeyType === "rsa") return found;
  } catch {
    // Told below: what OpenSSL says might quote the key.
  }
  throw new ObjectError("CDN key: must be an RSA private key as PEM, not encrypted");
}

function attachment(filename: string): string {
  if (!filename.isWellFormed()) throw new ObjectError(`file name ${shown(filename)}: is no text`);
  const hex = (sign: string) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
  const coded = encodeURIComponent(filename).replace(/[!'()*]/g, hex);
  return `attachment; filename*=UTF-8''${coded}`;
}

/** When something ends that is signed for so long from now on. */
export function expiry(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d{3}Z$/, "Z");
}

export function checkSeconds(seconds: number): void {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > LONGEST_SECONDS) {
    throw new ObjectError(`time ${seconds} s: must be 1 to ${LONGEST_SECONDS} seconds`);
  }
}

/**
 * Signed URLs for the stored files of Visual Prompt Builder; the same as the Python package `visual-prompt-builder`.
 *
 * @module files
 */
export { type Bucket, cdnPath, checkName, checkType, declared, key, ObjectError, TENANT } from "./names.js";
export { beginParts, finishParts, type Part, type Parts, signParts, stopParts } from "./parts.js";
export { finishUpload, type Stored } from "./uploads.js";
export { cdnUrl, client, type Store, signCdn, signDownload, signUpload, type Upload } from "./signing.js";

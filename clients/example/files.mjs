/** Uploads and addresses of recordings: signed by the server, after row security has said yes (docs/objects.md). */
import { randomUUID } from "node:crypto";

import { finishUpload, signDownload, signUpload } from "visual-prompt-builder";

const ENDINGS = new Map([
  ["audio/wav", "wav"],
  ["audio/webm", "webm"],
  ["audio/ogg", "ogg"],
  ["audio/mpeg", "mp3"],
  ["audio/mp4", "m4a"],
]);
const ROW = "insert into storage.objects (bucket_id, name, owner_id, version, metadata) values ($1, $2, $3, $4, $5)";

/** What the server does with files, for one environment. */
export function files(environment, database) {
  const { store, audio } = environment;

  /** A form that uploads one recording of a project; `size` is what the browser says of the file. */
  async function form(person, { project, type, size }) {
    const name = `${project}/${randomUUID()}.${ENDINGS.get(type) ?? "bin"}`;
    // As the person, and taken back: may they store this?
    await database.attempt(person, ROW, [audio.id, name, person, "1", { mimetype: type, contentLength: size }]);
    const taken = await database.asServer("select public.take_room($1, $2, $3) as room", [audio.id, name, size]);
    const room = taken[0].room === null ? null : Number(taken[0].room);
    return signUpload(store, audio, name, type, { folder: project, person, room });
  }

  /** Takes over what the form has sent; the person's own row in audio_recordings follows, by their own request. */
  async function finish(person, { project, name, version }) {
    await database.attemptAsServer(ROW, [audio.id, name, person, version, null]);
    const stored = await finishUpload(store, audio.id, name, version, { folder: project, person });
    await database.asServer(ROW, [audio.id, stored.name, person, stored.version, stored.metadata]);
    return { name: stored.name, size: stored.metadata.size };
  }

  /** An address of each stored file of a bucket below a folder that the person may read, newest first. */
  async function addresses(person, bucket, folder) {
    const text =
      "select name, version from storage.objects " +
      "where bucket_id = $1 and starts_with(name, $2) order by created_at desc limit 100";
    const rows = await database.as(person, text, [bucket, folder]);
    const signed = rows.map(async (row) => ({
      name: row.name,
      url: await signDownload(store, bucket, row.name, row.version),
    }));
    return Promise.all(signed);
  }

  return { form, finish, addresses };
}

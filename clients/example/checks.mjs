/** What the steps of the scenario check with. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";

/** What a request of supabase-js found; refused, it fails the step. */
export async function found(request) {
  const { data, error } = await request;
  assert.equal(error, null, error?.message);
  return data;
}

/** That a request of supabase-js is refused with a code. */
export async function refused(request, code) {
  const { data, error } = await request;
  assert.equal(error?.code, code, `${JSON.stringify(error)}, ${JSON.stringify(data)}`);
}

/** Waits until `holds` does, at most ten seconds. */
export async function until(holds, what) {
  const end = Date.now() + 10_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `it didn't come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Runs a command of the operator; its status. */
export async function command(text) {
  const [program, ...words] = text.split(" ");
  const [status] = await once(spawn(program, words, { stdio: ["ignore", "ignore", "ignore"] }), "exit");
  return status;
}

/** A second of silence as WAV, one channel of 8 kHz; with `more` behind it. */
export function wav(more = "") {
  const sound = Buffer.concat([Buffer.alloc(8000, 128), Buffer.from(more)]);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + sound.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 1],
    [34, 8],
  ])
    head.writeUInt16LE(value, at);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.write("data", 36);
  head.writeUInt32LE(sound.length, 40);
  return Buffer.concat([head, sound]);
}

/** Sends a file by a form of the server; the store's status. */
export async function send(form, bytes, fields = form.fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("file", new Blob([bytes]));
  return (await fetch(form.url, { method: "POST", body })).status;
}

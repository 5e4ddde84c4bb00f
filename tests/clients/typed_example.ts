/** An app with the types of the package: what it may write, and, by `@ts-expect-error`, what must not compile. */

import { createClient } from "@supabase/supabase-js";
import pg from "pg";
import { BUCKETS, type Bucket, type Claims, type Database, type Insert, type Row } from "visual-prompt-builder/database";
import { asPerson, eachAsPerson, listOwnProjects, listOwnProjectsPages, moveComponent, openProject, prepared, recordGeneration, showMyBudget } from "visual-prompt-builder/queries";

const supabase = createClient<Database>("http://127.0.0.1:1", "key");

/** Exactly the same type, which `extends` alone doesn't say. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<_Proof extends true>(): void {}

export async function throughTheApi(): Promise<void> {
  const { data: projects } = await supabase.from("projects").select("id, visibility, archived_at, settings").throwOnError();
  same<Same<(typeof projects)[number]["visibility"], "private" | "shared" | "public">>();
  same<Same<(typeof projects)[number]["archived_at"], string | null>>();

  const { data: embedded } = await supabase.from("project_components").select("kind, projects(title)").throwOnError();
  same<Same<(typeof embedded)[number]["projects"], { title: string }>>();

  const { data: members } = await supabase.rpc("project_members", { project: "…" }).throwOnError();
  same<Same<(typeof members)[number]["display_name"], string | null>>();
  same<Same<(typeof members)[number]["role"], "owner" | "viewer" | "editor" | "admin">>();

  const { data: room } = await supabase.rpc("take_room", { bucket: "audio", object: "a", size: 1 }).throwOnError();
  same<Same<typeof room, number | null>>();
  await supabase.rpc("move_component", { component: "…", after: null });
  await supabase.rpc("my_budget");

  const { data: sessions } = await supabase.schema("next_auth").from("sessions").select("expires").throwOnError();
  same<Same<(typeof sessions)[number], { expires: string }>>();

  // The database gives the place.
  await supabase.from("project_components").insert({ project_id: "…", kind: "text" });
  // What a file is, the database takes from the file.
  await supabase.from("audio_recordings").insert({ project_id: "…", bucket_id: "audio", object_path: "…", title: "Take one" });
  // @ts-expect-error no such kind of component
  await supabase.from("project_components").insert({ project_id: "…", kind: "video" });
  // @ts-expect-error no such visibility
  await supabase.from("projects").update({ visibility: "secret" });
  // @ts-expect-error a project has an owner
  await supabase.from("projects").insert({ title: "mine" });
  // @ts-expect-error a title is never null
  await supabase.from("projects").update({ title: null });
  // @ts-expect-error no such table
  await supabase.from("accounts").select();
  // @ts-expect-error no such function
  await supabase.rpc("remove_component", { component: "…" });
  // @ts-expect-error a component has to be named
  await supabase.rpc("move_component", { component: null });
  // @ts-expect-error who invited may have no name
  (await supabase.rpc("my_invitations").throwOnError()).data[0]!.invited_by.length;
}

export async function throughPostgres(): Promise<void> {
  const pool = new pg.Pool();
  const claims: Claims = { sub: "…", role: "authenticated" };
  const projects = await asPerson(pool, claims, (db) => listOwnProjects(prepared(db), { person: claims.sub! }));
  same<Same<(typeof projects)[number]["visibility"], Row<"projects">["visibility"]>>();
  for await (const page of listOwnProjectsPages(eachAsPerson(pool, claims), { person: claims.sub! })) page[0]?.title;

  const project = await openProject(pool, { project: "…" });
  same<Same<typeof project extends infer P | null ? (P extends { archived_at: infer A } ? A : never) : never, string | null>>();
  same<Same<Awaited<ReturnType<typeof showMyBudget>>[number]["hard"], string>>();
  await moveComponent(pool, { component: "…" });
  // @ts-expect-error it may be missing
  project.title;
  // @ts-expect-error a component has to be named
  await moveComponent(pool, { after: "…" });
  // @ts-expect-error tokens are numbers
  await recordGeneration(pool, { generation: "…", call: "…", tokens_in: "1", tokens_out: 1, cost: "0.01" });
  // @ts-expect-error nobody becomes the owner of the tables
  await asPerson(pool, { role: "app_owner" }, async () => undefined);
  // @ts-expect-error a person has an id
  await asPerson(pool, { role: "authenticated" }, async () => undefined);
}

export const bucket: Bucket = BUCKETS[0];
// @ts-expect-error no such bucket
export const none: Bucket = "videos";
export const inserted: Insert<"collaborators"> = { project_id: "…", email: "ada@example.org", role: "viewer" };
// @ts-expect-error no such role
export const wrong: Insert<"collaborators"> = { project_id: "…", email: "ada@example.org", role: "owner" };

/** The texts of a project, in their order: add, edit, move, delete, while others do too (docs/canvas.md). */
import { at, found, latest, make, say, supabase } from "./api.js";

const STALE = "PT409";
const components = () => supabase.from("project_components");

/** What of the canvas is on the page: the item of each component with what was read of it. */
const items = new Map();
let rows = [];
let opened = null;

const read = latest(({ id }) =>
    found(components().select("id, properties, revision").eq("project_id", id).eq("kind", "text").order("position")),
);

/** Reads the canvas, and shows it; a text that is being written stays as it is. */
export async function showCanvas(project) {
    const now = await read(project);
    if (!now || project.closed) return;
    rows = now;
    if (opened !== project) items.clear();
    opened = project;
    const shown = rows.map((row, index) => {
        const item = items.get(row.id) ?? newItem(project, row);
        items.set(row.id, item);
        refresh(item, row, index);
        return item.element;
    });
    for (const id of [...items.keys()]) if (!rows.some((row) => row.id === id)) items.delete(id);
    // What stands already in its place is left there, or the person who writes in it would lose the cursor.
    const list = at("canvas");
    shown.forEach((element, index) => {
        if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    while (list.children.length > shown.length) list.lastChild.remove();
}

function newItem(project, row) {
    const text = make("textarea", { rows: "2", ...(project.writes ? {} : { readonly: "" }) });
    const theirs = make("p", { class: "theirs" });
    const item = { id: row.id, text, theirs, saved: null };
    const button = (name, work) => make("button", { type: "button", onclick: work }, name);
    const buttons = project.writes
        ? [
              button("Save", () => save(project, item)),
              button("Up", () => up(project, item)),
              button("Delete", () => remove(project, item)),
          ]
        : [];
    item.element = make("li", {}, text, theirs, ...buttons);
    return item;
}

function refresh(item, row, index) {
    const now = row.properties.text ?? "";
    item.text.setAttribute("aria-label", `Text ${index + 1}`);
    const writing = item.saved !== null && item.text.value !== item.saved;
    if (writing && now !== item.saved) item.theirs.textContent = `Meanwhile it says: ${now}`;
    if (writing) return;
    item.theirs.textContent = "";
    Object.assign(item, { saved: now, revision: row.revision, properties: row.properties });
    if (item.text.value !== now) item.text.value = now;
}

async function save(project, item) {
    // What is typed meanwhile isn't saved yet.
    const sent = item.text.value;
    const properties = { ...item.properties, text: sent };
    const update = components().update({ properties, revision: item.revision }).eq("id", item.id).select("revision");
    const { data, error } = await update;
    if (error?.code === STALE) {
        await overtaken(project, item);
        return;
    }
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    // Row security answers with no row, and no error.
    if (!data.length) throw new Error("It isn't saved: the text is gone, or you may only read it now.");
    Object.assign(item, { saved: sent, revision: data[0].revision, properties });
    say("Saved.");
    await showCanvas(project);
}

/** Somebody was faster: both texts are shown, and the next save is on top of theirs. */
async function overtaken(project, item) {
    const row = await found(components().select("properties, revision").eq("id", item.id).single());
    Object.assign(item, { revision: row.revision, properties: row.properties, saved: row.properties.text ?? "" });
    item.theirs.textContent = `Meanwhile it says: ${item.saved}`;
    say("Somebody else has changed this text; yours isn't saved yet.");
}

async function up(project, item) {
    const index = rows.findIndex((row) => row.id === item.id);
    if (index < 1) return;
    await found(supabase.rpc("move_component", { component: item.id, after: rows[index - 2]?.id ?? null }));
    await showCanvas(project);
}

async function remove(project, item) {
    await found(components().delete().eq("id", item.id));
    await showCanvas(project);
}

/** Adds a text at the end. */
export async function addText(project, { text }) {
    await found(components().insert({ project_id: project.id, kind: "text", properties: { text } }));
    await showCanvas(project);
}

/** Recordings of a project: uploaded by a form that the server signs, heard once they are scanned clean. */
import { at, found, latest, make, say, server, supabase } from "./api.js";

const read = latest(({ id }) => {
    const rows = supabase
        .from("audio_recordings")
        .select("id, title, object_path, scan_status")
        .eq("project_id", id)
        .order("id");
    return Promise.all([found(rows), server("GET", `/api/recordings?project=${id}`)]);
});

/** Lists them with what the scanner says; who may hear one gets an address from the server. */
export async function showRecordings(project) {
    const now = await read(project);
    if (!now || project.closed) return;
    const [recordings, addresses] = now;
    const urls = new Map(addresses.map(({ name, url }) => [name, url]));
    const items = recordings.map((row) => {
        const url = urls.get(row.object_path);
        const sound = url ? [make("audio", { controls: "", preload: "none", src: url, "aria-label": row.title })] : [];
        return make("li", {}, `${row.title}: ${row.scan_status}`, ...sound);
    });
    at("recordings").replaceChildren(...items);
}

/** Uploads a file: a form, the file to the store, the row. */
export async function upload(project, { file }) {
    // Browsers say more than the type, such as the codec.
    const type = file.type.split(";")[0];
    const form = await server("POST", "/api/uploads", { project: project.id, type, size: file.size });
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
    body.append("file", file);
    const sent = await fetch(form.url, { method: "POST", body });
    if (!sent.ok) throw new Error("The store has refused the file.");
    const { name } = await server("POST", "/api/uploads/finish", {
        project: project.id,
        name: form.name,
        version: form.version,
    });
    await found(
        supabase
            .from("audio_recordings")
            .insert({ project_id: project.id, object_path: name, title: [...file.name].slice(0, 200).join("") }),
    );
    say("Uploaded; others hear it once it is scanned.");
    await showRecordings(project);
}

/** Who is here, their projects, and the one that is open. */
import { openAccount } from "./account.js";
import { at, auth, found, latest, make, me, onSubmit, say, shown, supabase } from "./api.js";
import { addText, showCanvas } from "./canvas.js";
import { showRecordings, upload } from "./recordings.js";

let open = null;
let stream = null;

async function signIn({ address, by }) {
    const hint = by === "google" ? `?login_hint=${encodeURIComponent(address)}` : "";
    const url = await auth(`/auth/signin/${by}${hint}`, by === "email" ? { email: address } : {});
    location.assign(url);
}

const readProjects = latest((query) =>
    found(
        query
            ? supabase.rpc("search_projects", { query, page_size: 20 })
            : supabase
                  .from("projects")
                  .select("id, title, owner_id")
                  .is("archived_at", null)
                  .order("updated_at", { ascending: false })
                  .limit(50),
    ),
);

async function listProjects() {
    const { user } = await me();
    const rows = await readProjects(at("query").value);
    if (!rows) return;
    const items = rows.map((row) => {
        const button = make("button", { type: "button", onclick: () => openProject(row.id) }, row.title);
        return make("li", {}, button, row.owner_id === user.id ? "" : " shared");
    });
    at("list").replaceChildren(...items);
}

async function listInvitations() {
    const rows = await found(supabase.rpc("my_invitations"));
    const items = rows.map((row) => {
        const accept = async () => {
            await found(supabase.rpc("accept_invitation", { invitation: row.id }));
            await Promise.all([listInvitations(), openProject(row.project_id)]);
        };
        return make(
            "li",
            {},
            `${row.title}, as ${row.role} `,
            make("button", { type: "button", onclick: accept }, "Accept"),
        );
    });
    at("invitations").replaceChildren(...items);
}

const readProject = latest((id) =>
    found(supabase.from("projects").select("id, title, owner_id, collaborators(user_id, role)").eq("id", id).single()),
);

async function openProject(id) {
    closeProject();
    const session = await me();
    const project = await readProject(id);
    // Another one was opened meanwhile.
    if (!project) return;
    const mine = project.collaborators.find((each) => each.user_id === session.user.id)?.role;
    const role = project.owner_id === session.user.id ? "owner" : mine;
    open = { id, writes: ["owner", "admin", "editor"].includes(role), owns: ["owner", "admin"].includes(role) };
    at("project-title").textContent = project.title;
    for (const form of document.querySelectorAll("[data-writes]")) form.hidden = !open.writes;
    for (const form of document.querySelectorAll("[data-owns]")) form.hidden = !open.owns;
    at("project").hidden = false;
    listen(open);
    await Promise.all([showCanvas(open), showRecordings(open), listProjects()]);
}

function closeProject() {
    stream?.close();
    stream = null;
    // What is read of it still isn't shown.
    if (open) open.closed = true;
    open = null;
    for (const id of ["canvas", "recordings"]) at(id).replaceChildren();
    at("project").hidden = true;
}

/** Changes of others, as they happen: what a row says now is read again. */
function listen(project) {
    const changes = new EventSource(`/api/changes?project=${project.id}`);
    stream = changes;
    const again = (tables) =>
        shown(async () => {
            if (project.closed) return;
            if (tables.has("project_components")) await showCanvas(project);
            if (tables.has("audio_recordings")) await showRecordings(project);
            if (tables.has("projects")) await listProjects();
        });
    const end = (why) => {
        changes.close();
        if (project.closed) return;
        closeProject();
        say(why);
        shown(listProjects);
    };
    const all = new Set(["project_components", "audio_recordings", "projects"]);
    changes.addEventListener("changes", ({ data }) => again(new Set(JSON.parse(data).map((each) => each.table))));
    // Also after a break, in which something may have been missed.
    for (const name of ["listening", "again"]) changes.addEventListener(name, () => again(all));
    changes.addEventListener("gone", () => end("The project is gone, or it isn't shared with you any more."));
    // After an answer that is no stream the browser doesn't ask again.
    changes.addEventListener("error", () => {
        if (changes.readyState === EventSource.CLOSED) end("The project can't be followed any more; open it again.");
    });
}

async function makeProject({ title }) {
    const id = await found(supabase.rpc("create_project", { title }));
    await openProject(id);
}

async function share({ address, role }) {
    await found(supabase.from("collaborators").insert({ project_id: open.id, email: address.toLowerCase(), role }));
    say(`Invited: ${address}`);
}

async function begin() {
    onSubmit("sign-in", signIn);
    const asked = new URLSearchParams(location.search);
    if (asked.has("error")) say("The sign-in was refused.");
    if (asked.has("sent")) say("The link is on its way.");
    const session = await me();
    at(session ? "projects" : "sign-in").hidden = false;
    if (!session) return;
    at("who").textContent = session.user.email;
    for (const id of ["who", "account"]) at(id).hidden = false;
    onSubmit("new", makeProject);
    onSubmit("add", (fields) => addText(open, fields));
    onSubmit("upload", (fields) => upload(open, fields));
    onSubmit("share", share);
    at("search").addEventListener("submit", (event) => event.preventDefault());
    at("query").addEventListener("input", () => shown(listProjects));
    openAccount();
    await Promise.all([listProjects(), listInvitations()]);
}

await shown(begin);

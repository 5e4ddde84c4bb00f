/** What all parts of the page use: the session, supabase-js with its token, the server, elements. */

/** A token is good for 15 minutes; after ten the session is asked for a new one. */
const FRESH_MILLISECONDS = 600_000;

let session;
let asked = 0;

/** The session, or null; asked for again when its token grows old. */
export async function me() {
    if (!asked || Date.now() - asked > FRESH_MILLISECONDS) {
        session = await (await fetch("/auth/session")).json();
        asked = Date.now();
    }
    return session;
}

const { url, key } = await (await fetch("/config.json")).json();

/** The database as this person, under row security. */
export const supabase = globalThis.supabase.createClient(url, key, { accessToken: token });

let signedIn = false;

/** The person's token. Once their session has ended nothing is asked: as a visitor they would be answered otherwise. */
async function token() {
    const current = await me();
    if (!current && signedIn) throw new Error("Your session has ended; sign in again.");
    signedIn = Boolean(current);
    return current?.supabaseAccessToken ?? null;
}

/** What a request of supabase-js found; an error has the code of PostgreSQL. */
export async function found(request) {
    const { data, error } = await request;
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return data;
}

/** Asks the app's server. */
export async function server(method, path, given) {
    const body = given && { body: JSON.stringify(given), headers: { "content-type": "application/json" } };
    const answer = await fetch(path, { method, ...body });
    const data = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(data.message), { code: data.code });
    return data;
}

/** Posts a form of Auth.js; where it leads. */
export async function auth(path, form = {}) {
    const { csrfToken } = await (await fetch("/auth/csrf")).json();
    const body = new URLSearchParams({ ...form, csrfToken });
    const answer = await fetch(path, { method: "POST", body, headers: { "x-auth-return-redirect": "1" } });
    return (await answer.json()).url;
}

export const at = (id) => document.getElementById(id);

/** Says one line to the person; readers of the screen hear it. */
export function say(text) {
    at("status").textContent = text;
}

/** An element with attributes and children; texts are texts, whatever they hold. */
export function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) {
        if (attribute.startsWith("on"))
            element.addEventListener(attribute.slice(2), (event) => shown(() => value(event)));
        else element.setAttribute(attribute, value);
    }
    element.append(...children);
    return element;
}

/** Runs something for the person, and says what is wrong with it. */
export async function shown(work) {
    try {
        await work();
    } catch (error) {
        say(error.code === "42501" ? "You may not do that." : error.message);
    }
}

/** Of several reads under way the one that was begun last counts; null for one that was overtaken. */
export function latest(read) {
    let begun = 0;
    return async (...given) => {
        const mine = ++begun;
        const answer = await read(...given);
        return mine === begun ? answer : null;
    };
}

/** Does something with the fields of a form each time that it is sent, then empties it. */
export function onSubmit(id, work) {
    at(id).addEventListener("submit", (event) => {
        event.preventDefault();
        const form = event.target;
        shown(async () => {
            await work(Object.fromEntries(new FormData(form, event.submitter)));
            form.reset();
        });
    });
}

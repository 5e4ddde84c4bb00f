/** Sign out, take one's data along, delete the account. */
import { at, auth, make, say, server, shown } from "./api.js";

export function openAccount() {
    at("sign-out").addEventListener("click", () => shown(signOut));
    at("export").addEventListener("click", () => shown(exportAll));
    at("leave").addEventListener("click", ask);
    at("sure").addEventListener("close", () => shown(leave));
}

/** Each time from the start: what was answered before doesn't count when the dialog is closed by Escape. */
function ask() {
    const dialog = at("sure");
    dialog.returnValue = "stay";
    at("again").value = "";
    dialog.showModal();
}

async function signOut() {
    await auth("/auth/signout");
    location.assign("/");
}

async function exportAll() {
    say("The export is being made.");
    await server("POST", "/api/exports", {});
    const links = (await server("GET", "/api/exports")).map(({ name, url }) =>
        make("li", {}, make("a", { href: url }, name.split("/")[1])),
    );
    at("exports").replaceChildren(...links);
    say("The export is ready.");
}

async function leave() {
    if (at("sure").returnValue !== "delete") return;
    await server("POST", "/api/account/delete", { address: at("again").value });
    location.assign("/");
}

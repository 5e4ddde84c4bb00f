/** The page and what it loads: files of `public`, and supabase-js as its package brings it for browsers. */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const PUBLIC = new URL("public/", import.meta.url);

/** Answers a request for a page; all files are read once, so no path of a request is one of the disk. */
export function pages(environment) {
  const supabase = createRequire(import.meta.url)
    .resolve("@supabase/supabase-js")
    .replace(/index\.[a-z]+$/, "umd/supabase.js");
  const found = new Map(readdirSync(PUBLIC).map((name) => [`/${name}`, entry(new URL(name, PUBLIC), name)]));
  found.set("/", found.get("/index.html"));
  found.set("/supabase.js", entry(supabase, "supabase.js"));
  const { url, key } = environment;
  found.set("/config.json", { type: "application/json", body: JSON.stringify({ url, key }) });
  const headers = {
    "content-security-policy": contentSecurityPolicy(environment),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
  };
  return (path, response) => {
    const { type, body } = found.get(path) ?? { type: "text/plain", body: "there is no such page\n" };
    response.writeHead(found.has(path) ? 200 : 404, { ...headers, "content-type": type, "cache-control": "no-cache" });
    response.end(body);
  };
}

function entry(file, name) {
  return { type: TYPES[name.split(".").at(-1)], body: readFileSync(file) };
}

/** Nothing inline, nothing of other sites but the API and the store. */
function contentSecurityPolicy({ url, storeOrigin }) {
  return (
    `default-src 'self'; connect-src 'self' ${url} ${storeOrigin}; media-src ${storeOrigin}; ` +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
  );
}

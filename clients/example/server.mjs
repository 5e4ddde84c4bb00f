/** The app's server: sign-in below /auth, the page, and below /api what only a server may do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";

import { ObjectError } from "visual-prompt-builder";

import { Changes, shows } from "./changes.mjs";
import { files } from "./files.mjs";
import { generate } from "./generations.mjs";
import { pages } from "./pages.mjs";
import { database } from "./people.mjs";
import { signIn } from "./auth.mjs";

const LARGEST_BODY = 100_000;
/** Tokens that an answer may have, where a request doesn't say it. */
const USUAL_ANSWER = 1000;
/** A stream of changes ends after so long; the page opens another one, and is asked who it is again. */
const STREAM_MILLISECONDS = 600_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** SQLSTATE → status, as PostgREST has it; `PTxyz` is the status itself. */
const STATUS = { 42501: 403, 23505: 409, 23503: 409, 23514: 400 };
const ITS_OWN_STATUS = /^PT(\d{3})$/;

/** What is refused, with a status and one line. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Starts the app.
 *
 * @param {ReturnType<import("./environment.mjs").environment>} environment
 * @param {{ port?: number, send: (link: { identifier: string, url: string }) => void }} options where it listens, on
 *   loopback, and what gets a sign-in link to its address
 */
export async function serve(environment, { port = 0, send }) {
  const app = {
    environment,
    auth: signIn(environment, send),
    database: database(environment),
    changes: new Changes(environment),
    page: pages(environment),
    /** People whose export is being made. */
    exporting: new Set(),
  };
  app.files = files(environment, app.database);
  const server = createServer((request, response) =>
    answer(app, request, response).catch((error) => failed(response, error)),
  );
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await Promise.all([app.changes.close(), app.database.close(), app.auth.close()]);
  };
  try {
    await app.changes.start();
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch (error) {
    await close();
    throw error;
  }
  app.origin = environment.origin ?? `http://localhost:${server.address().port}`;
  return { origin: app.origin, close };
}

async function answer(app, request, response) {
  const url = addressOf(app, request);
  if (!["GET", "POST"].includes(request.method)) throw new Refused(405, "GET or POST");
  if (url.pathname.startsWith("/auth/"))
    return pass(await app.auth.handle(await received(app, request, url)), response);
  if (!url.pathname.startsWith("/api/")) return app.page(url.pathname, response);
  const session = await app.auth.session(app.origin, request.headers.cookie ?? "");
  if (!session) throw new Refused(401, "sign in first");
  const route = ROUTES[`${request.method} ${url.pathname}`];
  if (!route) throw new Refused(404, "there is no such address");
  const given = request.method === "GET" ? Object.fromEntries(url.searchParams) : await json(app, request);
  const found = await route(app, session.user, given, response);
  if (found !== undefined) sendJson(response, 200, found);
}

/** An address of this site: what names another host would have Auth.js send links to it. */
function addressOf(app, request) {
  const url = URL.canParse(request.url, app.origin) ? new URL(request.url, app.origin) : null;
  if (url?.origin !== app.origin) throw new Refused(400, "the address must be a path of this site");
  return url;
}

/** What only a server may do, each as the person of the session. */
const ROUTES = {
  "GET /api/changes": listen,
  "POST /api/uploads": (app, { id }, { project, type, size }) =>
    app.files.form(id, { project: uuid(project), type: textOf("type", type), size: whole("size", size) }),
  "POST /api/uploads/finish": (app, { id }, { project, name, version }) =>
    app.files.finish(id, {
      project: uuid(project),
      name: textOf("name", name),
      version: textOf("version", version),
    }),
  "GET /api/recordings": (app, { id }, { project }) =>
    app.files.addresses(id, app.environment.audio.id, `${uuid(project)}/`),
  "POST /api/generations": (app, { id }, given) =>
    generate(app.database, id, {
      project: uuid(given.project),
      prompt: textOf("prompt", given.prompt),
      most: whole("most", given.most ?? USUAL_ANSWER),
    }),
  "GET /api/exports": (app, { id }) => app.files.addresses(id, "exports", `${id}/`),
  "POST /api/exports": (app, { id }) => exported(app, id),
  "POST /api/account/delete": leave,
};

/** Server-sent events of a project, to who may read it. */
async function listen(app, { id }, { project }, response) {
  if (!(await shows(app.environment, id, uuid(project))))
    throw new Refused(404, "there is no such project, or it isn't yours to read");
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const stop = app.changes.listen(project, id, (event, data) => {
    if (response.writableEnded) return;
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (event === "gone") response.end();
  });
  const end = setTimeout(() => response.end(), STREAM_MILLISECONDS);
  response.on("close", () => {
    clearTimeout(end);
    stop();
  });
  response.write("event: listening\ndata: {}\n\n");
}

/** On this machine the operator's command, once at a time for a person; elsewhere a job that an operator sees to. */
async function exported({ environment, exporting }, person) {
  if (!environment.exporter) throw new Refused(501, "an export is made by the operator: ./vpb people export-person");
  if (exporting.has(person)) throw new Refused(409, "an export of yours is being made");
  exporting.add(person);
  try {
    const [program, ...words] = environment.exporter.split(" ");
    const [status] = await once(spawn(program, [...words, person], { stdio: ["ignore", "ignore", "inherit"] }), "exit");
    if (status !== 0) throw new Error(`export: the command ended with status ${status}`);
    return { made: true };
  } finally {
    exporting.delete(person);
  }
}

async function leave(app, { id, email }, { address }) {
  // As Auth.js has stored it.
  if (String(address).toLowerCase() !== email.toLowerCase()) throw new Refused(400, "the address isn't that of the account; nothing was deleted");
  await app.auth.leave(id);
  return { deleted: true };
}

function uuid(text) {
  if (!UUID.test(text)) throw new Refused(400, "project: must be the id of a project");
  return text;
}

function textOf(name, value) {
  if (typeof value !== "string" || !value) throw new Refused(400, `${name}: must be a text`);
  return value;
}

function whole(name, number) {
  if (!Number.isSafeInteger(number) || number < 1) throw new Refused(400, `${name}: must be a whole number, 1 or more`);
  return number;
}

/** A JSON object that a page of this site has sent: a form of another site can't be of this type. */
async function json(app, request) {
  const { origin, "content-type": type } = request.headers;
  if (type !== "application/json" || (origin && origin !== app.origin))
    throw new Refused(415, "send JSON, from a page of this site");
  try {
    const found = JSON.parse(await text(request));
    if (found && typeof found === "object" && !Array.isArray(found)) return found;
  } catch (error) {
    if (error instanceof Refused) throw error;
  }
  throw new Refused(400, "the body must be a JSON object");
}

async function text(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST_BODY) throw new Refused(413, `a request has at most ${LARGEST_BODY} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function received(app, request, url) {
  const body = request.method === "POST" ? await text(request) : undefined;
  return new Request(url.href, { method: request.method, headers: request.headers, body });
}

async function pass(answered, response) {
  const headers = Object.fromEntries(answered.headers);
  response.writeHead(answered.status, { ...headers, "set-cookie": answered.headers.getSetCookie() });
  response.end(Buffer.from(await answered.arrayBuffer()));
}

function sendJson(response, status, body) {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}

function statusOf(error) {
  const code = String(error.code ?? "");
  const own = ITS_OWN_STATUS.exec(code);
  if (error.status) return error.status;
  if (own) return Number(own[1]);
  // Class 22 is a value that can't be.
  if (error instanceof ObjectError || code.startsWith("22")) return 400;
  return STATUS[code] ?? 500;
}

/** One line; an unexpected error is in the server's log alone. */
function failed(response, error) {
  const status = statusOf(error);
  if (status === 500) console.error(`server: ${error.message}`);
  if (response.headersSent) return response.end();
  // What is left of the request isn't read.
  if (status === 413) response.setHeader("connection", "close");
  sendJson(response, status, {
    code: error.code,
    message: status === 500 ? "something failed; the server's log says what" : error.message,
  });
}

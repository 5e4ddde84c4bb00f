/**
 * Changes of projects, as they happen: one subscriber to the publication `supabase_realtime` for the whole server, and
 * each change forwarded to those alone who may read the project at that moment (docs/realtime.md).
 *
 * Of a change go out table, kind and id. What the row says now, the page asks the API, under row security.
 */
import { randomUUID } from "node:crypto";

import { LogicalReplicationService, PgoutputPlugin } from "pg-logical-replication";
import { signToken } from "visual-prompt-builder/auth";

const PUBLICATION = "supabase_realtime";
const AGAIN_MILLISECONDS = 1000;
const ACKNOWLEDGE_SECONDS = 5;
const TOKEN_SECONDS = 60;

/** A slot that ends with its session: a server that has died keeps no WAL. */
class TemporarySlot extends LogicalReplicationService {
  slot = `example_${randomUUID().replaceAll("-", "")}`;

  async client() {
    const made = await super.client();
    await made[0].query(`CREATE_REPLICATION_SLOT "${this.slot}" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')`);
    return made;
  }
}

/**
 * Whether row security shows a project to a person: asked through the API, with a token of theirs.
 *
 * @throws {Error} where the API doesn't answer
 */
export async function shows(environment, person, project) {
  const token = await signToken(person, { secret: environment.jwtSecret, seconds: TOKEN_SECONDS });
  const address = `${environment.url}/rest/v1/projects?select=id&id=eq.${encodeURIComponent(project)}`;
  const answer = await fetch(address, { headers: { apikey: environment.key, authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`the API answers ${answer.status}`);
  return (await answer.json()).length === 1;
}

/** The project that a change is of, and what is said of it; null for a message that is no change of a row. */
export function described(message) {
  const row = message.new ?? message.key ?? message.old;
  if (!row || !message.relation) return null;
  const table = message.relation.name;
  return { project: table === "projects" ? row.id : row.project_id, change: { table, kind: message.tag, id: row.id } };
}

/** Listeners by project, and the one subscriber that they share. */
export class Changes {
  #listeners = new Set();
  #transaction = new Map();
  #forwarded = Promise.resolve();
  #service = null;
  #closed = false;

  constructor(environment) {
    this.environment = environment;
  }

  /**
   * Subscribes; once it listens, no change is missed. Where the connection ends later, it subscribes again.
   *
   * @throws what the server says where the login can't replicate
   */
  async start() {
    try {
      await this.#subscribe();
    } catch (error) {
      this.#closed = true;
      throw error;
    }
  }

  async #subscribe() {
    const connection = { connectionString: this.environment.replicationUrl };
    const service = new TemporarySlot(connection, { acknowledge: { auto: true, timeoutSeconds: ACKNOWLEDGE_SECONDS } });
    this.#service = service;
    // Events of a service that was replaced are ignored.
    const lost = () => this.#service === service && this.#lost();
    const listening = new Promise((resolve, reject) => {
      service.once("start", resolve);
      service.once("error", reject);
    });
    service.on("data", (_, message) => this.#heard(message));
    service.on("error", lost);
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [PUBLICATION] });
    const ended = service.subscribe(plugin, service.slot).then(() => {
      throw new Error("the subscription has ended");
    });
    ended.catch(lost);
    await Promise.race([listening, ended]);
  }

  /** Forwards changes of a project to a person until the returned function is called; `send(event, data)`. */
  listen(project, person, send) {
    const listener = { project, person, send };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close() {
    this.#closed = true;
    await this.#service?.stop();
  }

  #heard(message) {
    if (message.tag === "commit") {
      const changes = this.#transaction;
      this.#transaction = new Map();
      this.#forwarded = this.#forwarded.then(() => this.#forward(changes)).catch(() => this.#lost());
      return;
    }
    const found = described(message);
    if (found) this.#transaction.set(found.project, [...(this.#transaction.get(found.project) ?? []), found.change]);
  }

  /** The changes of one transaction. Who may not read the project any more is sent `gone` and nothing of them. */
  async #forward(transaction) {
    for (const [project, changes] of transaction) {
      const concerned = [...this.#listeners].filter((listener) => listener.project === project);
      const people = [...new Set(concerned.map((listener) => listener.person))];
      const shown = new Map();
      for (const person of people) shown.set(person, await shows(this.environment, person, project));
      for (const { person, send } of concerned) {
        if (shown.get(person)) send("changes", changes);
        else send("gone", {});
      }
    }
  }

  /** Something may have been missed: pages read everything again, and the subscriber begins again. */
  #lost() {
    if (this.#closed || !this.#service) return;
    this.#service.removeAllListeners();
    this.#service.stop().catch(() => {});
    this.#service = null;
    this.#transaction = new Map();
    setTimeout(() => this.#again(), AGAIN_MILLISECONDS).unref();
  }

  async #again() {
    if (this.#closed) return;
    try {
      await this.#subscribe();
    } catch {
      return this.#lost();
    }
    for (const { send } of this.#listeners) send("again", {});
  }
}

/** A person at the app without a page: an HTTP client that keeps cookies, and supabase-js with the token of the session. */
import WebSocket from "ws";

import { createClient } from "@supabase/supabase-js";

// Node has one from version 22 on, and supabase-js wants it though nothing here uses it.
globalThis.WebSocket ??= WebSocket;

export class Browser {
  #cookies = new Map();

  /** @param {string} origin the app's  @param {{ url: string, key: string }} api where supabase-js asks */
  constructor(origin, api) {
    this.origin = origin;
    this.api = api;
  }

  /** One request; a redirect is an answer, since it may set cookies. */
  async ask(address, options = {}) {
    const url = new URL(address, this.origin);
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...options.headers, ...(url.origin === this.origin ? { cookie } : {}) };
    const answer = await fetch(url, { redirect: "manual", ...options, headers });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      this.#cookies.set(name, value);
    }
    return answer;
  }

  /** Follows an address to where it ends; the last address. */
  async follow(address) {
    for (let at = new URL(address, this.origin).href, steps = 0; steps < 10; steps += 1) {
      const location = (await this.ask(at)).headers.get("location");
      if (!location) return at;
      at = new URL(location, at).href;
    }
    throw new Error(`${address} leads nowhere`);
  }

  async #post(path, form = {}) {
    const { csrfToken } = await (await this.ask("/auth/csrf")).json();
    return this.ask(path, { method: "POST", body: new URLSearchParams({ ...form, csrfToken }) });
  }

  /** By the provider; where it ends. */
  async signIn(email) {
    const answer = await this.#post(`/auth/signin/google?login_hint=${encodeURIComponent(email)}`);
    return this.follow(answer.headers.get("location"));
  }

  /** Asks for a link to an address. */
  async askForLink(email) {
    await this.#post("/auth/signin/email", { email });
  }

  async session() {
    return (await this.ask("/auth/session")).json();
  }

  /** Asks the app's server, with JSON or with nothing; status and body. */
  async server(method, path, given) {
    const body = given && { body: JSON.stringify(given), headers: { "content-type": "application/json" } };
    const answer = await this.ask(path, { method, ...body });
    return { status: answer.status, body: await answer.json() };
  }

  /** supabase-js as this person; each request has a token of the session as it is then. */
  supabase() {
    const accessToken = async () => (await this.session())?.supabaseAccessToken ?? this.api.key;
    return createClient(this.api.url, this.api.key, { accessToken });
  }

  /** Listens to a project; what was heard, and how it ends. */
  async listen(project) {
    const answer = await this.ask(`/api/changes?project=${project}`);
    const stream = { status: answer.status, heard: [], over: false };
    if (answer.status === 200) {
      // It also ends where the server is gone.
      read(answer.body, stream).catch(() => (stream.over = true));
    }
    return stream;
  }
}

/** Server-sent events, each as { event, data }. */
async function read(body, stream) {
  let text = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const whole = (text + part).split("\n\n");
    text = whole.pop();
    for (const message of whole) {
      const [, event, data] = message.match(/^event: (.*)\ndata: (.*)$/);
      stream.heard.push({ event, data: JSON.parse(data) });
    }
  }
  stream.over = true;
}

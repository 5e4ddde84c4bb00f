/** The app in development: the server beside a provider of its own unless a real one is named, with secrets of its own. */
import { randomBytes } from "node:crypto";

import { environment } from "./environment.mjs";
import { startProvider } from "./provider.mjs";
import { serve } from "./server.mjs";

/**
 * Starts both.
 *
 * @param {{ port?: number, send: (link: { identifier: string, url: string }) => void }} options as `serve` takes them
 */
export async function start(options) {
  const provider = process.env.AUTH_GOOGLE_ID ? { variables: {}, close: () => {} } : await startProvider();
  try {
    const own = { AUTH_SECRET: randomBytes(32).toString("base64url"), ...provider.variables };
    const known = environment({ ...own, ...process.env });
    const app = await serve(known, options);
    return { environment: known, origin: app.origin, close: () => Promise.all([app.close(), provider.close()]) };
  } catch (error) {
    await provider.close();
    throw error;
  }
}

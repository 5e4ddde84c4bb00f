/** Serves the page: node page.mjs PORT. */
import { start } from "./running.mjs";

try {
  const send = ({ identifier, url }) => console.log(`sign-in link for ${identifier}: ${url}`);
  const app = await start({ port: Number(process.argv[2]), send });
  console.log(`the page: ${app.origin}; uploads wait for ./vpb scan; Ctrl-C ends`);
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}

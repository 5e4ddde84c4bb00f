// What Supabase's clients find around PostgREST: its gateway, which takes /rest/v1 off an address, and a WebSocket,
// which Node 20 lacks. Imported first.
import WebSocket from "ws"

globalThis.WebSocket ??= WebSocket

const fetched = globalThis.fetch
globalThis.fetch = (address, options) => fetched(String(address).replace("/rest/v1", ""), options)

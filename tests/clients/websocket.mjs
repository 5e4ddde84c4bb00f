// A WebSocket, which supabase-js wants and Node 20 lacks. Imported first.
import WebSocket from "ws"

globalThis.WebSocket ??= WebSocket

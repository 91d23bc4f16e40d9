// The addresses of a server.

import { ConnectError } from "./errors.js";

/** The addresses for both transports. */
export interface Endpoint {
  readonly webSocket: URL;
  /** Absent without TLS, which WebTransport needs. */
  readonly webTransport: URL | null;
}

/** Reads the address of a server: `wss://play.example`, `https://play.example/v1/ws`, or relative to the page. */
export function endpoint(url: string | URL, webTransport?: string | URL): Endpoint {
  let webSocket: URL;
  try {
    webSocket = new URL(url, globalThis.location?.href);
    webSocket.protocol = webSocket.protocol.replace("http", "ws");
    if (!/^wss?:$/.test(webSocket.protocol)) throw webSocket.protocol;
    webSocket.hash = "";
    if (webSocket.pathname === "/") webSocket.pathname = "/v1/ws";
    if (webTransport) return { webSocket, webTransport: new URL(webTransport, globalThis.location?.href) };
  } catch (cause) {
    throw new ConnectError("bad_url", `${String(webTransport ?? url)} is no address of a server`, { cause });
  }
  if (webSocket.protocol !== "wss:") return { webSocket, webTransport: null };
  const address = webSocket.href.replace("wss", "https").replace(/\/ws(?=$|\?)/, "/wt");
  return { webSocket, webTransport: new URL(address) };
}

// The transport over a WebSocket.

import type { Frame } from "./codec.js";
import type { Dial } from "./transport.js";

/**
 * The part of the WebSocket API that the client uses. Browsers, Node.js 22, Deno and Bun have it; on Node.js 20 the package
 * `ws` does.
 *
 * @example
 * ```ts
 * import { WebSocket } from "ws";
 * const client = connect({ url, WebSocket });
 * ```
 */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/**
 * A WebSocket, as far as the client uses it.
 *
 * @example
 * ```ts
 * const socket: WebSocketLike = new WebSocket("wss://play.example.org/v1/ws");
 * ```
 */
export interface WebSocketLike {
  /** Set to `"arraybuffer"`. */
  binaryType: string;
  /** 1 while the connection is open. */
  readonly readyState: number;
  /** Called once it is open. */
  onopen: ((event: never) => void) | null;
  /** Called with each message. */
  onmessage: ((event: never) => void) | null;
  /** Called before `onclose` after a failure. */
  onerror: ((event: never) => void) | null;
  /** Called at the end. */
  onclose: ((event: never) => void) | null;
  /** Sends text or bytes. */
  send(data: never): void;
  /** Closes the connection. */
  close(code?: number, reason?: string): void;
}

interface Socket extends Omit<WebSocketLike, "onmessage" | "onclose" | "onerror" | "send"> {
  onerror: ((event?: { message?: string; error?: { message?: string } }) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(data: Frame): void;
}

const OPEN = 1;
/** What may stand in a subprotocol (RFC 9110 section 5.6.2); JSON Web Tokens do. */
const SUBPROTOCOL = /^[\w!#$%&'*+.^`|~-]+$/;

/** Returns a function that opens WebSockets of a class. Throws what the class throws, for example of a bad URL. */
export function webSocketDial(Class: WebSocketConstructor): Dial {
  return ({ url, token, subprotocol }, events) => {
    const protocols = [subprotocol];
    const address = new URL(url);
    if (token && SUBPROTOCOL.test(token)) protocols.push(`bearer.${token}`);
    else if (token) address.searchParams.set("token", token);
    const socket = new Class(address.href, protocols) as unknown as Socket;
    let opened = false;
    let detail: string | undefined;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
    };
    const end = (code: number, reason: string): void => {
      if (socket.onclose) events.onClosed({ code, reason, opened, detail });
      socket.onclose = null;
    };
    socket.onerror = (event) => {
      detail = event?.message || event?.error?.message; // only outside of browsers
      if (!opened) setTimeout(end, 0, 1006, ""); // Node.js lets no `close` follow
    };
    socket.onmessage = ({ data }) => {
      events.onFrame(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
    };
    socket.onclose = ({ code, reason }) => end(code, reason);
    return {
      send(frame) {
        if (socket.readyState === OPEN) socket.send(frame);
      },
      close() {
        socket.onopen = socket.onmessage = socket.onclose = null;
        try {
          socket.close(1000);
        } catch {
          // it is closed already
        }
      },
    };
  };
}

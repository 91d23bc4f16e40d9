// The platform of a client: transports, hints of the page, time and chance.

import { failed } from "./close.js";
import { ConnectError } from "./errors.js";
import type { Hint } from "./session-machine.js";
import type { Dial, Transport } from "./transport.js";
import type { ConnectOptions } from "./types.js";
import { webSocketDial } from "./websocket.js";
import type { WebTransportConstructor } from "./webtransport.js";

/** Returns the function that opens connections, and whether they may have datagrams. */
export function dialOf(options: ConnectOptions, webTransportUrl: URL | null): [dial: Dial, hasDatagrams: boolean] {
  const WebSocketClass = options.WebSocket ?? (globalThis.WebSocket as unknown as ConnectOptions["WebSocket"]);
  if (!WebSocketClass) throw new ConnectError("no_websocket", "no WebSocket");
  const webSocket = webSocketDial(WebSocketClass);
  const WebTransportClass =
    options.WebTransport ?? (globalThis as { WebTransport?: ConnectOptions["WebTransport"] }).WebTransport;
  if (options.transport === "websocket" || !WebTransportClass || !webTransportUrl) return [webSocket, false];
  const { url: _, ...more } = options.webTransport ?? {};
  return [lazyDial(WebTransportClass, webTransportUrl, more, webSocket), true];
}

// Loads the code of WebTransport when it is used for the first time, so that other applications do without.
function lazyDial(Class: WebTransportConstructor, url: URL, options: object, webSocket: Dial): Dial {
  let race: Promise<Dial> | undefined;
  return (target, events) => {
    let transport: Transport | null = null;
    let isClosed = false;
    race ??= import("./race.js").then(
      ({ raceTransports }) => raceTransports(Class, url, options, webSocket, now),
      () => webSocket, // without the code
    );
    race
      .then((dial) => {
        if (!isClosed) transport = dial(target, events);
      })
      .catch((error) => events.onClosed(failed(error)));
    return {
      send: (frame, isLossy) => transport?.send(frame, isLossy),
      close() {
        isClosed = true;
        transport?.close();
      },
    };
  };
}

/** Passes on what the browser tells the page. Returns a function that stops that. */
export function listenToPage(hint: (hint: Hint) => void): () => void {
  if (!globalThis.document) return () => {};
  const onOnline = () => hint("online");
  const onVisibility = () => hint(document.visibilityState);
  addEventListener("online", onOnline);
  document.addEventListener("visibilitychange", onVisibility);
  if (document.hidden) onVisibility();
  return () => {
    removeEventListener("online", onOnline);
    document.removeEventListener("visibilitychange", onVisibility);
  };
}

/** The time in milliseconds. Monotonic, so that a jump of the clock changes nothing. */
export function now(): number {
  return performance.now();
}

/** Returns the id of a client. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

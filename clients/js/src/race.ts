// WebTransport first, with a WebSocket beside it if that takes too long. The connection that speaks first is used.

import type { Closed } from "./close.js";
import type { Frame } from "./codec.js";
import type { Dial, Transport } from "./transport.js";
import { type WebTransportConstructor, webTransportDial } from "./webtransport.js";

/** The time for which WebTransport is tried alone. */
const HEAD_START_MS = 1_000;
/** The time for which it is not tried again after a failure. */
const AVOID_MS = 600_000;

/** Returns a function that opens a session of WebTransport, or a WebSocket if that does not work. */
export function raceTransports(
  Class: WebTransportConstructor,
  url: URL,
  options: object,
  webSocket: Dial,
  now: () => number,
): Dial {
  return raceDial(webTransportDial(Class, url, options), webSocket, now);
}

/** Returns a function that opens whichever of two transports works. */
export function raceDial(first: Dial, second: Dial, now: () => number): Dial {
  let avoidUntil = 0;
  return (target, events) => {
    if (now() < avoidUntil) return second(target, events);
    const running = new Set<Transport>();
    let used: Transport | null = null;
    let isClosed = false;

    const start = (dial: Dial): void => {
      let transport: Transport | null = null;
      const fail = (closed: Closed): void => {
        if (transport) running.delete(transport);
        if (isClosed || (used && used !== transport)) return;
        if (dial === first && closed.code === 1006) avoidUntil = now() + AVOID_MS;
        if (dial === first && !used && running.size === 0) return startSecond();
        if (running.size > 0 && !used) return;
        isClosed = true;
        clearTimeout(timer);
        events.onClosed(closed);
      };
      const onFrame = (frame: Frame): void => {
        if (isClosed) return;
        if (!used) {
          used = transport;
          clearTimeout(timer);
          for (const other of running) if (other !== transport) other.close();
          if (dial === second) avoidUntil = now() + AVOID_MS;
        }
        if (used === transport) events.onFrame(frame);
      };
      try {
        transport = dial(target, { onFrame, onClosed: fail });
        running.add(transport);
      } catch (error) {
        fail({ code: 1006, reason: "", opened: false, detail: (error as Error)?.message });
      }
    };
    let hasSecond = false;
    const startSecond = (): void => {
      clearTimeout(timer);
      if (hasSecond || used || isClosed) return;
      hasSecond = true;
      start(second);
    };
    const timer = setTimeout(startSecond, HEAD_START_MS);
    start(first);
    return {
      send: (frame, isLossy) => used?.send(frame, isLossy),
      close() {
        isClosed = true;
        clearTimeout(timer);
        for (const transport of running) transport.close();
      },
    };
  };
}

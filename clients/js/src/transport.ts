// Transports, which carry frames: a WebSocket, or a session of WebTransport.

import type { Closed } from "./close.js";
import type { Frame } from "./codec.js";

/** Where to connect, and as whom. */
export interface Target {
  readonly url: URL;
  readonly token: string | undefined;
  readonly subprotocol: string;
}

/** What a transport tells. Nothing after `onClosed`. */
export interface TransportEvents {
  onFrame(frame: Frame): void;
  onClosed(closed: Closed): void;
}

/** A connection, or one that is being opened. */
export interface Transport {
  /** Sends a frame. `isLossy`: it may be lost, and may overtake others. */
  send(frame: Frame, isLossy: boolean): void;
  /** Closes with 1000 without waiting for the other side. No event follows. */
  close(): void;
}

/** Opens a connection. */
export type Dial = (target: Target, events: TransportEvents) => Transport;

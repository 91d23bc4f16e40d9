// The SDK of Grandstand for browsers and Node.js.

export type { BackoffOptions } from "./backoff.js";
export { type Client, connect } from "./client.js";
export type { Encoding } from "./codec.js";
export { AuthError, ConnectError, GrandstandError, InputError, JoinError } from "./errors.js";
export { merge } from "./merge.js";
export type { PlayerPresence, Presence } from "./messages.js";
export type { Room } from "./room.js";
export type { Hint } from "./session-machine.js";
export type { ConnectionState, Status } from "./status.js";
export type {
  Ack,
  ClientEvents,
  ConnectOptions,
  GameTypes,
  JoinOptions,
  Part,
  PassedMessage,
  Reset,
  Role,
  RoomEvents,
  Version,
  WebTransportSettings,
} from "./types.js";
export type { WebSocketConstructor, WebSocketLike } from "./websocket.js";
export type { WebTransportConstructor, WebTransportLike } from "./webtransport.js";

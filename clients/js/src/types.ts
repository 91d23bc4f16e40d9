// Types that applications name: options, and those of a game.

import type { BackoffOptions } from "./backoff.js";
import type { Encoding } from "./codec.js";
import type { GrandstandError, InputError } from "./errors.js";
import type { Presence } from "./messages.js";
import type { Room } from "./room.js";
import type { Status } from "./status.js";
import type { WebSocketConstructor } from "./websocket.js";
import type { WebTransportConstructor } from "./webtransport.js";

/**
 * The types of a game. Each is optional; what is missing is `unknown`. Without any, as in `join("relay-1")`, all are `any`.
 *
 * @example
 * ```ts
 * interface TwentyOne extends GameTypes {
 *   state: { players: string[]; turn: number; count: number };
 *   input: 1 | 2 | 3;
 * }
 * const room = await client.join<TwentyOne>("twentyone-1");
 * room.state?.count; // number | undefined
 * await room.send(2);
 * ```
 */
export interface GameTypes {
  /** The view of the room. */
  state?: unknown;
  /** What players send. */
  input?: unknown;
  /** What changes the view, if the game does not use patches. */
  update?: unknown;
  /** What one player alone gets. */
  direct?: unknown;
  /** Lossy messages, in both directions. */
  live?: unknown;
  /** What a new room is created with. */
  params?: unknown;
}

/**
 * The type of one part of a game: `unknown` if the game's types lack it, `any` without types.
 *
 * @example
 * ```ts
 * type View = Part<TwentyOne, "state">; // { players: string[]; turn: number; count: number }
 * ```
 */
export type Part<G extends GameTypes, K extends keyof GameTypes> =
  G extends Record<K, infer T>
    ? T
    : GameTypes extends G
      ? // biome-ignore lint/suspicious/noExplicitAny: without types, as for JavaScript
        any
      : unknown;

/**
 * The role of a client in a room.
 *
 * @example
 * ```ts
 * const role: Role = wantsToPlay ? "player" : "spectator";
 * ```
 */
export type Role = "player" | "spectator";

/**
 * Where an update or a snapshot stands in the room's stream of versions.
 *
 * @example
 * ```ts
 * room.on("update", (update, { version, prev }: Version) => console.log(`${prev} → ${version}`, update));
 * ```
 */
export interface Version {
  /** The version of the view after it. */
  readonly version: number;
  /** The version before an update. */
  readonly prev?: number;
  /** The epoch of a snapshot; compare it for equality only. */
  readonly epoch?: string;
}

/**
 * Why a room is not what the client knew.
 *
 * @example
 * ```ts
 * room.on("reset", ({ why }: Reset) => show(why === "room_restarted" ? "A new game" : "The server lost the last moves"));
 * ```
 */
export interface Reset {
  /** `room_restarted`: the room was created again. `room_rolled_back`: the server's storage came back in an older state. */
  readonly why: "room_restarted" | "room_rolled_back";
  /** The last input that holds, after `room_rolled_back`. */
  readonly lastSeq?: number;
}

/**
 * What a room tells, and the arguments of the listeners.
 *
 * @example
 * ```ts
 * room.on("change", (state) => draw(state));
 * room.on("status", ({ state, why }) => banner(state, why));
 * ```
 */
export interface RoomEvents<G extends GameTypes = GameTypes> {
  /** The state changed, by a snapshot, a patch or the reducer. */
  change: [state: Part<G, "state">];
  /** A change of the view, as the game sent it. */
  update: [update: Part<G, "update">, at: Version];
  /** The whole view; replaces all that was known. */
  snapshot: [state: Part<G, "state">, at: Version];
  /** A message for this player only. It may be repeated after a reconnect: the latest counts. */
  direct: [data: Part<G, "direct">];
  /** A lossy message, or a frame of a game in real time. */
  live: [data: Part<G, "live">];
  /** The people in the room. */
  presence: [presence: Presence];
  /** The game refused an input; its `send` rejects with the same error. */
  reject: [error: InputError];
  /** The room is connected, waits for a connection, or has ended. */
  status: [status: Status];
  /** The room is another one, or an older one, than the client knew. */
  reset: [reset: Reset];
  /** The client is in the room no more, and does not come back by itself. */
  left: [error: GrandstandError];
  /** The server let the client in, also after a reconnect. */
  joined: [room: Room<G>];
}

/**
 * A message of the protocol that has passed, for inspectors. Tokens are in it.
 *
 * @example
 * ```ts
 * client.on("message", (direction, { type, ...fields }: PassedMessage) => console.debug(direction, type, fields));
 * ```
 */
export interface PassedMessage {
  /** The type of the message, as the protocol names it. */
  readonly type: string;
  /** The room that it is about. */
  readonly room?: string | undefined;
}

/**
 * What a client tells, and the arguments of the listeners.
 *
 * @example
 * ```ts
 * client.on("error", (error) => console.warn(error.message));
 * client.on("tokenExpiring", async () => client.setToken(await fetchToken()));
 * ```
 */
export interface ClientEvents {
  /** The state of the connection. */
  status: [status: Status];
  /** A problem that no promise tells. */
  error: [error: GrandstandError];
  /** The token expires within a minute, and there is no `getToken`. */
  tokenExpiring: [];
  /** A message passed; for inspectors. */
  message: [direction: "in" | "out", message: PassedMessage];
}

/**
 * Settings of WebTransport.
 *
 * @example
 * ```ts
 * connect({ url, webTransport: { url: "https://play.example.org:8443/v1/wt" } });
 * ```
 */
export interface WebTransportSettings {
  /** The address, if it is not that of the WebSocket with `/v1/wt`. */
  url?: string | URL;
  /** Hashes of certificates that no authority has signed, for tests. Other options of sessions pass as well. */
  serverCertificateHashes?: readonly object[];
}

/**
 * Options of `connect`.
 *
 * @example
 * ```ts
 * const options: ConnectOptions = {
 *   url: "wss://play.example.org",
 *   getToken: async () => (await fetch("/token")).text(),
 *   backoff: { maxAttempts: 20 },
 * };
 * ```
 */
export interface ConnectOptions {
  /** The address of the server: `wss://play.example.org`, with another path than `/v1/ws` if need be. */
  url: string | URL;
  /** The token of the player. */
  token?: string | undefined;
  /** Returns a token. Called before the first connection, before a token expires, and after it was refused. */
  getToken?: (() => string | Promise<string>) | undefined;
  /** The encoding: `"json"` (the default), or `protobuf` of `@grandstand/client/protobuf`. */
  encoding?: "json" | Encoding | undefined;
  /** `"auto"` (the default): WebTransport if `url` is `wss:` and both sides have it, else a WebSocket. */
  transport?: "auto" | "websocket" | undefined;
  /** The address of WebTransport, if it is not that of `url`; and options of sessions, such as `serverCertificateHashes`. */
  webTransport?: WebTransportSettings | undefined;
  /** The class of WebSockets; by default the global one. */
  WebSocket?: WebSocketConstructor | undefined;
  /** The class of WebTransport sessions; by default the global one. */
  WebTransport?: WebTransportConstructor | undefined;
  /** Bounds of the waits between attempts to connect. */
  backoff?: BackoffOptions | undefined;
  /** The time until a server must answer; 10,000 by default. */
  connectTimeoutMs?: number | undefined;
  /** Whether to ask an unreachable server with a plain request why; `true` by default. */
  diagnose?: boolean | undefined;
}

/**
 * Options of `join`.
 *
 * @example
 * ```ts
 * const options: JoinOptions<TwentyOne> = { role: "spectator", on: { change: draw } };
 * ```
 */
export interface JoinOptions<G extends GameTypes = GameTypes> {
  /** `"spectator"` asks for less than the token allows. */
  role?: Role | undefined;
  /** Used if this join creates the room. */
  params?: Part<G, "params"> | undefined;
  /** An invitation: a token for this room alone. */
  token?: string | undefined;
  /** Makes the next state, for games whose updates are no patches. It must not change its argument. */
  reducer?: ((state: Part<G, "state">, update: Part<G, "update">) => Part<G, "state">) | undefined;
  /** Whether lossy messages may come as datagrams, over WebTransport; `true` by default. */
  datagrams?: boolean | undefined;
  /** The time until the join fails with `timeout`; 30,000 by default, `Infinity` to wait. */
  timeoutMs?: number | undefined;
  /** Listeners that also hear what comes before the join is done, such as the first snapshot. */
  on?: { [E in keyof RoomEvents<G>]?: (...args: RoomEvents<G>[E]) => void } | undefined;
}

/**
 * What `send` resolves with.
 *
 * @example
 * ```ts
 * const { seq }: Ack = await room.send({ op: "flip", card: 5 });
 * ```
 */
export interface Ack {
  /** The number of the input. */
  readonly seq: number;
}

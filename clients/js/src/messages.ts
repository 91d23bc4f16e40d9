// The messages of the protocol, as the machines see them. An encoding turns them into frames and back.

/** Data of an outgoing message: a JSON text, or bytes. */
export type Payload = { readonly json: string } | { readonly bytes: Uint8Array };

/** A message to the server. `id`, `room` and `seq` come first: the server reads only the start of messages it refuses. */
export interface ClientMessage {
  id?: number | undefined;
  type: "join" | "leave" | "input" | "live" | "ping" | "auth";
  room?: string;
  seq?: number;
  role?: string | undefined;
  params?: unknown;
  since?: number;
  epoch?: string;
  client?: string;
  attempt?: number;
  datagrams?: true | undefined;
  token?: string | undefined;
  payload?: Payload;
}

/** The limits of a client, from `welcome`. */
export interface Limits {
  message_bytes?: number;
  rooms?: number;
  window?: number;
  json_depth?: number;
}

/**
 * The people in a room.
 *
 * @example
 * ```ts
 * room.on("presence", ({ players, viewers }) => console.log(players?.map(({ id }) => id), viewers));
 * ```
 */
export interface Presence {
  /** The players, if there are at most 64. */
  readonly players?: readonly PlayerPresence[];
  /** The number of players, if there are more than 64. */
  readonly playerCount?: number;
  /** The number of spectators. */
  readonly viewers: number;
}

/**
 * A player in a room.
 *
 * @example
 * ```ts
 * const isAway = ({ state }: PlayerPresence) => state === "lost";
 * ```
 */
export interface PlayerPresence {
  /** The player's name: `sub` of the token. */
  readonly id: string;
  /** `lost`: the connection is gone, and the player may come back. */
  readonly state: "connected" | "lost";
}

/** Messages of the server by type. */
export interface ServerMessages {
  welcome: { protocol: number; heartbeat_ms?: number; limits?: Limits; connection?: string; edge?: string };
  joined: { room: string; role: "player" | "spectator"; instance?: string; last_seq?: number; id?: number };
  left: { room: string; code: string; id?: number };
  snapshot: { room: string; epoch: string; version: number; data?: unknown; patch?: string };
  update: { room: string; version: number; prev: number; data?: unknown };
  direct: { room: string; data?: unknown };
  live: { room: string; data?: unknown; n?: number };
  ack: { room: string; seq: number };
  reject: { room: string; seq: number; code: string; message?: string };
  presence: { room: string; players?: PlayerPresence[]; player_count?: number; viewers?: number };
  pong: { id?: number; time_ms?: number };
  notice: { code: string; reconnect_in_ms?: number; id?: number };
  error: { code: string; message?: string; id?: number; room?: string; seq?: number; retry_after_ms?: number };
}

/** A message of the server. */
export type ServerMessage = { [T in keyof ServerMessages]: { type: T } & ServerMessages[T] }[keyof ServerMessages];

/** The message of one type. */
export type Message<T extends keyof ServerMessages> = { type: T } & ServerMessages[T];

// The fields that must be there: strings, and whole numbers after a `#`.
const REQUIRED: Record<keyof ServerMessages, string> = {
  welcome: "#protocol",
  joined: "room role",
  left: "room code",
  snapshot: "room epoch #version",
  update: "room #version #prev",
  direct: "room",
  live: "room",
  ack: "room #seq",
  reject: "room #seq code",
  presence: "room",
  pong: "",
  notice: "code",
  error: "code",
};

// Those that may be there.
const OPTIONAL =
  "#id #seq #last_seq #heartbeat_ms #reconnect_in_ms #retry_after_ms #player_count #viewers #n instance room message";

const DATA = /^(snapshot|update|direct|live)$/;

/** What a decoded frame is: a message, one of an unknown type (to be ignored), or none. */
export type Checked = { message: ServerMessage } | "unknown" | "bad";

/** Checks the fields that the machines rely on. */
export function check(value: unknown): Checked {
  if (typeof value !== "object" || value === null) return "bad";
  const fields = value as Record<string, unknown>;
  if (typeof fields.type !== "string") return "bad";
  if (!Object.hasOwn(REQUIRED, fields.type)) return "unknown";
  const has = (names: string, isOptional: boolean) =>
    names.split(" ").every((name) => {
      const value = fields[name.replace("#", "")];
      return (isOptional && value == null) || (name[0] === "#" ? isCount(value) : !name || typeof value === "string");
    });
  const good =
    has(REQUIRED[fields.type as keyof ServerMessages], false) &&
    has(OPTIONAL, true) &&
    (!DATA.test(fields.type) || fields.data !== undefined) &&
    (fields.limits == null || Object.values(fields.limits).every(isCount)) &&
    (fields.players == null || Array.isArray(fields.players));
  return good ? { message: value as ServerMessage } : "bad";
}

/** Whether a value is a whole number that can count something. */
export function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

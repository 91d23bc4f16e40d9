// Errors of the SDK. Every error names what is wrong by `code`, and says in `hint` what to do.
// Fields that a constructor sets are declared only, because a field that is emitted as well makes the package bigger.

/** What an error carries besides its text. */
export interface ErrorDetail {
  /** The room that the error is about. */
  room?: string | undefined;
  /** The number of the input that the error is about. */
  seq?: number | undefined;
  /** The time after which another try helps, as the server says. */
  retryAfterMs?: number | undefined;
  /** The error that led to this one. */
  cause?: unknown;
  /** Whether the game refused an input. */
  rejected?: boolean | undefined;
  /** What to do, if the code does not say it. */
  hint?: string | undefined;
  /** What a plain request found out about a server that cannot be reached. */
  diagnosis?: string | undefined;
  /** The HTTP status of that request. */
  httpStatus?: number | undefined;
}

const HINTS = new Map(
  Object.entries({
    bad_data: "send JSON or bytes",
    bad_url: "use an address such as wss://play.example",
    forbidden: "use a token that grants this",
    no_websocket: "pass `WebSocket` of the package `ws`",
    replaced: "call `client.reconnect()` to play here",
    timeout: "check the server and the network",
    unauthenticated: "use a valid token, or `getToken`",
    unreachable: "check the server, its address and the network",
    unsupported_protocol: "update the client",
  }),
);

/**
 * The base of all errors of the SDK.
 *
 * @example
 * ```ts
 * room.send({ op: "flip", card: 5 }).catch((error) => {
 *   if (error instanceof GrandstandError) console.log(error.code, error.hint);
 * });
 * ```
 */
export class GrandstandError extends Error {
  /** The name of the class. */
  override readonly name: string = "GrandstandError";
  /** What is wrong, for programs: `room_full`, `unauthenticated`, or a code of the game. */
  declare readonly code: string;
  /** What to do about it, for developers; empty for codes of the game. */
  declare readonly hint: string;
  /** The room that the error is about. */
  declare readonly room: string | undefined;
  /** The number of the input that the error is about. */
  declare readonly seq: number | undefined;
  /** The time after which another try helps, as the server says. */
  declare readonly retryAfterMs: number | undefined;

  /** @internal */
  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    const hint = detail.hint ?? ((!detail.rejected && HINTS.get(code)) || "");
    super(hint && !detail.room && hint !== message ? `${message}: ${hint}` : message, detail);
    this.code = code;
    this.hint = hint;
    this.room = detail.room;
    this.seq = detail.seq;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/**
 * There is no usable connection. Codes: `unreachable` (`diagnosis` may say more), `lost`, `timeout`, `unsupported_protocol`,
 * `bad_message` (the server sent what is no message), `bad_url`, `no_websocket`, `replaced`, `closed` (by the application), and
 * those of the server: `going_away`, `rate_limited`, `overloaded`, `internal`, `protocol_error` and others.
 *
 * @example
 * ```ts
 * client.on("status", ({ error }) => {
 *   if (error instanceof ConnectError && error.code === "unreachable") show("The server is away");
 * });
 * ```
 */
export class ConnectError extends GrandstandError {
  /** The name of the class. */
  override readonly name = "ConnectError";
  /**
   * What a plain request found out about an `unreachable` server: `offline`, `bad_response` (for example a proxy with 502 and
   * HTML), or `captive_portal` (another page answers).
   */
  declare readonly diagnosis: string | undefined;
  /** The HTTP status of that request. */
  declare readonly httpStatus: number | undefined;

  /** @internal */
  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(code, message, detail);
    this.diagnosis = detail.diagnosis;
    this.httpStatus = detail.httpStatus;
  }
}

/**
 * The server refuses the token, or the origin of the page. Codes: `unauthenticated`, `forbidden`, `revoked`, `token_failed`
 * (`getToken` failed), `superseded` (a newer token was set).
 *
 * @example
 * ```ts
 * client.on("status", ({ state, error }) => {
 *   if (state === "closed" && error instanceof AuthError) location.href = "/login";
 * });
 * ```
 */
export class AuthError extends GrandstandError {
  /** The name of the class. */
  override readonly name = "AuthError";
}

/**
 * A room cannot be joined, or was left. Codes: `room_full`, `no_such_game`, `bad_room`, `forbidden`, `finished`, `replaced`,
 * `kicked`, `left`, `timeout`, and those of the game.
 *
 * @example
 * ```ts
 * try {
 *   await client.join("memory-1");
 * } catch (error) {
 *   if (error instanceof JoinError && error.code === "room_full") await client.join("memory-1", { role: "spectator" });
 * }
 * ```
 */
export class JoinError extends GrandstandError {
  /** The name of the class. */
  override readonly name = "JoinError";
}

/**
 * An input was not applied. Codes: those of the game, `room_restarted`, `room_rolled_back`, `too_big`, `bad_data`,
 * `forbidden` (a spectator sends none), `busy` (too many wait), `left`, and those of the room's end.
 *
 * @example
 * ```ts
 * room.on("reject", (error: InputError) => console.log(`input ${error.seq}: ${error.code}`));
 * ```
 */
export class InputError extends GrandstandError {
  /** The name of the class. */
  override readonly name = "InputError";
  /** Whether the game refused the input; else it did not reach the game, or its outcome is unknown. */
  declare readonly rejected: boolean;

  /** @internal */
  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(code, message, detail);
    this.rejected = detail.rejected ?? false;
  }
}

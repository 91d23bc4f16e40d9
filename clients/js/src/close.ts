// Why connections end, and what follows.

import { AuthError, ConnectError, type GrandstandError } from "./errors.js";
import type { Message } from "./messages.js";

const CODES: Record<number, string> = {
  1002: "protocol_error",
  1003: "unsupported_data",
  1007: "bad_utf8",
  1008: "policy",
  1009: "too_big",
  1011: "internal",
  1012: "going_away",
  1013: "overloaded",
  4001: "unauthenticated",
  4003: "forbidden",
  4008: "timeout",
  4009: "replaced",
  4010: "timeout",
  4029: "rate_limited",
};

/** The end of a connection, as the transport tells it. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
  /** Whether the connection was open, so that a server answered. */
  readonly opened: boolean;
  /** What the platform says about a failure, if anything. */
  readonly detail?: string | undefined;
}

/** The end of a connection that could not be opened. */
export function failed(error: unknown): Closed {
  return { code: 1006, reason: "", opened: false, detail: (error as Error)?.message };
}

/** What the client does after the end of a connection. */
export type AfterClose = "retry" | "retry_later" | "token" | "final";

/** Decides what follows. `refusal`: the error without a room and an id that came before. */
export function afterClose({ code, reason }: Closed, refusal: Message<"error"> | null): AfterClose {
  if (code === 4001 || code === 4003) return "token";
  if (code === 1013 || code === 4029) return "retry_later";
  const noRoom = code === 4008 && (refusal?.code ?? reason) === "no_room";
  return noRoom || [1002, 1003, 1007, 4009].includes(code) ? "final" : "retry";
}

/** The error that tells why a connection ended. */
export function closeError(
  { code, reason, opened, detail }: Closed,
  refusal: Message<"error"> | null,
): GrandstandError {
  const isAuth = code === 4001 || code === 4003;
  const byCode = reason === "no_room" ? reason : CODES[code];
  const error = refusal?.code ?? byCode ?? (opened ? "lost" : "unreachable");
  const why = byCode ? `: ${code} ${reason}` : detail ? ` (${detail})` : "";
  const text = refusal?.message || (opened ? `the connection ended${why}` : `the server cannot be reached${why}`);
  // A refused origin is no matter of the token, and the text says what to do.
  const hint = isAuth && text.includes("edge.origins") ? text : undefined;
  const more = { retryAfterMs: refusal?.retry_after_ms, hint };
  return isAuth ? new AuthError(error, text, more) : new ConnectError(error, text, more);
}

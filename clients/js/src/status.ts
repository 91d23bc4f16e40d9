// The states of a client and of a room.

import type { GrandstandError } from "./errors.js";

/**
 * The name of a state. `connecting`: not connected yet. `connected`. `reconnecting`: the connection was lost, and the client
 * tries again; inputs wait. `degraded`: connected, but the servers behind are away, and inputs may wait. `closed`: nothing
 * happens until the application does something.
 *
 * @example
 * ```ts
 * const colors: Record<ConnectionState, string> = {
 *   connecting: "grey", connected: "green", reconnecting: "orange", degraded: "yellow", closed: "red",
 * };
 * ```
 */
export type ConnectionState = "connecting" | "connected" | "reconnecting" | "degraded" | "closed";

/**
 * A state with its reason.
 *
 * @example
 * ```ts
 * client.on("status", ({ state, why, retryInMs }) => console.log(state, why, retryInMs));
 * ```
 */
export interface Status {
  /** The name of the state. */
  readonly state: ConnectionState;
  /** The code of the reason, for example `unreachable` or `replaced`; `null` if there is none to tell. */
  readonly why: string | null;
  /** The reason, with what to do about it. */
  readonly error?: GrandstandError;
  /** The time until the next attempt to connect. */
  readonly retryInMs?: number;
}

/** Makes a status. */
export function status(state: ConnectionState, error?: GrandstandError, retryInMs?: number): Status {
  return {
    state,
    why: error?.code ?? null,
    ...(error && { error }),
    ...(retryInMs !== undefined && { retryInMs }),
  };
}

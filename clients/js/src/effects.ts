// Effects: requests of the machines to the shell around them. The machines do no I/O and read no clock.

import type { GrandstandError } from "./errors.js";
import type { ClientMessage, Limits } from "./messages.js";
import type { RoomMachine } from "./room-machine.js";
import type { Status } from "./status.js";

/** A connection, as the machines know it. */
export interface Link {
  /** The number of the connection; grows with each. */
  readonly attempt: number;
  /** The time of `welcome`, or `null` before it. */
  welcomedAt: number | null;
  limits: Limits;
}

/** An event of a room, with the arguments of its listeners. */
export interface RoomEvent {
  readonly name: string;
  readonly args: readonly unknown[];
  /** The fields of the room that change with the event. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** One request to the shell. They are carried out in order. */
export type Effect =
  | { readonly do: "dial"; readonly link: Link; readonly token: string | undefined }
  | { readonly do: "hang_up"; readonly link: Link }
  | { readonly do: "send"; readonly link: Link; readonly message: ClientMessage }
  | { readonly do: "get_token" }
  | { readonly do: "status"; readonly status: Status }
  | { readonly do: "emit"; readonly name: string; readonly args: readonly unknown[] }
  | { readonly do: "room_event"; readonly room: RoomMachine; readonly event: RoomEvent }
  /** The join is done (without an error), or has failed. */
  | { readonly do: "joined"; readonly room: RoomMachine; readonly error?: GrandstandError }
  /** A promise of `send`, `leave` or `setToken` ends. */
  | { readonly do: "settle"; readonly key: number; readonly error: GrandstandError | null; readonly value: unknown };

/** What the machines have from the shell. */
export interface Outside {
  /** Queues an effect. */
  put(effect: Effect): void;
  /** A random number in [0, 1). */
  random(): number;
  /** The random id of this client, which guards its connections against late ones. */
  readonly client: string;
}

/** What the machines of one client share. */
export interface Context extends Outside {
  /** Sends a message on a link. Returns its id. */
  send(link: Link, message: ClientMessage): number;
  /** Ends a promise. */
  settle(key: number, error?: GrandstandError | null, value?: unknown): void;
  /** The least wait of the backoff. */
  readonly minMs: number;
}

/** Makes what the machines of one client share. */
export function context(outside: Outside, minMs: number): Context {
  let lastId = 0;
  return {
    ...outside,
    minMs,
    send(link, message) {
      const id = ++lastId;
      outside.put({ do: "send", link, message: { id, ...message } });
      return id;
    },
    settle: (key, error = null, value) => outside.put({ do: "settle", key, error, value }),
  };
}

// A hook for React, as an optional entry point.

import { useEffect, useState, useSyncExternalStore } from "react";
import type { Client } from "./client.js";
import type { GrandstandError } from "./errors.js";
import type { Presence } from "./messages.js";
import type { Room } from "./room.js";
import type { Status } from "./status.js";
import type { GameTypes, JoinOptions, Part } from "./types.js";

/**
 * What {@link useRoom} returns. A new object for each change, so that `memo` and `useEffect` may compare its parts.
 *
 * @example
 * ```tsx
 * function Banner({ status, error }: UseRoom) {
 *   return status.state === "connected" ? null : <p>{error?.message ?? status.state}</p>;
 * }
 * ```
 */
export interface UseRoom<G extends GameTypes = GameTypes> {
  /** The room, once it is joined. */
  readonly room: Room<G> | undefined;
  /** The state of the room. */
  readonly state: Part<G, "state"> | undefined;
  /** The latest message for this player only. */
  readonly private: Part<G, "direct"> | undefined;
  /** The people in the room. */
  readonly presence: Presence | undefined;
  /** The state of the connection. */
  readonly status: Status;
  /** Why the room could not be joined, or has ended. */
  readonly error: GrandstandError | undefined;
}

const INITIAL: UseRoom = {
  room: undefined,
  state: undefined,
  private: undefined,
  presence: undefined,
  status: { state: "connecting", why: null },
  error: undefined,
};

/** A room that components share. It is left when the last of them is gone. */
class Shared {
  view = INITIAL;
  users = 0;
  readonly joined: Promise<Room>;
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly client: Client,
    readonly name: string,
    options: JoinOptions,
  ) {
    const follow = () => {
      const { room } = this.view;
      if (room)
        this.#change({ state: room.state, private: room.private, presence: room.presence, status: room.status });
    };
    const on = { change: follow, snapshot: follow, update: follow, direct: follow, presence: follow, status: follow };
    this.joined = client.join(name, options);
    this.joined.then(
      (room) => {
        for (const [event, listener] of Object.entries(on)) room.on(event as keyof typeof on, listener);
        room.on("left", (error) => this.#change({ error }));
        this.#change({ room });
        follow();
      },
      (error: GrandstandError) => this.#change({ error, status: { state: "closed", why: error.code, error } }),
    );
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #change(view: Partial<UseRoom>): void {
    this.view = { ...this.view, ...view };
    for (const listener of this.#listeners) listener();
  }
}

const shared = new WeakMap<Client, Map<string, Shared>>();

/**
 * Joins a room while the component is mounted, and renders it again when the room changes. Components that name the same
 * room share it, and the last one leaves it; `options` count for the first.
 *
 * @example
 * ```tsx
 * function Board() {
 *   const { state, room, status } = useRoom<TwentyOne>(client, "twentyone-1");
 *   if (!state) return <p>{status.state}…</p>;
 *   return <button onClick={() => room?.send(1)}>{state.count}</button>;
 * }
 * ```
 */
export function useRoom<G extends GameTypes = GameTypes>(
  client: Client,
  name: string,
  options: JoinOptions<G> = {},
): UseRoom<G> {
  const [entry, setEntry] = useState<Shared | null>(null);
  useEffect(() => {
    const entry = enter(client, name, options as unknown as JoinOptions);
    entry.users++;
    setEntry(entry);
    return () => {
      entry.users--;
      setTimeout(() => leave(entry)); // a component may be mounted again at once, as in StrictMode
    };
    // The options count for the first join alone.
  }, [client, name]);
  const current = entry?.client === client && entry.name === name ? entry : null;
  const view = () => current?.view ?? INITIAL;
  return useSyncExternalStore(current?.subscribe ?? subscribeToNothing, view, view) as unknown as UseRoom<G>;
}

const subscribeToNothing = () => () => {};

function enter(client: Client, name: string, options: JoinOptions): Shared {
  const rooms = shared.get(client) ?? new Map<string, Shared>();
  shared.set(client, rooms);
  let entry = rooms.get(name);
  if (!entry) {
    entry = new Shared(client, name, options);
    rooms.set(name, entry);
  }
  return entry;
}

// Leaves the room of an entry that nobody uses, once it is joined: until then a component may still come back to it.
function leave(entry: Shared): void {
  const rooms = shared.get(entry.client);
  const forget = (): boolean => entry.users === 0 && rooms?.get(entry.name) === entry && rooms.delete(entry.name);
  entry.joined.then((room) => {
    if (forget()) void room.leave();
  }, forget);
}

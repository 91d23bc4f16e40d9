// A room as the application sees it.

import { toPayload } from "./codec.js";
import type { RoomEvent } from "./effects.js";
import { Emitter } from "./emitter.js";
import { InputError } from "./errors.js";
import type { Payload, Presence } from "./messages.js";
import type { RoomMachine } from "./room-machine.js";
import { type Status, status } from "./status.js";
import type { Ack, GameTypes, Part, Role, RoomEvents } from "./types.js";

/** What a room asks of its client. @internal */
export interface RoomHost {
  send(room: RoomMachine, payload: Payload, size: number): Promise<Ack>;
  live(room: RoomMachine, payload: Payload): void;
  leave(room: RoomMachine): Promise<void>;
}

/**
 * A room that the client has joined. It stays the same object through reconnects.
 *
 * @example
 * ```ts
 * const room = await client.join("memory-1");
 * room.on("change", (state) => draw(state));
 * await room.send({ op: "flip", card: 5 });
 * await room.leave();
 * ```
 */
export class Room<G extends GameTypes = GameTypes> {
  /** The room's name. */
  readonly name: string;
  /** The view: the last snapshot, with the patches or updates since. Do not change it. */
  readonly state: Part<G, "state"> | undefined;
  /** The latest message for this player only: the private view, if the game has one. */
  readonly private: Part<G, "direct"> | undefined;
  /** The role that the server granted. */
  readonly role: Role | undefined;
  /** The people in the room. */
  readonly presence: Presence | undefined;
  /** Whether the room is connected, with the reason if it is not. */
  readonly status: Status = status("connecting");
  readonly #machine: RoomMachine;
  readonly #host: RoomHost;
  readonly #emitter = new Emitter();
  /** Events that wait until the application has got the room. */
  #held: RoomEvent[] | null = null;

  /** @internal */
  constructor(machine: RoomMachine, host: RoomHost) {
    this.name = machine.name;
    this.#machine = machine;
    this.#host = host;
  }

  /**
   * Adds a listener. Returns a function that removes it.
   *
   * @example
   * ```ts
   * const stop = room.on("presence", ({ viewers }) => show(`${viewers} watch`));
   * stop();
   * ```
   */
  on<E extends keyof RoomEvents<G> & string>(event: E, listener: (...args: RoomEvents<G>[E]) => void): () => void {
    return this.#emitter.on(event, listener as unknown as (...args: never[]) => void);
  }

  /**
   * Sends an input. Resolves once it is stored and processed, however often the connection is lost in between. Rejects with
   * an {@link InputError} if the game refuses it, or if the room ends before. A rejection that nobody handles stops nothing.
   *
   * @example
   * ```ts
   * try {
   *   await room.send({ op: "flip", card: 5 });
   * } catch (error) {
   *   if (error instanceof InputError && error.code === "not_your_turn") shake();
   * }
   * ```
   */
  send(data: Part<G, "input">): Promise<Ack> {
    const outgoing = toPayload(data);
    const sent = outgoing
      ? this.#host.send(this.#machine, outgoing.payload, outgoing.size)
      : Promise.reject(new InputError("bad_data", "the data is no JSON", { room: this.name }));
    sent.catch(() => {}); // an application may listen to `reject` instead
    return sent;
  }

  /**
   * Sends a message that may be lost: a cursor, a position, a control of a game in real time. Without a connection it is
   * dropped.
   *
   * @example
   * ```ts
   * addEventListener("pointermove", ({ x, y }) => room.live({ x, y }));
   * ```
   */
  live(data: Part<G, "live">): void {
    const outgoing = toPayload(data);
    if (outgoing) this.#host.live(this.#machine, outgoing.payload);
  }

  /**
   * Leaves the room. Resolves once the server has taken the client out; inputs without an answer fail with `left`.
   *
   * @example
   * ```ts
   * await room.leave();
   * ```
   */
  leave(): Promise<void> {
    return this.#host.leave(this.#machine);
  }

  /** An event of the machine. @internal */
  handle(event: RoomEvent): void {
    if (this.#held) this.#held.push(event);
    else this.#deliver(event);
  }

  /** The application gets the room now: events wait until it has had time to add listeners. @internal */
  hold(): void {
    this.#held = [];
    setTimeout(() => {
      // A listener may cause further events, which come after those that wait.
      for (let event = this.#held?.shift(); event; event = this.#held?.shift()) this.#deliver(event);
      this.#held = null;
    });
  }

  #deliver({ name, args, fields }: RoomEvent): void {
    Object.assign(this, fields);
    this.#emitter.emit(name, name === "joined" ? [this] : args);
  }
}

// One room of a client: its place in the stream of versions, its inputs, and when it joins. Pure: messages and time go in,
// effects come out.

import type { Context, Link } from "./effects.js";
import { AuthError, type GrandstandError, InputError, JoinError } from "./errors.js";
import { asInputError, Inputs } from "./inputs.js";
import { merge } from "./merge.js";
import type { Message, Payload, ServerMessage } from "./messages.js";
import { type Status, status } from "./status.js";

/** The least wait before a join or an input is repeated, whatever the server says. */
const MIN_RETRY_MS = 100;

/** How a room is joined. */
export interface RoomSettings {
  readonly role?: "player" | "spectator" | undefined;
  readonly params?: unknown;
  readonly token?: string | undefined;
  readonly datagrams?: boolean | undefined;
  readonly reducer?: ((state: unknown, update: unknown) => unknown) | undefined;
}

/** A room that the client has joined or is joining. */
export class RoomMachine {
  declare readonly name: string;
  readonly #settings: RoomSettings;
  readonly #context: Context;
  readonly #inputs: Inputs;
  /** The link that serves the room. */
  link: Link | null = null;
  /** The link on which a join was sent that is not answered yet. */
  #joining: Link | null = null;
  #joinId = 0;
  #newest = 0; // the attempt of the newest link on which a join was sent
  #firstJoinId = 0; // the first one on the link
  #rejoinAt: number | null = null;
  #gapAt = -Infinity;
  #epoch = "";
  #version: number | null = null; // null while a snapshot is needed
  #merges = false;
  #state: unknown;
  #lastN = -1;
  #instance: string | null = null;
  #role: string | null = null;
  #isReady = false;
  #leaving: { keys: number[]; id: number } | null = null;
  /** The room ended: the client is not in it and does not come back. */
  ended: GrandstandError | null = null;
  /** Why the server has not admitted the client yet; it joins again. */
  refusal: GrandstandError | null = null;

  constructor(name: string, settings: RoomSettings, context: Context) {
    this.name = name;
    this.#settings = settings;
    this.#context = context;
    this.#inputs = new Inputs(name, context);
  }

  /** When `poll` has something to do. */
  get deadline(): number {
    return Math.min(this.#rejoinAt ?? Infinity, this.link && !this.#leaving ? this.#inputs.deadline : Infinity);
  }

  /** Whether the application is leaving the room. */
  get isLeaving(): boolean {
    return this.#leaving !== null;
  }

  /** Joins on a link, and resumes where the room was. */
  enter(link: Link): void {
    const { role, params, token, datagrams } = this.#settings;
    this.#rejoinAt = null;
    this.#newest = Math.max(this.#newest, link.attempt);
    this.#joinId = this.#context.send(link, {
      type: "join",
      room: this.name,
      ...(role && { role }),
      ...(params !== undefined && { params }),
      ...(this.#version !== null && { since: this.#version, epoch: this.#epoch }),
      client: this.#context.client,
      attempt: link.attempt,
      ...(datagrams && { datagrams }),
      ...(token && { token }),
    });
    if (this.#joining !== link) this.#firstJoinId = this.#joinId;
    this.#joining = link;
  }

  /** Sends an input, as soon as it may be sent. */
  send(key: number, payload: Payload, size: number, now: number): void {
    const error = this.ended ?? (this.#role === "spectator" ? spectator(this.name) : null);
    if (error) return this.#context.settle(key, asInputError(error));
    this.#inputs.add(key, payload, size);
    this.poll(now);
  }

  /** Sends a lossy message, or drops it. */
  live(payload: Payload): void {
    const { link } = this;
    if (this.#role === "spectator") return; // the server would refuse it
    if (link) this.#context.send(link, { type: "live", room: this.name, payload });
  }

  /** Leaves the room. */
  leave(key: number): void {
    const { link } = this;
    if (this.ended || !link) {
      this.giveUp(leftError(this.name));
      return this.#context.settle(key);
    }
    if (this.#leaving) return void this.#leaving.keys.push(key);
    this.#leaving = { keys: [key], id: this.#sendLeave(link) };
    this.#inputs.failAll(leftError(this.name));
  }

  /** Ends the room without waiting for the server. A join that is under way would still take the player in. */
  giveUp(error: GrandstandError): void {
    const link = this.#joining ?? this.link;
    if (link) this.#sendLeave(link);
    this.end(error);
  }

  #sendLeave(link: Link): number {
    return this.#context.send(link, { type: "leave", room: this.name });
  }

  /** The application has left the room. */
  endLeft(): void {
    this.end(leftError(this.name));
  }

  /** Does what is due. `link`: the connection on which the room may join. */
  poll(now: number, link: Link | null = null): void {
    if (this.#rejoinAt !== null && now >= this.#rejoinAt && link) this.enter(link);
    if (!this.#leaving) this.#inputs.poll(this.link, now);
  }

  /** The inputs and the join are sent again after a time, because the server read none of them. */
  repeat(link: Link, until: number): void {
    if (this.link === link) this.#inputs.pause(until);
    if (this.#joining === link) this.#rejoinAt = until;
  }

  /** A link is gone. */
  onLinkLost(link: Link, reason: Status): void {
    if (this.#joining === link) this.#joining = null;
    if (this.link !== link) return;
    this.link = null;
    if (this.#leaving) this.endLeft();
    else this.onStatus(reason);
  }

  /** The state of the connection changed while the room is waiting for it, or is served by it. */
  onStatus(status: Status): void {
    if (this.#isReady) this.#event("status", [status], { status });
  }

  /** All promises fail, and the room waits until the application connects again. */
  suspend(error: GrandstandError, reason: Status): void {
    this.link = this.#joining = this.#rejoinAt = null;
    this.#inputs.failAll(error);
    if (this.#leaving || !this.#isReady) this.end(error, true);
    else this.onStatus(reason);
  }

  /** The server closed the link because an input was too big, and did not name it. */
  onTooBig(message: string): void {
    this.#inputs.failSent(message);
  }

  /** Handles a message for this room, which came on a link. */
  handle(link: Link, message: ServerMessage, now: number): void {
    if (message.type === "joined") return this.#onJoined(link, message, now);
    if (message.type === "error") return this.#onError(link, message, now);
    if (message.type === "left") return this.#onLeft(link, message);
    if (link !== this.link || this.#leaving) return; // from before a drain, or after leaving
    switch (message.type) {
      case "snapshot":
        return this.#onSnapshot(message);
      case "update":
        return this.#onUpdate(link, message, now);
      case "direct":
        return this.#event("direct", [message.data], { private: message.data });
      case "live":
        if (message.n != null && message.n <= this.#lastN) return; // overtaken
        this.#lastN = message.n ?? this.#lastN;
        return this.#event("live", [message.data]);
      case "presence":
        return this.#onPresence(message);
      case "ack":
        this.#inputs.onAck(message.seq);
        return this.poll(now);
      case "reject": {
        const error = this.#inputs.onReject(message);
        if (error) this.#event("reject", [error]);
        return this.poll(now);
      }
    }
  }

  #onJoined(link: Link, message: Message<"joined">, now: number): void {
    const isAnswer = this.#joining === link && (message.id ?? this.#joinId) >= this.#firstJoinId;
    if (!isAnswer && this.link !== link) return; // not asked for on this link
    const { role } = message;
    const lastSeq = message.last_seq ?? 0;
    const instance = message.instance ?? null;
    if (this.link !== link) this.#lastN = -1;
    if (isAnswer) this.#joining = this.#rejoinAt = null;
    this.link = link;
    // One that nobody asked for changes nothing about inputs that were sent, unless they are gone.
    let restarts = isAnswer;
    if (this.#instance !== null && instance !== null && this.#instance !== instance) {
      restarts = true;
      this.#inputs.onRestarted();
      this.#version = null;
      this.#event("reset", [{ why: "room_restarted" }]);
    } else if (role === "player" && this.#inputs.rollBack(lastSeq)) {
      restarts = true;
      this.#onRolledBack(lastSeq);
    }
    this.#instance = instance ?? this.#instance;
    this.#role = role;
    this.#event("joined", [], { role });
    if (role === "player") {
      if (restarts) this.#inputs.restart(lastSeq);
      this.poll(now);
    } else {
      this.#inputs.failAll(spectator(this.name));
    }
    if (this.#isReady) this.onStatus(status("connected"));
    else if (instance === null) this.#ready(); // a spectator who waits for the room
  }

  // The application gets the room together with its first state.
  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.onStatus(status("connected"));
    this.#context.put({ do: "joined", room: this });
  }

  #onSnapshot({ epoch, version, data, patch }: Message<"snapshot">): void {
    // Older than what another link has brought: the updates that follow lead on from there.
    if (epoch === this.#epoch && this.#version !== null && version < this.#version) return;
    this.#epoch = epoch;
    this.#version = version;
    this.#merges = patch === "merge";
    this.#state = data;
    this.#event("snapshot", [data, { version, epoch }], { state: data });
    this.#event("change", [data]);
    this.#ready();
  }

  #onUpdate(link: Link, { version, prev, data }: Message<"update">, now: number): void {
    if (this.#version === null || version <= this.#version) return; // a snapshot is on its way, or a repeat
    if (prev !== this.#version) return this.#onGap(link, now);
    const { reducer } = this.#settings;
    const follows = this.#merges || reducer !== undefined;
    let state = this.#state;
    try {
      if (this.#merges) state = merge(state, data);
      else if (reducer) state = reducer(state, data);
    } catch (cause) {
      const error = new JoinError("reducer_failed", "the reducer failed", { room: this.name, cause });
      this.#context.put({ do: "emit", name: "error", args: [error] });
      return this.#onGap(link, now);
    }
    this.#version = version;
    this.#state = state;
    this.#event("update", [data, { version, prev }], { state });
    if (follows) this.#event("change", [state]);
  }

  // An update is missing: joins again for a snapshot, but not faster than the backoff.
  #onGap(link: Link, now: number): void {
    // A join on a newer link resumes from this version, and brings what is missing here.
    if (this.#joining && this.#joining !== link) return;
    const at = this.#gapAt + this.#context.minMs;
    this.#version = null;
    this.#gapAt = Math.max(now, at);
    if (now >= at) this.enter(link);
    else this.#rejoinAt = at;
  }

  #onPresence({ players, player_count, viewers }: Message<"presence">): void {
    const presence = {
      ...(player_count == null ? { players: players ?? [] } : { playerCount: player_count }),
      viewers: viewers ?? 0,
    };
    this.#event("presence", [presence], { presence });
  }

  #onRolledBack(seq: number): void {
    const text = `the server lost the inputs after ${seq}`;
    const error = new InputError("room_rolled_back", text, { room: this.name, seq });
    this.#version = null;
    this.#event("reset", [{ why: "room_rolled_back", lastSeq: seq }]);
    this.#context.put({ do: "emit", name: "error", args: [error] });
  }

  #onLeft(link: Link, { id, code }: Message<"left">): void {
    const newer = this.#joining === link ? null : this.#joining;
    if (link !== this.link && link !== this.#joining) return; // an older link
    if (code === "replaced" && link.attempt < this.#newest) {
      this.link = null; // by the join on a newer link, which may be gone again
      return;
    }
    if (id != null && id !== this.#leaving?.id) return; // answers an earlier `leave` of this room
    if (newer) this.#sendLeave(newer);
    this.end(new JoinError(code, "the server ended it", { room: this.name }));
  }

  #onError(link: Link, message: Message<"error">, now: number): void {
    const { id, code, seq } = message;
    if (link !== this.link && link !== this.#joining) return;
    if (code === "room_rolled_back" && link === this.link) {
      this.#inputs.rollBack(seq ?? 0);
      this.#onRolledBack(seq ?? 0);
      this.link = null;
      return this.#onGap(link, now);
    }
    if (code === "room_restarted" && id == null) return this.#inputs.onRestarted(seq ?? Infinity);
    const input = this.#inputs.find(message);
    if (input) this.#onInputError(link, input, message, now);
    else if (input === undefined && (id == null ? this.#joining === link : id === this.#joinId)) {
      this.#onJoinError(link, message, now);
    } else if (id != null && id === this.#leaving?.id) {
      this.endLeft();
    } else if (input === undefined && id == null && seq == null) {
      this.#context.put({ do: "emit", name: "error", args: [this.#joinError(message)] });
    }
  }

  #onInputError(
    link: Link,
    input: NonNullable<ReturnType<Inputs["find"]>>,
    message: Message<"error">,
    now: number,
  ): void {
    const { code } = message;
    const text = message.message || "refused";
    if (code === "busy" || code === "rate_limited" || (this.#inputs.isPaused && code === "bad_seq")) {
      return this.#inputs.pause(now + this.#retryMs(message));
    }
    if (code === "bad_seq" || code === "not_joined") {
      if (code === "bad_seq") this.#inputs.failFrom(input, code, text);
      return this.#onGap(link, now); // learns the last number, and whether the room is joined
    }
    this.#inputs.fail(input, code, text);
    this.poll(now);
  }

  #onJoinError(link: Link, message: Message<"error">, now: number): void {
    const { code } = message;
    if (code === "room_unavailable" || code === "rate_limited" || code === "busy") {
      // An unavailable room may still be answered by `joined`.
      if (code !== "room_unavailable") this.#joining = this.link === link ? null : link;
      this.#rejoinAt = now + this.#retryMs(message);
      this.refusal = this.#joinError(message);
    } else {
      this.end(this.#joinError(message));
    }
  }

  #retryMs({ retry_after_ms }: Message<"error">): number {
    return Math.max(retry_after_ms ?? this.#context.minMs, MIN_RETRY_MS);
  }

  #joinError({ code, message, retry_after_ms }: Message<"error">): GrandstandError {
    const detail = { room: this.name, retryAfterMs: retry_after_ms };
    const text = message || "refused";
    return code === "unauthenticated" ? new AuthError(code, text, detail) : new JoinError(code, text, detail);
  }

  /** Ends the room: its inputs fail, and the client does not join again. `isOver`: the whole client has ended. */
  end(error: GrandstandError, isOver = false): void {
    if (this.ended) return;
    this.ended = error;
    this.link = this.#joining = this.#rejoinAt = null;
    this.#inputs.failAll(error);
    for (const key of this.#leaving?.keys ?? []) this.#context.settle(key, isOver ? error : null);
    const wasReady = this.#isReady;
    if (wasReady) this.onStatus(status("closed", error));
    if (wasReady && !isOver) this.#event("left", [error]);
    if (!wasReady) this.#context.put({ do: "joined", room: this, error });
  }

  #event(name: string, args: readonly unknown[], fields?: Record<string, unknown>): void {
    this.#context.put({ do: "room_event", room: this, event: { name, args, ...(fields && { fields }) } });
  }
}

function leftError(room: string): JoinError {
  return new JoinError("left", "the client left", { room });
}

function spectator(room: string): JoinError {
  return new JoinError("forbidden", "a spectator only watches", { room });
}

// One stay in a room: the connection, what it brings, and what is measured about it.

import {
  type Client,
  connect,
  type GrandstandError,
  type InputError,
  type Presence,
  type Room,
  type Status,
} from "@grandstand/client";
import { faceName } from "./games/faces";
import { applyUpdate, describeUpdate, isComputer, type MemoryUpdate, type MemoryView } from "./games/memory";
import { Ledger } from "./lib/ledger";
import { gameOf, type Role, type Visit } from "./lib/links";
import type { Identity } from "./lib/lobby";
import { Log } from "./lib/log";
import { Passed } from "./lib/passed";
import { PauseMeter } from "./lib/pause";
import { changes, follow, type Member } from "./lib/roster";
import { Store } from "./lib/store";
import { messageOf, noticeWords } from "./lib/words";

const PING_MS = 4_000;
const UPDATES = 200;

/** An update of the room, as it came. */
export interface Update {
  readonly version: number;
  readonly data: unknown;
  readonly at: number;
}

/** Where this page is on its way into the room, or out of it. */
export type Stay =
  | { readonly at: "door" }
  | { readonly at: "inside"; readonly role: Role }
  | { readonly at: "refused"; readonly error: GrandstandError }
  | { readonly at: "out"; readonly error: GrandstandError };

/** What of a room this page has. */
export interface RoomNow {
  /** The view; `undefined` before the first snapshot. */
  readonly view: unknown;
  readonly version: number | null;
  readonly epoch: string | null;
  readonly secret: unknown;
  readonly updates: readonly Update[];
}

const NOTHING: RoomNow = { view: undefined, version: null, epoch: null, secret: undefined, updates: [] };

let sessions = 0;

export class Session {
  /** A number of its own. */
  readonly id = ++sessions;
  readonly visit: Visit;
  readonly identity: Identity;
  readonly game: string;
  readonly client: Client;
  readonly status: Store<Status>;
  readonly stay = new Store<Stay>({ at: "door" });
  readonly room = new Store<RoomNow>(NOTHING);
  readonly presence = new Store<Presence>({ players: [], viewers: 0 });
  /** The players, also those who have left; `null` before the first presence. */
  readonly roster = new Store<readonly Member[] | null>(null);
  readonly rtt = new Store<number | null>(null);
  readonly refusal = new Store<InputError | null>(null);
  readonly log = new Log();
  readonly passed = new Passed();
  readonly pauses = new PauseMeter();
  readonly ledger = new Ledger();
  readonly #frames = new Set<(data: unknown) => void>();
  readonly #pings: ReturnType<typeof setInterval>;
  #joined: Room | null = null;

  constructor(server: URL, identity: Identity, visit: Visit) {
    this.visit = visit;
    this.identity = identity;
    this.game = gameOf(visit.room);
    this.client = connect({ url: addressFor(server, identity), token: identity.token ?? undefined });
    this.status = new Store(this.client.status);
    this.client.on("status", (status) => this.#onStatus(status));
    this.client.on("message", (direction, message) => this.#onMessage(direction, message as Message));
    this.client.on("error", (error) => this.log.add(messageOf(error), "problem"));
    this.#pings = setInterval(() => document.hidden || this.client.hint("visible"), PING_MS);
    void this.#join();
  }

  get user(): string {
    return this.identity.user;
  }

  /** The name under which this page acts; `null` for spectators. */
  get player(): string | null {
    const stay = this.stay.value;
    return stay.at === "inside" && stay.role === "player" ? this.user : null;
  }

  /** Sends an input, and keeps account of its answer. Resolves with `null`, or with what was wrong. */
  async send(data: unknown): Promise<InputError | null> {
    const done = this.ledger.begin();
    try {
      if (!this.#joined) throw Object.assign(new Error("not joined"), { code: "left" });
      const { seq } = await this.#joined.send(data);
      done("acked", seq);
      return null;
    } catch (caught) {
      const error = caught as InputError;
      done(error.rejected ? "refused" : "failed", error.seq ?? null);
      return error;
    }
  }

  /** Sends an input of the person at this page: a refusal is shown. */
  async act(data: unknown): Promise<InputError | null> {
    const error = await this.send(data);
    this.refusal.set(error);
    return error;
  }

  /** Sends a lossy message. */
  live(data: unknown): void {
    this.#joined?.live(data);
  }

  /** Calls a function with each frame, or other lossy message. Returns a function that ends this. */
  onLive(listener: (data: unknown) => void): () => void {
    this.#frames.add(listener);
    return () => void this.#frames.delete(listener);
  }

  /** Leaves the room, and closes the connection. */
  end(): void {
    clearInterval(this.#pings);
    const { client } = this;
    const leaving = this.#joined?.leave() ?? Promise.resolve();
    const timer = setTimeout(() => client.close(), 1_000);
    leaving.finally(() => {
      clearTimeout(timer);
      void client.close();
    });
  }

  async #join(): Promise<void> {
    const { room, role, params, invitation } = this.visit;
    const reducer = (view: unknown, update: unknown) => applyUpdate(view as MemoryView, update as MemoryUpdate);
    try {
      this.#joined = await this.client.join(room, {
        role: role === "spectator" ? role : undefined,
        params: role === "player" ? params : undefined,
        token: invitation,
        timeoutMs: Number.POSITIVE_INFINITY,
        ...(this.game === "memory" && { reducer }),
        on: {
          snapshot: (view, { version, epoch }) => this.#change({ view, version, epoch: epoch ?? null }),
          change: (view) => this.#change({ view }),
          update: (data, { version }) => this.#onUpdate(data, version),
          direct: (secret) => this.#change({ secret }),
          live: (data) => this.#onLive(data),
          presence: (presence) => this.#onPresence(presence),
          joined: (joined) => this.stay.set({ at: "inside", role: joined.role ?? role }),
          reset: ({ why }) => this.#onReset(why),
          left: (error) => {
            this.log.add(`Left the room: ${error.code}`);
            this.stay.set({ at: "out", error });
          },
        },
      });
      if (this.#joined.state === undefined) this.log.add(`${room} does not exist yet: waiting for its first player`);
      else this.log.add(`In ${room} as ${this.#joined.role}`);
    } catch (caught) {
      const error = caught as GrandstandError;
      if (error.code === "closed") return;
      this.stay.set({ at: "refused", error });
      void this.client.close(); // a connection without a room is of no use
    }
  }

  #change(part: Partial<RoomNow>): void {
    this.room.set({ ...this.room.value, ...part });
  }

  #onUpdate(data: unknown, version: number): void {
    const updates = [...this.room.value.updates, { version, data, at: Date.now() }].slice(-UPDATES);
    this.#change({ version, updates });
    if (this.game !== "memory") return;
    this.refusal.set(null); // the game has gone on
    const words = describeUpdate(data as MemoryUpdate, faceName);
    if (words) this.log.add(words);
  }

  #onPresence(presence: Presence): void {
    this.presence.set(presence);
    const before = this.roster.value;
    const others = before === null ? this.#seated().filter((id) => id !== this.user) : [];
    const after = follow(before ?? [], presence, others);
    this.roster.set(after);
    for (const words of changes(before ?? [], after)) this.log.add(words);
  }

  /** The people who have a place in the game. */
  #seated(): string[] {
    const { view } = this.room.value;
    return this.game === "memory" && view ? (view as MemoryView).players.filter((id) => !isComputer(id)) : [];
  }

  #onReset(why: "room_restarted" | "room_rolled_back"): void {
    const isNew = why === "room_restarted";
    this.log.add(isNew ? "The room was created again" : "The server went back to an older state", "problem");
    this.#change({ updates: [], secret: undefined });
    if (isNew) this.roster.set(null);
  }

  #onLive(data: unknown): void {
    for (const listener of this.#frames) listener(data);
  }

  #onStatus(status: Status): void {
    const before = this.status.value;
    this.status.set(status);
    if (status.state === "connected" && !document.hidden) this.client.hint("visible"); // measures the round trip
    if (status.state === before.state || status.why === "closed") return;
    const words: Record<Status["state"], string> = {
      connecting: "Connecting",
      connected: "Connected",
      reconnecting: "Connection lost: connecting again",
      degraded: noticeWords("degraded"),
      closed: `Connection closed${status.why ? `: ${status.why}` : ""}`,
    };
    this.log.add(
      words[status.state],
      status.state === "connected" || status.state === "connecting" ? "info" : "problem",
    );
  }

  #onMessage(direction: "in" | "out", message: Message): void {
    const now = performance.now();
    this.passed.add(direction, message);
    if (direction === "out") {
      if (message.type === "input" && message.seq) this.ledger.passed(message.seq);
      return;
    }
    if (/^(update|live|ack|reject)$/.test(message.type)) this.pauses.arrived(now);
    if (message.type === "pong") queueMicrotask(() => this.rtt.set(this.client.rttMs ?? null));
    const isOfStatus = message.code === "degraded" || message.code === "recovered";
    if (message.type === "notice" && !isOfStatus) this.log.add(noticeWords(message.code ?? ""));
  }
}

interface Message {
  readonly type: string;
  readonly room?: string;
  readonly seq?: number;
  readonly code?: string;
}

/** The address for WebSockets. Without a token, `dev` trusts the name in it. */
export function addressFor(page: URL, { user, token }: Identity): URL {
  const url = new URL("v1/ws", page.href.replace(/[?#].*/, ""));
  url.protocol = url.protocol.replace("http", "ws");
  if (!token) url.searchParams.set("user", user);
  return url;
}

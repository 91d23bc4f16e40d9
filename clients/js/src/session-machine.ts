// The connections of one client: when it connects, with which token, which connection serves the rooms, and when it gives
// up. Pure: messages and time go in, effects come out.

import { Backoff, type BackoffOptions } from "./backoff.js";
import { type AfterClose, afterClose, type Closed, closeError } from "./close.js";
import { type Context, context, type Outside } from "./effects.js";
import { AuthError, ConnectError, type GrandstandError } from "./errors.js";
import type { Checked, Message, ServerMessage } from "./messages.js";
import { Peer } from "./peer.js";
import { RoomMachine, type RoomSettings } from "./room-machine.js";
import { type ConnectionState, status } from "./status.js";
import { Tokens } from "./tokens.js";

const PROTOCOL = 1;

/** Settings of a session. */
export interface SessionSettings {
  readonly token?: string | undefined;
  /** Whether the application has a function that returns tokens. */
  readonly hasTokenSource: boolean;
  readonly backoff?: BackoffOptions | undefined;
  readonly connectTimeoutMs?: number | undefined;
}

/**
 * What a browser tells a page about the network and the page.
 *
 * @example
 * ```ts
 * const hint: Hint = isInFront ? "visible" : "hidden";
 * client.hint(hint);
 * ```
 */
export type Hint = "online" | "offline" | "visible" | "hidden";

/** The connections and rooms of one client. */
export class SessionMachine {
  readonly #context: Context;
  readonly #connectTimeoutMs: number;
  readonly #backoff: Backoff;
  readonly #tokens: Tokens;
  readonly #rooms = new Map<string, RoomMachine>();
  readonly #peers = new Set<Peer>();
  /** The newest connection with a `welcome`. Older ones only serve rooms that it has not joined yet. */
  #active: Peer | null = null;
  #dialing: Peer | null = null;
  #dialAt: number | null = null;
  #lacksToken = false; // a connection is opened once there is a token
  #attempts = 0;
  #newest = 0; // the attempt of the newest connection with a `welcome`
  #notBefore = 0; // the server asked for this wait
  #hintedAt = -Infinity; // the last try that a hint began
  #isHidden = false;
  #wasConnected = false;
  #explanation: GrandstandError | null = null; // why no connection can be opened
  #state: ConnectionState = "connecting";
  /** Why the client does nothing any more. */
  closed: GrandstandError | null = null;

  constructor(settings: SessionSettings, outside: Outside) {
    this.#backoff = new Backoff(settings.backoff);
    this.#context = context(outside, this.#backoff.minMs);
    this.#connectTimeoutMs = settings.connectTimeoutMs ?? 10_000;
    this.#tokens = new Tokens(settings.token, settings.hasTokenSource, this.#backoff, this.#context);
  }

  /** When `poll` has something to do. */
  get deadline(): number {
    const times = [this.#dialAt ?? Infinity, this.#tokens.deadline];
    if (this.#dialing) times.push(this.#dialing.startedAt + this.#connectTimeoutMs);
    for (const peer of this.#peers) times.push(peer.beatAt(this.#isHidden));
    if (this.#active) for (const room of this.#rooms.values()) times.push(room.deadline);
    return Math.min(...times);
  }

  /** Does what is due. */
  poll(now: number): void {
    if (this.#dialAt !== null && now >= this.#dialAt) this.#dial(now);
    this.#tokens.poll(now, this.#active);
    const dialing = this.#dialing;
    if (dialing && now >= dialing.startedAt + this.#connectTimeoutMs) {
      this.#drop(dialing, new ConnectError("timeout", "the server did not answer"), now);
    }
    for (const peer of this.#peers) {
      const beat = peer.beat(this.#isHidden, now);
      if (beat === "ping") this.#ping(peer, now);
      else if (beat === "dead") this.#drop(peer, new ConnectError("timeout", "the server did not answer"), now);
    }
    for (const room of this.#rooms.values()) room.poll(now, this.#active);
    this.#tidy();
  }

  /** Connects for the first time. */
  start(now: number): void {
    this.#show("connecting");
    this.#dial(now);
  }

  /** Joins a room; returns the one that is joined or being joined already. */
  join(name: string, settings: RoomSettings, now: number): RoomMachine {
    const known = this.#rooms.get(name);
    if (known && !known.ended && !known.isLeaving) return known;
    known?.endLeft();
    const room = new RoomMachine(name, settings, this.#context);
    this.#rooms.set(name, room);
    if (this.closed?.code === "no_room") this.reconnect(now);
    if (this.closed) room.end(this.closed);
    else if (this.#active) room.enter(this.#active);
    return room;
  }

  /** Connects again at the application's wish: also after a close that is final, but not after `close`. */
  reconnect(now: number): void {
    if (this.closed?.code === "closed") return;
    if (this.closed) {
      if (!this.#tokens.hasHope) return;
      this.closed = null;
      this.#backoff.reset();
      this.start(now);
    } else this.hint("online", now);
  }

  /** Closes all, for good. */
  close(): void {
    const error = new ConnectError("closed", "the client is closed");
    this.#finish(error);
    this.closed = error; // also after another end
    for (const room of this.#rooms.values()) room.end(error, true);
  }

  /** Replaces the token. */
  setToken(key: number, token: string, now: number): void {
    if (this.closed?.code === "closed") return this.#context.settle(key, this.closed);
    this.#tokens.set(token, key, this.#active);
    if (this.closed instanceof AuthError) this.reconnect(now);
    else if (!this.#active && !this.#dialing) this.#dial(now);
  }

  /** The function of the application returned a token, or failed. */
  handleToken(result: { token: string } | { error: unknown }, now: number): void {
    if (this.closed) return;
    if ("error" in result) {
      const { waitMs, error } = this.#tokens.onFailed(result.error, now, this.#active !== null);
      if (waitMs === null) this.#finish(error);
      else if (!this.#active) this.#show(this.#away, error, waitMs);
      else this.#emitError(error);
      return;
    }
    const refusal = this.#tokens.onToken(result.token, now, this.#active);
    if (refusal) this.#finish(refusal);
    else if (this.#lacksToken) this.#dial(now);
  }

  /** A hint of the browser, or of the application. */
  hint(hint: Hint, now: number): void {
    if (hint === "hidden") this.#isHidden = true;
    if (hint === "visible") this.#isHidden = false;
    if (this.closed || hint === "hidden" || hint === "offline") return;
    for (const peer of this.#peers) if (peer.welcomedAt !== null) this.#ping(peer, now);
    if (this.#dialAt === null || this.#active) return;
    const at = Math.max(now, this.#notBefore, this.#hintedAt + this.#backoff.minMs);
    if (at >= this.#dialAt) return;
    this.#hintedAt = this.#dialAt = at;
    this.poll(now);
  }

  /** Measures the round trip, and the clock of the server. */
  ping(now: number): void {
    if (this.#active) this.#ping(this.#active, now);
  }

  /** There is a better explanation why no connection can be opened. */
  explain(error: GrandstandError, now: number): void {
    if (this.closed || this.#active) return;
    this.#explanation = error;
    if (this.#dialAt !== null) this.#show(this.#away, error, Math.max(this.#dialAt - now, 0));
  }

  /** A frame arrived on a connection. */
  handleMessage(peer: Peer, checked: Checked, now: number): void {
    if (!this.#peers.has(peer)) return;
    peer.onHeard(now);
    if (checked === "bad") {
      const error = new ConnectError("bad_message", "an invalid message");
      this.#emitError(error);
    } else if (checked !== "unknown") this.#onMessage(peer, checked.message, now);
    this.#tidy();
  }

  /** A connection ended, or could not be opened. */
  handleClosed(peer: Peer, closed: Closed, now: number): void {
    if (!this.#peers.has(peer)) return;
    const told = closeError(closed, peer.refusal);
    const error = (told.code === "unreachable" && this.#explanation) || told;
    const after = afterClose(closed, peer.refusal);
    if (closed.code === 1009 && !peer.hasNamedInput) {
      for (const room of this.#rooms.values()) if (room.link === peer) room.onTooBig(error.message);
    }
    // A newer connection of this client replaces an older one, also if it is gone again.
    const isReplaced = closed.code === 4009 && peer.attempt < this.#newest;
    if (after === "final" && !isReplaced && (peer === this.#active || peer === this.#dialing)) {
      this.#peers.delete(peer);
      return this.#finish(error);
    }
    this.#onLost(peer, error, after, now);
    this.#tidy();
  }

  #onMessage(peer: Peer, message: ServerMessage, now: number): void {
    if (message.type === "error") return this.#onError(peer, message, now);
    if (message.type === "welcome") return peer.welcomedAt === null ? this.#onWelcome(peer, message, now) : undefined;
    if (peer.welcomedAt === null) return;
    if (message.type === "notice") return this.#onNotice(peer, message, now);
    if (message.type === "pong") return this.#context.put({ do: "emit", name: "pong", args: [message] });
    this.#rooms.get(message.room)?.handle(peer, message, now);
  }

  #onWelcome(peer: Peer, message: Message<"welcome">, now: number): void {
    if (message.protocol !== PROTOCOL) {
      const text = `the server speaks protocol ${message.protocol}, not ${PROTOCOL}`;
      return this.#finish(new ConnectError("unsupported_protocol", text));
    }
    peer.onWelcome(message, now);
    if (this.#dialing === peer) this.#dialing = null;
    this.#active = peer;
    this.#newest = peer.attempt;
    this.#notBefore = 0;
    this.#wasConnected = true;
    this.#explanation = null;
    this.#tokens.onWelcome(peer);
    this.#show("connected");
    for (const room of this.#rooms.values()) if (!room.ended) room.enter(peer);
  }

  #onNotice(peer: Peer, { code, reconnect_in_ms, id }: Message<"notice">, now: number): void {
    if (code === "draining" && peer === this.#active && !this.#dialing) {
      const earliest = (peer.welcomedAt ?? now) + this.#backoff.minMs;
      if (now >= earliest) this.#backoff.reset();
      this.#dialAt = Math.max(now + (reconnect_in_ms ?? 0), earliest);
    } else if (code === "degraded" || code === "recovered") {
      peer.isDegraded = code === "degraded";
      if (peer === this.#active) this.#show(peer.isDegraded ? "degraded" : "connected");
      for (const room of this.#rooms.values()) if (room.link === peer) room.onStatus(status(this.#state));
    } else if (code === "token_expiring") this.#tokens.onExpiring(now);
    else if (code === "token_renewed") this.#tokens.onRenewed(id);
  }

  #onError(peer: Peer, message: Message<"error">, now: number): void {
    const { id, room, seq, code, retry_after_ms } = message;
    if (this.#tokens.onError(message, now)) return;
    if (code === "too_big" && (id ?? seq) != null) peer.hasNamedInput = true;
    if (room != null) return this.#rooms.get(room)?.handle(peer, message, now);
    if (id != null) {
      for (const room of this.#rooms.values()) room.handle(peer, message, now);
      return;
    }
    peer.refusal = message;
    if (peer.welcomedAt === null) return;
    if (code === "rate_limited") {
      const until = now + Math.max(retry_after_ms ?? this.#backoff.minMs, 100);
      for (const room of this.#rooms.values()) room.repeat(peer, until);
    } else {
      const error = new ConnectError(code, message.message || code, {
        retryAfterMs: retry_after_ms,
      });
      this.#emitError(error);
    }
  }

  #dial(now: number): void {
    this.#dialAt = null;
    if (this.#dialing || this.closed) return;
    this.#lacksToken = !this.#tokens.isUsable(now);
    if (this.#lacksToken) return;
    const peer = new Peer(++this.#attempts, this.#tokens.current, now);
    this.#dialing = peer;
    this.#peers.add(peer);
    this.#context.put({ do: "dial", link: peer, token: peer.token });
  }

  #ping(peer: Peer, now: number): void {
    peer.onPinged(now);
    this.#context.send(peer, { type: "ping" });
  }

  #hangUp(peer: Peer): void {
    this.#peers.delete(peer);
    this.#context.put({ do: "hang_up", link: peer });
  }

  #emitError(error: GrandstandError): void {
    this.#context.put({ do: "emit", name: "error", args: [error] });
  }

  // Ends a connection without waiting for the other side.
  #drop(peer: Peer, error: GrandstandError, now: number): void {
    this.#hangUp(peer);
    this.#onLost(peer, error, "retry", now);
  }

  #onLost(peer: Peer, error: GrandstandError, after: AfterClose, now: number): void {
    this.#peers.delete(peer);
    const wasCurrent = peer === this.#active || peer === this.#dialing;
    if (peer === this.#dialing) this.#dialing = null;
    if (peer === this.#active)
      this.#active = [...this.#peers].filter((other) => other.welcomedAt !== null).at(-1) ?? null;
    if (wasCurrent && !this.closed) this.#retry(peer, error, after, now);
    for (const room of this.#rooms.values()) room.onLinkLost(peer, status(this.#away, error));
  }

  #retry(peer: Peer, error: GrandstandError, after: AfterClose, now: number): void {
    const isOld = peer.isOlder(this.#backoff.minMs, now);
    if (isOld) this.#backoff.reset();
    if (after === "token") {
      const refusal = this.#tokens.onRefused(peer, isOld, error);
      if (refusal === "final") return this.#finish(error);
      if (refusal === "first") return this.#wait(error, 0, now);
    }
    const wait = isOld && after === "retry" ? 0 : this.#backoff.fail(this.#context.random());
    if (wait === null) return this.#active ? undefined : this.#finish(error);
    const asked = after === "retry_later" ? (peer.refusal?.retry_after_ms ?? 0) : 0;
    this.#notBefore = now + asked;
    const jittered = asked && asked + (this.#context.random() * this.#backoff.minMs) / 2;
    const quiet = this.#isHidden && wait > 0 ? this.#backoff.maxMs * (1 + this.#context.random()) : 0;
    this.#wait(error, Math.max(wait, jittered, quiet), now);
  }

  #wait(error: GrandstandError, wait: number, now: number): void {
    if (!this.#active) this.#show(this.#away, error, wait);
    if (this.#dialing) return;
    this.#dialAt = now + wait;
    if (wait === 0) this.#dial(now);
  }

  // Nothing happens any more until the application does something.
  #finish(error: GrandstandError): void {
    if (this.closed) return;
    this.closed = error;
    for (const peer of this.#peers) this.#hangUp(peer);
    this.#active = this.#dialing = this.#dialAt = null;
    this.#tokens.onClosed(error);
    for (const room of this.#rooms.values()) room.suspend(error, status("closed", error));
    this.#tidy();
    this.#show("closed", error);
  }

  // Forgets rooms that have ended, and closes connections that a newer one has replaced in all rooms.
  #tidy(): void {
    for (const [name, room] of this.#rooms) if (room.ended) this.#rooms.delete(name);
    if (!this.#active) return;
    const used = new Set([...this.#rooms.values()].map((room) => room.link));
    for (const peer of this.#peers) {
      if (peer === this.#active || peer === this.#dialing || used.has(peer)) continue;
      this.#hangUp(peer);
    }
  }

  get #away(): ConnectionState {
    return this.#wasConnected ? "reconnecting" : "connecting";
  }

  #show(state: ConnectionState, error?: GrandstandError, retryInMs?: number): void {
    if (state === this.#state && state === "connected") return;
    this.#state = state;
    this.#context.put({ do: "status", status: status(state, error, retryInMs) });
  }
}

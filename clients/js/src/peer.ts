// One connection as the session sees it: its keepalive, and what the server has said of it.

import type { Link } from "./effects.js";
import type { Limits, Message } from "./messages.js";

const HEARTBEAT_MS = 25_000; // if the server names none
const MIN_HEARTBEAT_MS = 100; // a server that wants more is broken
const MAX_ANSWER_MS = 10_000;
/** A timer that fires so late was asleep with the machine, and so were the messages. */
const ASLEEP_MS = 1_000;

/** What a connection needs now: a ping, or its end because it is dead. */
export type Beat = "ping" | "dead" | null;

/** A connection from its first try to its end. */
export class Peer implements Link {
  welcomedAt: number | null = null;
  limits: Limits = {};
  /** An error about the connection, which tells why it is closed. */
  refusal: Message<"error"> | null = null;
  isDegraded = false;
  /** An error has named the input that was too big. */
  hasNamedInput = false;
  #heartbeatMs = HEARTBEAT_MS;
  #heardAt: number;
  #pingedAt: number | null = null;

  constructor(
    readonly attempt: number,
    readonly token: string | undefined,
    readonly startedAt: number,
  ) {
    this.#heardAt = startedAt;
  }

  onWelcome(message: Message<"welcome">, now: number): void {
    this.welcomedAt = now;
    this.limits = message.limits ?? {};
    this.#heartbeatMs = Math.max(message.heartbeat_ms || HEARTBEAT_MS, MIN_HEARTBEAT_MS);
  }

  onHeard(now: number): void {
    this.#heardAt = now;
    this.#pingedAt = null;
  }

  onPinged(now: number): void {
    this.#pingedAt ??= now;
  }

  /** Whether the connection has been open for a time. */
  isOlder(ms: number, now: number): boolean {
    return this.welcomedAt !== null && now - this.welcomedAt >= ms;
  }

  /** When to look at the keepalive. `slow`: the page is hidden, so that a battery counts more than a quick notice. */
  beatAt(slow: boolean): number {
    if (this.welcomedAt === null) return Infinity;
    if (this.#pingedAt === null) return this.#heardAt + this.#heartbeatMs * (slow ? 2 : 1);
    return this.#pingedAt + Math.min(this.#heartbeatMs, MAX_ANSWER_MS);
  }

  /** What the keepalive asks for. */
  beat(slow: boolean, now: number): Beat {
    const at = this.beatAt(slow);
    if (now < at) return null;
    if (this.#pingedAt === null) return "ping";
    if (now - at < ASLEEP_MS) return "dead";
    this.#pingedAt = null;
    return "ping";
  }
}

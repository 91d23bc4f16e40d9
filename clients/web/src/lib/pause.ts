// How long a game stood still, as this page saw it.

import { percentile } from "./stats";

/** The most arrivals that are kept. */
const MOST = 4_000;
/** Where the usual gap before a fault is looked for. */
const BEFORE_MS = 5_000;

/** A pause: from the last arrival before it to the first one after it. */
export interface Pause {
  readonly ms: number;
  readonly from: number;
  readonly to: number;
  /** The gap that nine of ten before the fault did not exceed; `null` if little arrived. */
  readonly usualMs: number | null;
}

/** Remembers when messages of the game arrived. */
export class PauseMeter {
  #arrivals: number[] = [];

  /** A message of the game arrived: an update, a frame, an ack or a reject. */
  arrived(at: number): void {
    this.#arrivals.push(at);
    if (this.#arrivals.length >= 2 * MOST) this.#arrivals = this.#arrivals.slice(-MOST);
  }

  /** The number of arrivals since a time. */
  countSince(at: number): number {
    return this.#arrivals.filter((arrival) => arrival > at).length;
  }

  /**
   * The longest silence that ended after `pulledAt`, or `null` if nothing arrived before it, or nothing after it. The silence may
   * have begun before: the first gap runs from the last message before the fault.
   */
  longest(pulledAt: number): Pause | null {
    const first = this.#arrivals.findIndex((at) => at > pulledAt);
    if (first < 1) return null;
    let pause: { from: number; to: number } | null = null;
    for (let index = first; index < this.#arrivals.length; index++) {
      const from = this.#arrivals[index - 1]!;
      const to = this.#arrivals[index]!;
      if (!pause || to - from > pause.to - pause.from) pause = { from, to };
    }
    if (!pause) return null;
    return { ms: pause.to - pause.from, ...pause, usualMs: this.#usual(pulledAt) };
  }

  #usual(pulledAt: number): number | null {
    const before = this.#arrivals.filter((at) => at <= pulledAt && at > pulledAt - BEFORE_MS);
    return percentile(
      before.slice(1).map((at, index) => at - before[index]!),
      0.9, // not the median, because answers come in pairs
    );
  }
}

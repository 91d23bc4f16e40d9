// When to try again: at once, then after random times between growing bounds.

/**
 * Bounds of the waits between attempts to connect.
 *
 * @example
 * ```ts
 * connect({ url, backoff: { minMs: 500, maxMs: 10_000, maxAttempts: 20 } });
 * ```
 */
export interface BackoffOptions {
  /** The least wait; 1,000 by default. The first try after a loss is made at once. */
  minMs?: number;
  /** The longest wait; 30,000 by default. */
  maxMs?: number;
  /** The number of failed attempts in a row after which the client closes; endless by default. */
  maxAttempts?: number;
}

/** Exponential backoff with full jitter. Pure: the caller draws the random number and waits. */
export class Backoff {
  declare readonly minMs: number;
  declare readonly maxMs: number;
  readonly #maxAttempts: number;
  #failures = 0;

  constructor({ minMs = 1_000, maxMs = 30_000, maxAttempts = Infinity }: BackoffOptions = {}) {
    this.minMs = minMs;
    this.maxMs = Math.max(minMs, maxMs);
    this.#maxAttempts = maxAttempts;
  }

  /** Counts a failure. Returns the wait before the next attempt; `null` if there were enough. `random` is in [0, 1). */
  fail(random: number): number | null {
    if (++this.#failures >= this.#maxAttempts) return null;
    const bound = Math.min(this.maxMs, this.minMs * 2 ** this.#failures);
    return this.minMs + random * (bound - this.minMs);
  }

  /** The last attempt was a success. */
  reset(): void {
    this.#failures = 0;
  }
}

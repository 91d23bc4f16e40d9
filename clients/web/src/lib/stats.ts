// Figures about many samples: percentiles, rates, and the points of a plot.

/** The nearest-rank percentile, or `null` without values. `share` is 0.5 for the median. */
export function percentile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1]!;
}

/** The samples of the last while: at most so many, and none that is older. */
export class Recent {
  readonly #spanMs: number;
  readonly #most: number;
  #samples: { at: number; value: number }[] = [];

  constructor(spanMs: number, most: number) {
    this.#spanMs = spanMs;
    this.#most = most;
  }

  add(at: number, value: number): void {
    this.#samples.push({ at, value });
    // Cut in one go now and then, because a cut copies all.
    if (this.#samples.length >= 2 * this.#most) this.#samples = this.#samples.slice(-this.#most);
  }

  values(now: number): number[] {
    const from = now - this.#spanMs;
    return this.#samples
      .slice(-this.#most)
      .filter(({ at }) => at > from)
      .map(({ value }) => value);
  }
}

/** Counts an amount, and says how much of it came per second since the last question. */
export class Rate {
  #amount = 0;
  #askedAt: number;
  total = 0;

  constructor(now: number) {
    this.#askedAt = now;
  }

  add(amount: number): void {
    this.#amount += amount;
    this.total += amount;
  }

  /** The amount per second since the last call. */
  take(now: number): number {
    const seconds = (now - this.#askedAt) / 1000;
    const rate = seconds > 0 ? this.#amount / seconds : 0;
    this.#amount = 0;
    this.#askedAt = now;
    return rate;
  }
}

/** The upper end of an axis: 1, 2 or 5 times a power of ten, at least `least`. */
export function niceMax(most: number, least: number): number {
  const wanted = Math.max(most, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].find((step) => step * power >= wanted * 0.999) ?? 10;
  return step * power;
}

/** The `d` of an SVG path through values from left to right; a `null` breaks the line. */
export function linePath(values: readonly (number | null)[], max: number, width: number, height: number): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let isDown = false;
  return values
    .map((value, index) => {
      if (value === null) {
        isDown = false;
        return "";
      }
      const command = isDown ? "L" : "M";
      isDown = true;
      const y = height - (Math.min(value, max) / max) * height;
      return `${command}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

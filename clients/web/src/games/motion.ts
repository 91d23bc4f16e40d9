// Frames of an arena as smooth motion, and keys or a finger as a control.

const TICK_MS = 1000 / 30;
const MOST_AHEAD_MS = 100; // how far discs roll on when frames are late
const FULL_DRAG = 60; // pixels

export type Point = readonly [x: number, y: number];

/** A frame: the middle of each disc, and of each coin. */
export interface Frame {
  readonly tick: number;
  readonly discs: Readonly<Record<string, Point>>;
  readonly coins: readonly Point[];
}

/** The last two frames. Shows discs between them, one tick late, so that they do not jump. */
export class Motion {
  #before: Frame | null = null;
  #last: (Frame & { at: number }) | null = null;

  /** A frame that arrives at `now`. One that is older than the newest is ignored, unless the world began again. */
  add(frame: Frame, now: number): void {
    if (this.#last && frame.tick <= this.#last.tick && this.#last.tick - frame.tick < 30) return;
    this.#before = this.#last;
    this.#last = { ...frame, at: now };
  }

  /** Where everything is at `now`. */
  at(now: number): { discs: Record<string, Point>; coins: readonly Point[] } {
    if (!this.#last) return { discs: {}, coins: [] };
    const { tick, discs, coins, at } = this.#last;
    const before = this.#before;
    const steps = before ? tick - before.tick : 0;
    if (!before || steps < 1 || steps > 10) return { discs, coins };
    const share = Math.min(now - at, MOST_AHEAD_MS) / (steps * TICK_MS);
    const shown: Record<string, Point> = {};
    for (const [id, [x, y]] of Object.entries(discs)) {
      const [fromX, fromY] = before.discs[id] ?? [x, y];
      shown[id] = [fromX + (x - fromX) * share, fromY + (y - fromY) * share];
    }
    return { discs: shown, coins };
  }
}

/** The control of the keys that are down, each a direction, or of a finger: `{ from, to }` in pixels. */
export function direction(keys: readonly Point[], drag: { from: Point; to: Point } | null): { x: number; y: number } {
  let [x, y] = drag ? [(drag.to[0] - drag.from[0]) / FULL_DRAG, (drag.to[1] - drag.from[1]) / FULL_DRAG] : [0, 0];
  for (const [keyX, keyY] of keys) {
    x += keyX;
    y += keyY;
  }
  const limit = (value: number) => Math.round(Math.max(-1, Math.min(1, value)) * 100) / 100 + 0;
  return { x: limit(x), y: limit(y) };
}

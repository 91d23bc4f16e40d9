import { describe, expect, it } from "vitest";
import { direction, Motion } from "../src/games/motion";

const frame = (tick: number, x: number) => ({ tick, discs: { alice: [x, 0] as const }, coins: [] });

describe("Motion", () => {
  it("shows discs between two frames", () => {
    const motion = new Motion();
    motion.add(frame(1, 100), 1_000);
    expect(motion.at(1_000).discs.alice).toEqual([100, 0]);
    motion.add(frame(2, 130), 1_033);
    expect(motion.at(1_033).discs.alice).toEqual([100, 0]);
    expect(motion.at(1_033 + 1000 / 60).discs.alice![0]).toBeCloseTo(115);
    expect(motion.at(1_033 + 1000 / 30).discs.alice![0]).toBeCloseTo(130);
  });

  it("ignores frames that were overtaken, but not a world that began again", () => {
    const motion = new Motion();
    motion.add(frame(100, 10), 0);
    motion.add(frame(99, 500), 10);
    expect(motion.at(10).discs.alice).toEqual([10, 0]);
    motion.add(frame(2, 700), 20);
    expect(motion.at(20).discs.alice).toEqual([700, 0]);
  });

  it("has nothing to show before the first frame", () => {
    expect(new Motion().at(0)).toEqual({ discs: {}, coins: [] });
  });
});

describe("direction", () => {
  it("adds keys and a finger, within -1 and 1", () => {
    expect(direction([], null)).toEqual({ x: 0, y: 0 });
    expect(
      direction(
        [
          [-1, 0],
          [0, -1],
        ],
        null,
      ),
    ).toEqual({ x: -1, y: -1 });
    expect(
      direction(
        [
          [-1, 0],
          [1, 0],
        ],
        null,
      ),
    ).toEqual({ x: 0, y: 0 });
    expect(direction([], { from: [0, 0], to: [30, -600] })).toEqual({ x: 0.5, y: -1 });
  });
});

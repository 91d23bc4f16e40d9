import assert from "node:assert/strict";
import { test } from "node:test";

import { Motion, direction } from "../motion.js";

const frame = (tick, x) => ({ tick, discs: { alice: [x, 0] }, coins: [[1, 2]] });
const x = (motion, now) => Math.round(motion.at(now).discs.alice[0]);

test("discs roll from one frame to the next within a tick", () => {
  const motion = new Motion();
  assert.deepEqual(motion.at(0), { discs: {}, coins: [] });
  motion.add(frame(1, 100), 1000);
  assert.equal(x(motion, 1010), 100);
  motion.add(frame(2, 200), 1033);
  assert.equal(x(motion, 1033), 100);
  assert.equal(x(motion, 1033 + 1000 / 60), 150);
  assert.equal(x(motion, 1033 + 1000 / 30), 200);
  assert.deepEqual(motion.at(1033).coins, [[1, 2]]);
});

test("late frames are made up for, up to a tenth of a second", () => {
  const motion = new Motion();
  motion.add(frame(1, 0), 0);
  motion.add(frame(2, 10), 33);
  assert.equal(x(motion, 33 + 100), 30);
  assert.equal(x(motion, 33 + 5000), 30);
});

test("an older frame is ignored, and a world that began again is not", () => {
  const motion = new Motion();
  motion.add(frame(100, 0), 0);
  motion.add(frame(99, 50), 1);
  assert.equal(x(motion, 2), 0);
  motion.add(frame(1, 70), 3);
  assert.equal(x(motion, 4), 70);
});

test("a gap of many ticks jumps", () => {
  const motion = new Motion();
  motion.add(frame(1, 0), 0);
  motion.add(frame(90, 300), 3000);
  assert.equal(x(motion, 3001), 300);
});

test("keys add up, and a finger drags", () => {
  assert.deepEqual(direction([], null), { x: 0, y: 0 });
  assert.deepEqual(direction([[1, 0], [0, -1]], null), { x: 1, y: -1 });
  assert.deepEqual(direction([[1, 0], [-1, 0]], null), { x: 0, y: 0 });
  assert.deepEqual(direction([], { from: [0, 0], to: [30, -600] }), { x: 0.5, y: -1 });
});

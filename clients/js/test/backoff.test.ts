import { expect, test } from "vitest";
import { Backoff } from "../src/backoff.js";

test("waits are between the least and a bound that doubles up to the longest", () => {
  for (const [random, expected] of [
    [0, [1_000, 1_000, 1_000, 1_000, 1_000, 1_000]],
    [0.999_999_999, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
  ] as const) {
    const backoff = new Backoff();
    expect(expected.map(() => Math.round(backoff.fail(random) ?? -1))).toEqual(expected);
  }
});

test("the jitter is spread over the whole range", () => {
  const waits = Array.from({ length: 500 }, () => {
    const backoff = new Backoff();
    for (let tries = 0; tries < 5; tries++) backoff.fail(Math.random());
    return backoff.fail(Math.random()) ?? -1;
  });
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
  expect(waits.filter((wait) => wait < 15_500).length).toBeGreaterThan(150);
  expect(waits.filter((wait) => wait > 15_500).length).toBeGreaterThan(150);
});

test("after the most attempts there is no other, and a success starts again", () => {
  const backoff = new Backoff({ maxAttempts: 2 });
  expect(backoff.fail(0)).toBe(1_000);
  expect(backoff.fail(0)).toBeNull();
  backoff.reset();
  expect(backoff.fail(0)).toBe(1_000);
});

test("bounds that contradict each other do not make it faster", () => {
  expect(new Backoff({ minMs: 5_000, maxMs: 10 }).fail(0.5)).toBe(5_000);
});

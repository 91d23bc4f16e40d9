import { describe, expect, it } from "vitest";
import { bytes, count, countdown, hue, list, ms } from "../src/lib/format";
import { PauseMeter } from "../src/lib/pause";
import { linePath, niceMax, percentile, Rate, Recent } from "../src/lib/stats";

describe("percentile", () => {
  it("is the nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile(values, 1)).toBe(100);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([1, 2, 3], 0.5)).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.3)).toBe(2);
    expect(percentile([1, 2], 0)).toBe(1);
    expect(percentile([], 0.5)).toBeNull();
  });

  it("does not change its argument", () => {
    const values = [3, 1, 2];
    percentile(values, 0.5);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe("Recent", () => {
  it("forgets what is old, and what is too much", () => {
    const recent = new Recent(1_000, 3);
    for (const at of [0, 500, 900, 1_200, 1_400]) recent.add(at, at);
    expect(recent.values(1_450)).toEqual([900, 1_200, 1_400]);
    expect(recent.values(2_250)).toEqual([1_400]);
    for (let at = 0; at < 1_000; at++) recent.add(1_400, at);
    expect(recent.values(1_400)).toEqual([997, 998, 999]);
  });
});

describe("Rate", () => {
  it("counts per second since the last question", () => {
    const rate = new Rate(0);
    rate.add(300);
    rate.add(200);
    expect(rate.take(500)).toBe(1_000);
    expect(rate.take(1_500)).toBe(0);
    expect(rate.take(1_500)).toBe(0);
    expect(rate.total).toBe(500);
  });
});

describe("plots", () => {
  it("have round ends", () => {
    expect([niceMax(0, 5), niceMax(12, 5), niceMax(21, 5), niceMax(50, 5), niceMax(51, 5)]).toEqual([
      5, 20, 50, 50, 100,
    ]);
  });

  it("draw lines with gaps, inside the frame", () => {
    expect(linePath([0, 5, null, 20], 10, 30, 10)).toBe("M0.0 10.0L10.0 5.0M30.0 0.0");
    expect(linePath([], 10, 30, 10)).toBe("");
  });
});

describe("PauseMeter", () => {
  it("measures from the last message before to the first one after", () => {
    const meter = new PauseMeter();
    for (const at of [0, 100, 200, 300, 1_150, 1_250, 1_350]) meter.arrived(at);
    expect(meter.longest(350)).toEqual({ ms: 850, from: 300, to: 1_150, usualMs: 100 });
  });

  it("finds the longest silence, also if a message was still on its way", () => {
    const meter = new PauseMeter();
    for (const at of [0, 100, 360, 900, 1_000]) meter.arrived(at);
    expect(meter.longest(350)).toMatchObject({ ms: 540, from: 360, to: 900 });
  });

  it("does not count silences that ended before", () => {
    const meter = new PauseMeter();
    for (const at of [0, 5_000, 5_100, 5_300]) meter.arrived(at);
    expect(meter.longest(5_050)).toMatchObject({ ms: 200, from: 5_100, to: 5_300 });
  });

  it("says nothing without a message before and one after", () => {
    const meter = new PauseMeter();
    expect(meter.longest(0)).toBeNull();
    meter.arrived(10);
    expect(meter.longest(0)).toBeNull();
    expect(meter.longest(20)).toBeNull();
    expect(meter.countSince(5)).toBe(1);
  });

  it("is bounded, and keeps the newest", () => {
    const meter = new PauseMeter();
    for (let at = 0; at < 50_000; at += 1) meter.arrived(at);
    expect(meter.countSince(-1)).toBeLessThan(10_000);
    meter.arrived(50_500);
    expect(meter.longest(49_999)).toMatchObject({ ms: 501 });
  });
});

describe("words for figures", () => {
  it("are short", () => {
    expect([ms(null), ms(3.12), ms(42.4), ms(1_440), ms(61_000)]).toEqual(["–", "3.1 ms", "42 ms", "1.4 s", "61 s"]);
    expect([countdown(0), countdown(19_001), countdown(600_000), countdown(594_200)]).toEqual([
      "0 s",
      "20 s",
      "10:00",
      "9:55",
    ]);
    expect([bytes(812), bytes(4_149), bytes(50_000), bytes(230_000), bytes(2_300_000)]).toEqual([
      "812 B",
      "4.1 kB",
      "50 kB",
      "230 kB",
      "2.3 MB",
    ]);
    expect([count(1, "viewer"), count(0, "viewer"), list(["a", "b", "c"]), list(["a"]), list([])]).toEqual([
      "1 viewer",
      "0 viewers",
      "a, b and c",
      "a",
      "",
    ]);
    expect(hue("alice")).toBe(hue("alice"));
    expect(hue("alice")).not.toBe(hue("bob"));
  });
});

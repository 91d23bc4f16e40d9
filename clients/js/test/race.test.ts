import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Closed } from "../src/close.js";
import { raceDial } from "../src/race.js";
import type { Dial, TransportEvents } from "../src/transport.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const GONE: Closed = { code: 1006, reason: "", opened: false };
const TARGET = { url: new URL("wss://test"), token: undefined, subprotocol: "p" };

function fake(name: string) {
  const tries: { events: TransportEvents; sent: unknown[]; closed: boolean }[] = [];
  const dial: Dial = (_, events) => {
    const one = { events, sent: [] as unknown[], closed: false };
    tries.push(one);
    return { send: (frame) => one.sent.push(frame), close: () => void (one.closed = true) };
  };
  return { name, tries, dial };
}

function setUp() {
  const [first, second] = [fake("wt"), fake("ws")];
  const race = raceDial(first.dial, second.dial, () => performance.now());
  const frames: unknown[] = [];
  const closes: number[] = [];
  const events = { onFrame: (frame: unknown) => frames.push(frame), onClosed: ({ code }: Closed) => closes.push(code) };
  return { first, second, frames, closes, start: () => race(TARGET, events as TransportEvents) };
}

test("WebTransport is used if it speaks in time", () => {
  const { first, second, frames, start } = setUp();
  const transport = start();
  first.tries[0]?.events.onFrame("welcome");
  vi.advanceTimersByTime(60_000);
  transport.send("x", false);
  expect(second.tries).toHaveLength(0);
  expect(first.tries[0]?.sent).toEqual(["x"]);
  expect(frames).toEqual(["welcome"]);
});

test("a failure leads to a WebSocket at once, and later connections do not try again for a time", () => {
  const { first, second, closes, start } = setUp();
  start();
  first.tries[0]?.events.onClosed(GONE);
  expect(second.tries).toHaveLength(1);
  second.tries[0]?.events.onFrame("welcome");
  second.tries[0]?.events.onClosed({ code: 1012, reason: "", opened: true });
  expect(closes).toEqual([1012]);
  start();
  expect([first.tries.length, second.tries.length]).toEqual([1, 2]);
  vi.advanceTimersByTime(600_000);
  start();
  expect(first.tries).toHaveLength(2);
});

test("a slow one runs beside a WebSocket, and the later one is closed", () => {
  const { first, second, frames, start } = setUp();
  start();
  vi.advanceTimersByTime(1_000);
  second.tries[0]?.events.onFrame("welcome");
  expect(first.tries[0]?.closed).toBe(true);
  first.tries[0]?.events.onFrame("welcome too");
  expect(frames).toEqual(["welcome"]);
});

test("one end is told if both fail, and a session that dies leads back to WebSockets", () => {
  const { first, second, closes, start } = setUp();
  start();
  vi.advanceTimersByTime(1_000);
  first.tries[0]?.events.onClosed(GONE);
  expect(closes).toEqual([]);
  second.tries[0]?.events.onClosed(GONE);
  expect(closes).toEqual([1006]);
  vi.advanceTimersByTime(700_000);
  start();
  first.tries[1]?.events.onFrame("welcome");
  first.tries[1]?.events.onClosed({ ...GONE, opened: true });
  start();
  expect([first.tries.length, second.tries.length]).toEqual([2, 2]);
});

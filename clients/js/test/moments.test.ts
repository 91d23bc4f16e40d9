// Rare moments: connections that move, errors on the former one, and what comes late.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ConnectOptions } from "../src/index.js";
import { FakeSocket, fakeClient, fakeRoom, outcome } from "./fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const JOINED = { type: "joined", room: "quiz-1", role: "player", instance: "7", last_seq: 0 };
const REPLACED = { type: "left", room: "quiz-1", code: "replaced" };

/** Makes a client whose joins on the second connection are not answered yet. A second room keeps the first one in use. */
async function moving(options: Partial<ConnectOptions> = {}) {
  const client = fakeClient(options);
  const joins = ["quiz-1", "quiz-2"].map((name) => client.join(name));
  await vi.advanceTimersByTimeAsync(0); // `getToken`
  const former = FakeSocket.last.welcome();
  for (const name of ["quiz-1", "quiz-2"]) former.admit(name, { id: undefined });
  const [room] = await Promise.all(joins);
  if (!room) throw new Error("no room");
  await vi.advanceTimersByTimeAsync(1_500);
  former.say({ type: "notice", code: "draining", reconnect_in_ms: 0 });
  await vi.advanceTimersByTimeAsync(1);
  const next = FakeSocket.last.welcome();
  expect(next.got("join")).toMatchObject([{ room: "quiz-1", attempt: 2 }, { room: "quiz-2" }]);
  return { client, room, former, next };
}

test("a token that is refused while the client moves does not end the move", async () => {
  let tokens = 0;
  const { room, former, next } = await moving({ getToken: () => `t${++tokens}` });
  former.say(REPLACED);
  next.lose(4001);
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.all).toHaveLength(3);
  expect(FakeSocket.last.protocols[1]).toBe("bearer.t2");
  FakeSocket.last.welcome().say(JOINED);
  room.live("here");
  expect(FakeSocket.last.got("live")).toHaveLength(1);
});

test("a token that comes during a wait does not end it", async () => {
  let answer: (token: string) => void = () => {};
  const client = fakeClient({ token: "t1", getToken: () => new Promise((resolve) => (answer = resolve)) });
  const socket = FakeSocket.last.welcome();
  await vi.advanceTimersByTimeAsync(5_000);
  socket.say({ type: "notice", code: "token_expiring" });
  socket.say({ type: "error", code: "rate_limited", retry_after_ms: 60_000 });
  socket.lose(4029);
  await vi.advanceTimersByTimeAsync(1);
  answer("t2");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(31_000);
  expect(FakeSocket.last.protocols[1]).toBe("bearer.t2");
  await client.close();
});

test.each(["bad_seq", "not_joined", "room_rolled_back"])(
  "%s on the former connection does not take the room back",
  async (code) => {
    const { room, former, next } = await moving();
    void room.send("a");
    former.say({ type: "error", room: "quiz-1", seq: 1, code });
    expect(former.got("join")).toHaveLength(2);
    former.say(JOINED);
    next.say(JOINED);
    room.live("here");
    expect([former.got("live").length, next.got("live").length]).toEqual([0, 1]);
  },
);

test("a reducer that throws on the former connection does not take the room back", async () => {
  let isBroken = true;
  const reducer = (state: number, update: number) => {
    if (isBroken) throw new Error("a bug");
    return state + update;
  };
  const client = fakeClient();
  const joining = client.join("quiz-1", { reducer: reducer as never });
  const former = FakeSocket.last.welcome();
  former.admit("quiz-1", {}, { data: 1 });
  const room = await joining;
  await vi.advanceTimersByTimeAsync(1_500);
  former.say({ type: "notice", code: "draining", reconnect_in_ms: 0 });
  await vi.advanceTimersByTimeAsync(1);
  const next = FakeSocket.last.welcome();
  const update = { type: "update", room: "quiz-1", version: 2, prev: 1, data: 5 };
  former.say(update);
  expect(former.got("join")).toHaveLength(1);
  isBroken = false;
  next.say(JOINED, update);
  expect(room.state).toBe(6);
});

test("a room whose former connection fails an input and is lost moves on", async () => {
  const { room, former, next } = await moving();
  const sent = room.send("a");
  former.say({ type: "error", room: "quiz-1", seq: 1, code: "bad_seq" });
  former.say(JOINED);
  former.lose();
  expect(await outcome(sent)).toEqual({ code: "bad_seq" });
  next.say(JOINED);
  room.live("here");
  expect(next.got("live")).toHaveLength(1);
});

test("a late `replaced` of the former connection means nothing", async () => {
  const { room, former, next } = await moving();
  next.lose();
  former.say({ type: "update", room: "quiz-1", version: 9, prev: 8, data: 1 }); // a gap, which joins there again
  expect(former.got("join")).toHaveLength(3);
  former.say(REPLACED);
  expect(room.status.state).toBe("connected");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(FakeSocket.all).toHaveLength(3);
  FakeSocket.last.welcome().say(JOINED);
  room.live("here");
  expect(FakeSocket.last.got("live")).toHaveLength(1);
});

test("no input is numbered between `bad_seq` and `joined`", async () => {
  const { room, socket } = await fakeRoom();
  void room.send("a");
  socket.say({ type: "error", room: "quiz-1", seq: 1, code: "bad_seq" });
  void room.send("b");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(socket.got("input")).toHaveLength(1);
  socket.say({ ...JOINED, last_seq: 4 });
  expect(socket.got("input").at(-1)).toMatchObject({ seq: 5, data: "b" });
});

test("`close` is final, also after another end", async () => {
  const { client, socket } = await fakeRoom();
  socket.lose(4009);
  expect(client.status.why).toBe("replaced");
  await client.close();
  client.reconnect();
  expect(FakeSocket.all).toHaveLength(1);
  expect(await outcome(client.join("quiz-1"))).toEqual({ code: "closed" });
});

test.each([
  ["is not answered", []],
  ["brings no state", [JOINED]],
])("a join that %s in time is taken back", async (_, messages) => {
  const client = fakeClient();
  const joining = client.join("quiz-1", { timeoutMs: 300 });
  const socket = FakeSocket.last.welcome();
  socket.say(...messages);
  await vi.advanceTimersByTimeAsync(300);
  expect(await outcome(joining)).toEqual({ code: "timeout" });
  expect(socket.got("leave")).toEqual([{ type: "leave", room: "quiz-1" }]);
});

test("a join that waits for a connection wakes nobody", async () => {
  const client = fakeClient();
  void client.join("quiz-1");
  const socket = FakeSocket.last.welcome();
  socket.say({ type: "error", room: "quiz-1", code: "busy", id: socket.idOf("join"), retry_after_ms: 100 });
  socket.lose();
  const timers = vi.spyOn(globalThis, "setTimeout");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(timers.mock.calls.length).toBeLessThan(20);
  timers.mockRestore();
});

test("inputs that are paused while the room is left wake nobody", async () => {
  const { room, socket } = await fakeRoom();
  void room.leave();
  socket.say({ type: "error", code: "rate_limited", retry_after_ms: 100 });
  const timers = vi.spyOn(globalThis, "setTimeout");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(timers.mock.calls.length).toBeLessThan(20);
  timers.mockRestore();
});

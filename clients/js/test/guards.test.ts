// @vitest-environment jsdom

// Servers and applications that misbehave, and what browsers tell a page.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeSocket, fakeClient, fakeRoom, outcome } from "./fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function show(state: "visible" | "hidden"): void {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}

test("`online` and a page that is shown again end a wait at once, and check an open connection", async () => {
  const { client, socket } = await fakeRoom();
  show("hidden");
  show("visible");
  expect(socket.got("ping")).toHaveLength(1);
  socket.say({ type: "pong", id: socket.idOf("ping"), time_ms: 1 });
  await vi.advanceTimersByTimeAsync(5_000);
  socket.lose();
  FakeSocket.last.lose();
  expect(FakeSocket.all).toHaveLength(2);
  dispatchEvent(new Event("online"));
  expect(FakeSocket.all).toHaveLength(3);
  FakeSocket.last.lose();
  for (let i = 0; i < 50; i++) dispatchEvent(new Event("online"));
  expect(FakeSocket.all).toHaveLength(3);
  await client.close();
  dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all).toHaveLength(3);
});

test("a machine that was asleep asks once more before it gives a connection up", async () => {
  const { socket } = await fakeRoom();
  await vi.advanceTimersByTimeAsync(25_000);
  expect(socket.got("ping")).toHaveLength(1);
  const late = performance.now() + 3_600_000;
  vi.spyOn(performance, "now").mockImplementation(() => late);
  vi.advanceTimersByTime(10_000);
  expect(socket.got("ping")).toHaveLength(2);
  expect(FakeSocket.all).toHaveLength(1);
  vi.restoreAllMocks();
});

test.each([[{ limits: { window: 0, message_bytes: 0 } }], [{ limits: {} }], [{ limits: undefined, heartbeat_ms: 0 }]])(
  "a welcome with %j still lets inputs pass",
  async (welcome) => {
    const client = fakeClient();
    const joining = client.join("quiz-1");
    const socket = FakeSocket.last.welcome(welcome);
    socket.admit("quiz-1");
    const room = await joining;
    void room.send("a");
    await vi.advanceTimersByTimeAsync(90);
    expect(socket.got("input")).toHaveLength(1);
    expect(socket.got("ping")).toHaveLength(0);
  },
);

test("a server that repeats `token_expiring` does not make the client ask faster than its backoff", async () => {
  let asked = 0;
  const client = fakeClient({ getToken: () => `t${++asked}` });
  await vi.advanceTimersByTimeAsync(0);
  const socket = FakeSocket.last.welcome();
  for (let i = 0; i < 100; i++) {
    socket.say({ type: "notice", code: "token_expiring" });
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(asked).toBeGreaterThan(3);
  expect(asked).toBeLessThanOrEqual(12);
  await client.close();
});

test("a patch that nests too deeply stops nothing", async () => {
  const { client, socket } = await fakeRoom({}, { patch: "merge" });
  const errors: string[] = [];
  client.on("error", ({ code }) => errors.push(code));
  const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
  socket.onmessage?.({ data: `{"type":"update","room":"quiz-1","version":2,"prev":1,"data":${deep}}` });
  expect(errors.length).toBeGreaterThan(0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.status.state).toBe("connected");
});

test("inputs that wait are bounded", async () => {
  const { room, socket } = await fakeRoom();
  await vi.advanceTimersByTimeAsync(2_000);
  socket.lose();
  const sent = Array.from({ length: 1_100 }, (_, i) => room.send(i));
  expect(await outcome(sent[1_023] as Promise<unknown>)).toBe("open");
  expect(await outcome(sent[1_024] as Promise<unknown>)).toEqual({ code: "busy" });
});

test("params and inputs that are no JSON are refused, and the client goes on", async () => {
  const { client, room, socket } = await fakeRoom();
  await expect(client.join("other-1", { params: { n: 1n } })).rejects.toMatchObject({ code: "bad_data" });
  room.live(() => {});
  const sent = room.send("a");
  socket.say({ type: "ack", room: "quiz-1", seq: 1 });
  expect(await outcome(sent)).toEqual({ ok: { seq: 1 } });
});

test("messages that nobody understands are told, and the connection stays", async () => {
  const { client, room, socket } = await fakeRoom();
  const errors: string[] = [];
  client.on("error", ({ code }) => errors.push(code));
  for (const data of ["<html>", '{"type":"update","room":"quiz-1"}', "[]", new ArrayBuffer(3)])
    socket.onmessage?.({ data });
  socket.say({ type: "dance", room: "quiz-1" });
  expect(errors).toEqual(["bad_message", "bad_message", "bad_message", "bad_message"]);
  expect(room.status.state).toBe("connected");
});

test("an ack that is too high does not look like a rollback later", async () => {
  const { room, socket } = await fakeRoom();
  const resets: unknown[] = [];
  room.on("reset", (reset) => resets.push(reset));
  void room.send("a");
  socket.say({ type: "ack", room: "quiz-1", seq: 1_000 });
  await vi.advanceTimersByTimeAsync(2_000);
  socket.lose();
  FakeSocket.last.welcome().say({ type: "joined", room: "quiz-1", role: "player", instance: "7", last_seq: 1 });
  expect(resets).toEqual([]);
});

test("a room that was created again, and one that came back older, are told", async () => {
  const { room, socket } = await fakeRoom();
  const resets: unknown[] = [];
  room.on("reset", (reset) => resets.push(reset));
  const sent = [room.send("a"), room.send("b")];
  socket.say({ type: "ack", room: "quiz-1", seq: 1 });
  socket.say({ type: "error", code: "room_rolled_back", room: "quiz-1", seq: 0 });
  expect(await outcome(sent[1] as Promise<unknown>)).toEqual({ code: "room_rolled_back" });
  socket.admit("quiz-1", { instance: "8" });
  expect(resets).toEqual([{ why: "room_rolled_back", lastSeq: 0 }, { why: "room_restarted" }]);
  void room.send("c");
  expect(socket.got("input").at(-1)).toMatchObject({ seq: 1, data: "c" });
});

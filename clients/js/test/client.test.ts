import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AuthError, ConnectError, connect, GrandstandError, InputError, JoinError } from "../src/index.js";
import { FakeSocket, fakeClient, fakeRoom, outcome } from "./fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a join follows the welcome, and resolves with the first state", async () => {
  const client = fakeClient({ token: "t" });
  const joining = client.join("quiz-1", { params: { rounds: 3 } });
  const socket = FakeSocket.last;
  expect(socket.url).toBe("ws://test/v1/ws");
  expect(socket.protocols).toEqual(["grandstand.v1.json", "bearer.t"]);
  expect(socket.sent).toEqual([]);
  expect(client.status.state).toBe("connecting");
  socket.welcome();
  expect(socket.got("join")).toMatchObject([{ room: "quiz-1", params: { rounds: 3 }, attempt: 1 }]);
  expect(await outcome(joining)).toBe("open");
  socket.admit("quiz-1");
  const room = await joining;
  expect(room).toMatchObject({ name: "quiz-1", role: "player", state: { n: 1 }, status: { state: "connected" } });
});

test("listeners that are added after the join miss nothing", async () => {
  const client = fakeClient();
  const joining = client.join("quiz-1");
  const socket = FakeSocket.last.welcome();
  socket.admit("quiz-1", {}, { patch: "merge" });
  socket.say({ type: "update", room: "quiz-1", version: 2, prev: 1, data: { n: 2 } });
  const room = await joining;
  expect(room.state).toEqual({ n: 1 });
  const seen: unknown[] = [];
  room.on("update", (update, { version }) => seen.push([version, update, room.state]));
  await vi.advanceTimersByTimeAsync(1);
  socket.say({ type: "update", room: "quiz-1", version: 3, prev: 2, data: { m: 1 } });
  expect(seen).toEqual([
    [2, { n: 2 }, { n: 2 }],
    [3, { m: 1 }, { n: 2, m: 1 }],
  ]);
});

test("a reducer makes the state of a game without patches", async () => {
  const client = fakeClient();
  type Sum = { state: { sum: number }; update: { add: number } };
  const joining = client.join<Sum>("sum-1", { reducer: ({ sum }, { add }) => ({ sum: sum + add }) });
  FakeSocket.last.welcome().admit("sum-1", {}, { data: { sum: 1 } });
  const room = await joining;
  await vi.advanceTimersByTimeAsync(1);
  FakeSocket.last.say({ type: "update", room: "sum-1", version: 2, prev: 1, data: { add: 5 } });
  expect(room.state).toEqual({ sum: 6 });
});

test("a reducer that throws is reported, and the room asks for a snapshot", async () => {
  const client = fakeClient();
  const errors: string[] = [];
  client.on("error", ({ code }) => errors.push(code));
  const joining = client.join("sum-1", {
    reducer: () => {
      throw new Error("a bug");
    },
  });
  const socket = FakeSocket.last.welcome();
  socket.admit("sum-1");
  await joining;
  socket.say({ type: "update", room: "sum-1", version: 2, prev: 1, data: {} });
  expect(errors).toEqual(["reducer_failed"]);
  expect(socket.got("join")).toHaveLength(2);
  expect(socket.got("join")[1]).not.toHaveProperty("since");
});

test("inputs are numbered, and settle by acks and rejects", async () => {
  const { room, socket } = await fakeRoom();
  const rejected: string[] = [];
  room.on("reject", ({ code }) => rejected.push(code));
  const [one, two, three] = [room.send("a"), room.send("b"), room.send("c")];
  expect(socket.got("input").map(({ seq, data }) => [seq, data])).toEqual([
    [1, "a"],
    [2, "b"],
    [3, "c"],
  ]);
  socket.say({ type: "reject", room: "quiz-1", seq: 2, code: "not_your_turn", message: "wait" });
  socket.say({ type: "ack", room: "quiz-1", seq: 2 });
  expect(await outcome(one)).toEqual({ ok: { seq: 1 } });
  await expect(two).rejects.toMatchObject({ code: "not_your_turn", message: "wait", rejected: true, seq: 2 });
  await expect(two).rejects.toBeInstanceOf(InputError);
  expect(await outcome(three)).toBe("open");
  expect(rejected).toEqual(["not_your_turn"]);
});

test("a rejected input that nobody awaits is no unhandled rejection", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const { client, room, socket } = await fakeRoom();
  void room.send("a");
  void client.join("other-1");
  socket.say({ type: "reject", room: "quiz-1", seq: 1, code: "no" });
  await client.close();
  vi.useRealTimers();
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test("after a loss it resumes, and resends in order with the same numbers", async () => {
  const { room, socket } = await fakeRoom();
  socket.say({ type: "update", room: "quiz-1", version: 4, prev: 1, data: {} });
  const sent = [room.send("a"), room.send("b")];
  socket.say({ type: "ack", room: "quiz-1", seq: 1 });
  await vi.advanceTimersByTimeAsync(1_000);
  socket.lose();
  expect(room.status).toMatchObject({ state: "reconnecting", why: "lost" });
  const third = room.send("c");
  const next = FakeSocket.last;
  expect(next).not.toBe(socket);
  next.welcome();
  expect(next.got("join")).toMatchObject([{ since: 4, epoch: "e1", attempt: 2 }]);
  next.say({ type: "joined", room: "quiz-1", role: "player", instance: "7", last_seq: 1 });
  expect(next.got("input").map(({ seq, data }) => [seq, data])).toEqual([
    [2, "b"],
    [3, "c"],
  ]);
  next.say({ type: "ack", room: "quiz-1", seq: 3 });
  await Promise.all([...sent, third]);
  expect(room.status.state).toBe("connected");
});

test("inputs beyond the window wait in the client", async () => {
  const client = fakeClient();
  const joining = client.join("quiz-1");
  const socket = FakeSocket.last.welcome({ limits: { window: 2, message_bytes: 1_000 } });
  socket.admit("quiz-1");
  const room = await joining;
  for (const data of ["a", "b", "c"]) void room.send(data);
  expect(socket.got("input")).toHaveLength(2);
  await expect(room.send("x".repeat(2_000))).rejects.toMatchObject({ code: "too_big" });
  socket.say({ type: "ack", room: "quiz-1", seq: 1 });
  expect(socket.got("input").map(({ data }) => data)).toEqual(["a", "b", "c"]);
});

test("what is no JSON is refused at once", async () => {
  const { room } = await fakeRoom();
  await expect(room.send(1n)).rejects.toMatchObject({ code: "bad_data" });
});

test("a pong without a number says nothing about the clock of the server", async () => {
  for (const time_ms of [undefined, null, "soon", true, {}, 0, -1, 1.5, 2 ** 60]) {
    const { client, socket } = await fakeRoom();
    expect(client.serverTime()).toBeUndefined();
    socket.say({ type: "pong", id: socket.idOf("ping"), time_ms });
    expect(client.rttMs, "it is an answer all the same").toBe(0);
    expect(client.serverTime(), `${time_ms}`).toBeUndefined();
    expect(client.status.state).toBe("connected");
    await client.close();
  }
});

test("a dead connection is noticed by its silence, and pings measure the clock of the server", async () => {
  const { client, socket } = await fakeRoom();
  expect(client.serverTime()).toBeUndefined();
  await vi.advanceTimersByTimeAsync(40);
  socket.say({ type: "pong", id: socket.idOf("ping"), time_ms: 1_000_000 });
  expect(client.rttMs).toBe(40);
  vi.setSystemTime(0); // the device's clock jumps
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.serverTime()).toBe(1_001_020);
  await vi.advanceTimersByTimeAsync(24_000);
  expect(socket.got("ping")).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(socket.closedWith).toBe(1000);
  expect(FakeSocket.all).toHaveLength(2);
  expect(client.status).toMatchObject({ state: "reconnecting", why: "timeout" });
});

test("a hidden page is quiet, and wakes at once", async () => {
  const { client, socket } = await fakeRoom({ backoff: { minMs: 1_000 } });
  client.hint("hidden");
  await vi.advanceTimersByTimeAsync(2_000);
  socket.lose();
  FakeSocket.last.lose();
  const tries = FakeSocket.all.length;
  await vi.advanceTimersByTimeAsync(29_000);
  expect(FakeSocket.all).toHaveLength(tries);
  client.hint("visible");
  expect(FakeSocket.all).toHaveLength(tries + 1);
});

test("after 4029 it does not come back before the time that the server named, whatever happens", async () => {
  const { client, socket } = await fakeRoom();
  await vi.advanceTimersByTimeAsync(5_000);
  socket.say({ type: "error", code: "rate_limited", message: "slow down", retry_after_ms: 60_000 });
  socket.lose(4029);
  await vi.advanceTimersByTimeAsync(30_000);
  client.hint("online");
  client.reconnect();
  await vi.advanceTimersByTimeAsync(29_900);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1_200);
  expect(FakeSocket.all).toHaveLength(2);
});

test("a refused token closes the client, and another one opens it", async () => {
  const client = fakeClient({ token: "old" });
  const joining = client.join("quiz-1");
  FakeSocket.last.say({ type: "error", code: "unauthenticated", message: "the token has expired" });
  FakeSocket.last.lose(4001, "unauthenticated");
  await expect(joining).rejects.toBeInstanceOf(AuthError);
  expect(client.status).toMatchObject({ state: "closed", why: "unauthenticated" });
  expect(client.status.error?.message).toContain("use a valid token");
  client.reconnect();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(FakeSocket.all).toHaveLength(1);
  await client.setToken("new");
  expect(FakeSocket.last.protocols[1]).toBe("bearer.new");
});

test("a refused origin is told as such", () => {
  const client = fakeClient();
  FakeSocket.last.say({
    type: "error",
    code: "forbidden",
    message: "pages of x may not connect; add the origin to `edge.origins`",
  });
  FakeSocket.last.lose(4003);
  expect(client.status.error).toMatchObject({ code: "forbidden" });
  expect(client.status.error?.message).not.toContain("use a token");
});

test("`getToken` is asked before the first connection and after a refusal", async () => {
  let tokens = 0;
  const client = fakeClient({ getToken: () => `t${++tokens}` });
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.last.protocols[1]).toBe("bearer.t1");
  FakeSocket.last.welcome();
  await vi.advanceTimersByTimeAsync(1_000);
  FakeSocket.last.lose(4001);
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.last.protocols[1]).toBe("bearer.t2");
  expect(client.status.state).toBe("reconnecting");
});

test("a server that refuses every token is asked ever more slowly", async () => {
  let tokens = 0;
  fakeClient({ getToken: async () => `t${++tokens}` });
  const end = Date.now() + 120_000;
  for (let seen = 0; Date.now() < end; ) {
    await vi.advanceTimersByTimeAsync(10);
    if (FakeSocket.all.length > seen) {
      seen = FakeSocket.all.length;
      FakeSocket.last.lose(4001);
    }
  }
  expect(FakeSocket.all.length).toBeGreaterThan(3);
  expect(FakeSocket.all.length).toBeLessThan(20);
});

test("an unknown version of the protocol closes the client", async () => {
  const client = fakeClient();
  const joining = client.join("quiz-1");
  FakeSocket.last.welcome({ protocol: 2 });
  await expect(joining).rejects.toMatchObject({ code: "unsupported_protocol" });
  await vi.advanceTimersByTimeAsync(120_000);
  expect(client.status.state).toBe("closed");
  expect(FakeSocket.all).toHaveLength(1);
});

test("a server that is not there: the join fails in time with the reason", async () => {
  const client = fakeClient();
  const joining = client.join("quiz-1", { timeoutMs: 5_000 });
  FakeSocket.last.lose();
  const ended = expect(joining).rejects.toMatchObject({ code: "timeout", cause: { code: "unreachable" } });
  await vi.advanceTimersByTimeAsync(5_000);
  await ended;
  expect(client.status).toMatchObject({ state: "connecting", why: "unreachable" });
});

test("a room that stays unavailable: the join fails in time with the server's reason", async () => {
  const client = fakeClient();
  const joining = client.join("quiz-1", { timeoutMs: 5_000 });
  const socket = FakeSocket.last.welcome();
  const ended = expect(joining).rejects.toMatchObject({ code: "room_unavailable", message: "in quarantine" });
  for (let second = 0; second < 5; second++) {
    socket.say({
      type: "error",
      id: socket.idOf("join"),
      code: "room_unavailable",
      message: "in quarantine",
      retry_after_ms: 1_000,
    });
    await vi.advanceTimersByTimeAsync(1_000);
  }
  await ended;
});

test("a drained connection is replaced before it is closed, and nothing is seen twice", async () => {
  const { client, room, socket } = await fakeRoom();
  const versions: number[] = [];
  const states: string[] = [];
  room.on("update", (_, { version }) => versions.push(version));
  client.on("status", ({ state }) => states.push(state));
  await vi.advanceTimersByTimeAsync(5_000);
  const sent = room.send("a");
  socket.say({ type: "notice", code: "draining", reconnect_in_ms: 500 });
  await vi.advanceTimersByTimeAsync(500);
  const next = FakeSocket.last.welcome();
  expect(next.got("join")).toMatchObject([{ since: 1 }]);
  socket.say({ type: "update", room: "quiz-1", version: 2, prev: 1, data: {} });
  next.say({ type: "joined", room: "quiz-1", role: "player", instance: "7", last_seq: 0 });
  expect(socket.closedWith).toBe(1000);
  expect(next.got("input")).toMatchObject([{ seq: 1 }]);
  socket.lose(4009);
  next.say({ type: "update", room: "quiz-1", version: 2, prev: 1, data: {} });
  next.say({ type: "update", room: "quiz-1", version: 3, prev: 2, data: {} });
  next.say({ type: "ack", room: "quiz-1", seq: 1 });
  await sent;
  expect(versions).toEqual([2, 3]);
  expect(states).toEqual([]);
});

test("a room that was left can be joined again at once", async () => {
  const { client, room, socket } = await fakeRoom();
  const leaving = room.leave();
  const leaveId = socket.idOf("leave");
  const joining = client.join("quiz-1");
  expect(await outcome(leaving)).toEqual({ ok: undefined });
  socket.say({ type: "left", room: "quiz-1", code: "left", id: leaveId });
  socket.admit("quiz-1");
  expect(await joining).not.toBe(room);
});

test("`close` answers every promise, and nothing happens afterwards", async () => {
  const { client, room, socket } = await fakeRoom();
  const [sent, joining] = [room.send("a"), client.join("other-1")];
  await client.close();
  expect(await outcome(sent)).toEqual({ code: "closed" });
  expect(await outcome(joining)).toEqual({ code: "closed" });
  await expect(room.send("b")).rejects.toBeInstanceOf(InputError);
  await expect(client.join("quiz-2")).rejects.toBeInstanceOf(GrandstandError);
  expect(socket.closedWith).toBe(1000);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(FakeSocket.all).toHaveLength(1);
});

test("a listener that throws stops nothing", async () => {
  const report = vi.fn();
  vi.stubGlobal("reportError", report);
  const { room, socket } = await fakeRoom();
  const seen: unknown[] = [];
  room.on("update", () => {
    throw new Error("a bug in the page");
  });
  room.on("update", (update) => seen.push(update));
  socket.say({ type: "update", room: "quiz-1", version: 2, prev: 1, data: "x" });
  expect(seen).toEqual(["x"]);
  expect(report).toHaveBeenCalledOnce();
  vi.unstubAllGlobals();
});

test("options that make no sense are told at once", () => {
  expect(() => connect({ url: "ftp://x" })).toThrow(ConnectError);
  expect(() => connect({ url: "not a url" })).toThrow(/no address/);
  vi.stubGlobal("WebSocket", undefined);
  expect(() => connect({ url: "ws://x" })).toThrow(/`ws`/);
  vi.unstubAllGlobals();
});

test("a room that the server refuses", async () => {
  const client = fakeClient();
  const joining = client.join("quiz-1");
  const socket = FakeSocket.last.welcome();
  socket.say({ type: "error", id: socket.idOf("join"), room: "quiz-1", code: "room_full", message: "two can play" });
  await expect(joining).rejects.toBeInstanceOf(JoinError);
  await expect(joining).rejects.toMatchObject({ code: "room_full", room: "quiz-1" });
});

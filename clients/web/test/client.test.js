import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Client } from "../grandstand.js";
import { FakeSocket, FakeTimers } from "./fake.js";

const R = "memory-1";
const joined = (last_seq = 0, instance = "i1") => ({ type: "joined", room: R, role: "player", instance, last_seq });
const snapshot = (version, data, epoch = "e1") => ({ type: "snapshot", room: R, epoch, version, data });
const update = (version, data, prev = version - 1) => ({ type: "update", room: R, version, prev, data });
const seqs = (socket) => socket.got("input").map(({ seq }) => seq);
const turn = () => new Promise((resolve) => setImmediate(resolve));

let seen;
let states;
let timers;

beforeEach(() => {
  FakeSocket.all = [];
  seen = [];
  states = [];
  timers = new FakeTimers();
});

afterEach(() => timers.restore());

function setUp(options = {}) {
  const client = new Client("ws://edge/v1/ws", {
    WebSocket: FakeSocket,
    random: () => 1,
    now: () => 0,
    on: { state: (state, detail) => states.push([state, detail?.code]), error: (message) => seen.push(["error", message.code]) },
    ...options,
  });
  const note = (what) => (value) => seen.push([what, value?.code ?? value]);
  const on = Object.fromEntries(["snapshot", "update", "direct", "live", "left"].map((what) => [what, note(what)]));
  const restarted = () => seen.push(["restarted"]);
  const rolledBack = ({ from, to }) => seen.push(["rolledBack", from, to]);
  const room = client.join(R, { on: { ...on, restarted, rolledBack }, params: { rows: 2 } });
  return { client, room };
}

test("a join follows the welcome, carries client and attempt, and yields a snapshot and updates", () => {
  const { room } = setUp({ token: "t" });
  assert.deepEqual(FakeSocket.last.protocols, ["grandstand.v1.json", "bearer.t"]);
  const socket = FakeSocket.last.welcome();
  const [{ client: page, ...join }] = socket.got("join");
  assert.match(page, /^[0-9a-f]{24}$/);
  assert.deepEqual(join, { type: "join", room: R, params: { rows: 2 }, attempt: 1 });
  assert.equal(room.joined, false);
  socket.say(joined(), snapshot(4, "s4"), update(5, "u5"), update(5, "u5"), { type: "later", room: R });
  assert.deepEqual(seen, [["snapshot", "s4"], ["update", "u5"]]);
});

test("inputs wait for joined, continue after last_seq, and settle by cumulative acks and rejects", async () => {
  const { room } = setUp();
  const outcomes = ["a", "b", "c"].map((data) => room.input(data));
  const socket = FakeSocket.last.welcome();
  assert.deepEqual(seqs(socket), []);
  socket.say(joined(6));
  assert.deepEqual(seqs(socket), [7, 8, 9]);
  socket.say({ type: "reject", room: R, seq: 8, code: "not_your_turn", message: "wait" }, { type: "ack", room: R, seq: 9 });
  assert.deepEqual(await Promise.all(outcomes), [{ ok: true }, { ok: false, code: "not_your_turn", message: "wait" }, { ok: true }]);
});

test("after a loss it resumes and resends unanswered inputs in order", async () => {
  const { room } = setUp();
  let socket = FakeSocket.last.welcome();
  socket.say(joined(), snapshot(4, "s4"), update(5, "u5"));
  const first = room.input("a");
  room.input("b");
  room.input("c");
  socket.say({ type: "ack", room: R, seq: 1 });
  assert.deepEqual(await first, { ok: true });
  socket.lose();
  const fourth = room.input("d");
  assert.deepEqual(states.at(-1), ["waiting", 1006]);
  timers.tick(250);
  assert.equal(FakeSocket.all.length, 2);
  socket = FakeSocket.last.welcome();
  const [{ since, epoch, attempt }] = socket.got("join");
  assert.deepEqual({ since, epoch, attempt }, { since: 5, epoch: "e1", attempt: 2 });
  socket.say(joined(2), update(6, "u6"), { type: "ack", room: R, seq: 2 });
  assert.deepEqual(socket.got("input").map(({ seq, data }) => [seq, data]), [[2, "b"], [3, "c"], [4, "d"]]);
  socket.say({ type: "ack", room: R, seq: 4 });
  assert.deepEqual(await fourth, { ok: true });
  assert.deepEqual(seen.at(-1), ["update", "u6"]);
});

test("the backoff doubles up to a cap, and starts again after a welcome", () => {
  setUp();
  for (const wait of [250, 500, 1000, 2000, 4000, 8000, 10000, 10000]) {
    const before = FakeSocket.all.length;
    FakeSocket.last.lose();
    timers.tick(wait - 1);
    assert.equal(FakeSocket.all.length, before);
    timers.tick(1);
    assert.equal(FakeSocket.all.length, before + 1);
  }
  FakeSocket.last.welcome().lose();
  const before = FakeSocket.all.length;
  timers.tick(250);
  assert.equal(FakeSocket.all.length, before + 1);
});

test("after a gap it joins again without since, and ignores updates before the snapshot", () => {
  setUp();
  const socket = FakeSocket.last.welcome();
  socket.say(joined(), snapshot(4, "s4"), update(6, "u6"), update(7, "u7"));
  const joins = socket.got("join");
  assert.equal(joins.length, 2);
  assert.equal("since" in joins[1] || "epoch" in joins[1], false);
  socket.say(joined(), snapshot(7, "s7"), update(8, "u8"));
  assert.deepEqual(seen, [["snapshot", "s4"], ["snapshot", "s7"], ["update", "u8"]]);
});

test("inputs for a room that was created again fail", async () => {
  const { room } = setUp();
  FakeSocket.last.welcome().say(joined(3), snapshot(4, "s4"));
  const lost = room.input("a");
  FakeSocket.last.lose();
  timers.tick(250);
  const socket = FakeSocket.last.welcome();
  socket.say(joined(0, "i2"), snapshot(1, "new", "e2"));
  assert.equal((await lost).code, "room_restarted");
  assert.deepEqual(seqs(socket), []);
  room.input("b");
  assert.deepEqual(seqs(socket), [1]);
  assert.deepEqual(seen.at(-2), ["restarted"]);
});

test("acked inputs that the server lost are reported, and later ones are numbered after the last that holds", async () => {
  const { room } = setUp();
  const socket = FakeSocket.last.welcome();
  socket.say(joined(), snapshot(4, "s4"));
  const held = [room.input("a"), room.input("b"), room.input("c")];
  socket.say({ type: "ack", room: R, seq: 3 });
  for (const input of held) assert.equal((await input).ok, true);
  const lost = room.input("d");
  socket.say({ type: "error", code: "room_rolled_back", message: "", room: R, seq: 1 });
  assert.equal((await lost).code, "room_rolled_back");
  assert.deepEqual(seen.at(-1), ["rolledBack", 2, 3]);
  assert.equal(socket.got("join").length, 2);
  assert.equal(socket.got("join")[1].since, undefined);
  socket.say(joined(1), snapshot(2, "s2", "e2"));
  room.input("e");
  assert.equal(seqs(socket).at(-1), 2);
});

test("a join after a rollback on another edge reports the lost inputs, and resends none of them", async () => {
  const { room } = setUp();
  FakeSocket.last.welcome().say(joined(), snapshot(4, "s4"));
  room.input("a");
  room.input("b");
  FakeSocket.last.say({ type: "ack", room: R, seq: 2 });
  const lost = room.input("c");
  FakeSocket.last.lose();
  timers.tick(250);
  const socket = FakeSocket.last.welcome();
  socket.say(joined(1), snapshot(2, "s2", "e2"));
  assert.equal((await lost).code, "room_rolled_back");
  assert.deepEqual(seqs(socket), []);
  room.input("d");
  assert.deepEqual(seqs(socket), [2]);
});

test("a draining edge: the new connection opens before the old one closes, and nothing is lost or seen twice", async () => {
  const { room } = setUp();
  const old = FakeSocket.last.welcome();
  old.say(joined(), snapshot(1, "s1"), { type: "notice", code: "draining", reconnect_in_ms: 1200 });
  timers.tick(1199);
  assert.equal(FakeSocket.all.length, 1);
  timers.tick(1);
  const fresh = FakeSocket.last;
  assert.notEqual(fresh, old);
  old.say(update(2, "u2"));
  const pending = room.input("a");
  assert.deepEqual(seqs(old), [1]);
  fresh.welcome();
  assert.equal(fresh.got("join")[0].since, 2);
  assert.equal(old.closedWith, undefined);
  old.say({ type: "left", room: R, code: "replaced" });
  assert.equal(room.ended, null);
  fresh.say(joined(), update(3, "u3"));
  assert.equal(old.closedWith, 1000);
  old.say(update(3, "u3"));
  assert.deepEqual(seqs(fresh), [1]);
  fresh.say({ type: "ack", room: R, seq: 1 });
  assert.deepEqual(await pending, { ok: true });
  assert.deepEqual(seen, [["snapshot", "s1"], ["update", "u2"], ["update", "u3"]]);
  assert.deepEqual(states.map(([state]) => state), ["connecting", "open", "open"]);
});

test("it continues if the old connection closes with 4009 before the new one has joined", () => {
  const { room } = setUp();
  const old = FakeSocket.last.welcome();
  old.say(joined(), snapshot(1, "s1"), { type: "notice", code: "draining", reconnect_in_ms: 0 });
  timers.tick(0);
  const fresh = FakeSocket.last.welcome();
  old.lose(4009);
  fresh.say(joined());
  assert.equal(room.joined, true);
  assert.equal(FakeSocket.all.length, 2);
});

for (const code of [4001, 4003, 4009]) {
  test(`after ${code} it does not reconnect`, async () => {
    const { room } = setUp();
    FakeSocket.last.welcome().say(joined());
    const pending = room.input("a");
    FakeSocket.last.lose(code);
    timers.tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
    assert.deepEqual(states.at(-1), ["closed", code]);
    assert.equal((await pending).ok, false);
  });
}

test("a refused join ends the room; an unavailable room is tried again", () => {
  const { client } = setUp();
  const socket = FakeSocket.last.welcome();
  const id = socket.sent.find(({ type }) => type === "join").id;
  socket.say({ type: "error", code: "room_unavailable", message: "", room: R, id });
  timers.tick(2000);
  assert.equal(socket.sent.filter(({ type }) => type === "join").length, 2);
  socket.say({ type: "error", code: "room_unavailable", message: "", room: R, id: socket.sent.at(-1).id, retry_after_ms: 500 });
  timers.tick(500);
  const joins = socket.sent.filter(({ type }) => type === "join");
  assert.equal(joins.length, 3);
  socket.say({ type: "error", code: "room_full", message: "", room: R, id: joins[2].id });
  assert.deepEqual(seen.at(-1), ["left", "room_full"]);
  assert.equal(client.rooms.size, 0);
});

test("a refused input fails together with later ones, and its seq is used again", async () => {
  const { room } = setUp();
  const socket = FakeSocket.last.welcome({ limits: { message_bytes: 1000 } });
  socket.say(joined());
  const first = room.input("a");
  const second = room.input("b");
  const third = room.input("c");
  const id = socket.sent.find(({ seq }) => seq === 2).id;
  socket.say({ type: "error", code: "rate_limited", message: "slow down", room: R, seq: 2, id });
  assert.equal((await second).code, "rate_limited");
  assert.equal((await third).code, "rate_limited");
  assert.equal((await room.input("x".repeat(900))).code, "too_big");
  room.input("d");
  assert.deepEqual(seqs(socket), [1, 2, 3, 2]);
  socket.say({ type: "ack", room: R, seq: 1 });
  assert.deepEqual(await first, { ok: true });
});

test("inputs that a busy log refuses are sent again with their seqs, and none fails", async () => {
  const { room } = setUp();
  const socket = FakeSocket.last.welcome();
  socket.say(joined());
  const inputs = [room.input("a"), room.input("b"), room.input("c")];
  const about = (seq) => ({ room: R, seq, id: socket.sent.find((message) => message.seq === seq).id, message: "" });
  socket.say({ type: "error", code: "busy", retry_after_ms: 700, ...about(2) });
  socket.say({ type: "error", code: "bad_seq", ...about(3) });
  assert.deepEqual(seqs(socket), [1, 2, 3]);
  timers.tick(700);
  assert.deepEqual(seqs(socket), [1, 2, 3, 1, 2, 3]);
  socket.say({ type: "ack", room: R, seq: 3 });
  assert.deepEqual(await Promise.all(inputs), [{ ok: true }, { ok: true }, { ok: true }]);
});

test("an error that names no room is found by its id", async () => {
  const { room } = setUp();
  const socket = FakeSocket.last.welcome();
  socket.say(joined());
  const input = room.input("a");
  const { id } = socket.sent.find(({ seq }) => seq === 1);
  socket.say({ type: "error", code: "bad_room", message: "", id: id + 1 }, { type: "error", code: "rate_limited", message: "" });
  assert.deepEqual(seen, [["error", "bad_room"], ["error", "rate_limited"]]);
  assert.equal(room.ended, null);
  socket.say({ type: "error", code: "bad_data", message: "", id });
  assert.equal((await input).code, "bad_data");
});

test("ids come first, because the edge reads only the start of a message that it refuses", () => {
  setUp();
  const socket = FakeSocket.last.welcome();
  assert.deepEqual(socket.sent.map((message) => Object.keys(message)[0]), ["id", "id"]);
});

test("inputs that are sent again and meet the rate limit are kept with their seq", async () => {
  const { room } = setUp();
  FakeSocket.last.welcome().say(joined(), snapshot(1, "s1"));
  const outcomes = ["a", "b"].map((data) => room.input(data));
  FakeSocket.last.lose();
  timers.tick(250);
  const socket = FakeSocket.last.welcome();
  socket.say(joined());
  const [first, second] = socket.sent.filter(({ seq }) => seq);
  socket.say({ type: "error", code: "rate_limited", message: "", room: R, seq: 1, id: first.id });
  socket.say({ type: "error", code: "bad_seq", message: "", room: R, seq: 2, id: second.id });
  timers.tick(2000);
  assert.deepEqual(seqs(socket), [1, 2, 1, 2]);
  socket.say({ type: "ack", room: R, seq: 2 });
  assert.deepEqual(await Promise.all(outcomes), [{ ok: true }, { ok: true }]);
});

test("after an error that says when to come again the client waits at least so long", () => {
  setUp();
  FakeSocket.last.welcome().say({ type: "error", code: "overloaded", message: "", retry_after_ms: 30_000 });
  FakeSocket.last.lose(1013);
  timers.tick(29_999);
  assert.equal(FakeSocket.all.length, 1);
  timers.tick(1);
  assert.equal(FakeSocket.all.length, 2);
});

test("a room that was joined outlives a rate limit of its next join; after 4029 the client waits long", () => {
  const { client, room } = setUp();
  FakeSocket.last.welcome().say(joined(), snapshot(1, "s1"));
  FakeSocket.last.lose(4029);
  timers.tick(9_999);
  assert.equal(FakeSocket.all.length, 1);
  timers.tick(1);
  const socket = FakeSocket.last.welcome();
  const { id } = socket.sent.find(({ type }) => type === "join");
  socket.say({ type: "error", code: "rate_limited", message: "", room: R, id });
  assert.equal(room.ended, null);
  timers.tick(2000);
  assert.equal(socket.got("join").length, 2);
  assert.equal(client.rooms.size, 1);
});

test("pings measure the round trip, and a silent link is dropped", () => {
  let now = 0;
  const rtts = [];
  setUp({ now: () => now, on: { rtt: (ms) => rtts.push(ms) } });
  const socket = FakeSocket.last.welcome();
  const { id } = socket.sent.find(({ type }) => type === "ping");
  now = 12;
  socket.say({ type: "pong", id, time_ms: 0 });
  assert.deepEqual(rtts, [12]);
  for (let round = 0; round < 3; round++) timers.tick(25_000);
  assert.equal(socket.closedWith, 4000);
  timers.tick(250);
  assert.equal(FakeSocket.all.length, 2);
});

test("leaving", async () => {
  const { client, room } = setUp();
  const socket = FakeSocket.last.welcome();
  socket.say(joined());
  room.leave();
  assert.deepEqual(socket.got("leave"), [{ type: "leave", room: R }]);
  assert.equal((await room.input("late")).code, "left");
  client.close();
  await turn();
  assert.equal(socket.closedWith, 1000);
  assert.equal(FakeSocket.all.length, 1);
});

test("the room keeps the state of a game whose updates are patches", () => {
  const { room } = setUp();
  const socket = FakeSocket.last.welcome();
  socket.say(joined(), { ...snapshot(1, { a: 1, b: { c: 2 } }), patch: "merge" });
  socket.say(update(2, { b: { c: null }, d: 3 }));
  assert.deepEqual(room.state, { a: 1, b: {}, d: 3 });
  socket.say(snapshot(3, { a: 1 }));
  assert.equal(room.state, undefined);
});

// Random losses, drains and refusals by servers that keep to the protocol: afterwards every room is served again.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeSocket, fakeClient, generator } from "./fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SEEDS = Number(process.env.GRANDSTAND_JS_SEEDS ?? 150);
const ROOMS = ["a-1", "b-1", "c-1"];
const STEPS = 150;
const CALM_MS = 120_000;

/** The servers behind all connections. Each room is served on the connection with the highest attempt. */
class Servers {
  readonly owners = new Map<string, { socket: FakeSocket; attempt: number; lastSeq: number }>();
  readonly #answered = new Map<FakeSocket, number>();
  isCalm = false;

  constructor(readonly random: () => number) {}

  /** Answers what a connection has sent. */
  answer(socket: FakeSocket): void {
    for (let i = this.#answered.get(socket) ?? 0; i < socket.sent.length && socket.readyState === 1; i++) {
      this.#answered.set(socket, i + 1);
      const message = socket.sent[i] as { type: string; id: number; room: string } & Record<string, number>;
      const { type, id, room } = message;
      if (type === "ping") socket.say({ type: "pong", id });
      else if (type === "auth") socket.say({ type: "notice", code: "token_renewed", id });
      else if (type === "join") this.#join(socket, id, room, message.attempt ?? 0, message.since === undefined);
      else if (type === "input") this.#input(socket, id, room, message.seq ?? 0);
    }
  }

  #join(socket: FakeSocket, id: number, room: string, attempt: number, isFresh: boolean): void {
    const code = this.#refusal(0.3, ["busy", "room_unavailable", "rate_limited"]);
    if (code) return socket.say({ type: "error", id, room, code, retry_after_ms: 300 });
    const old = this.owners.get(room);
    if (old && attempt < old.attempt) return socket.say({ type: "left", room, code: "replaced" });
    const lastSeq = old?.lastSeq ?? 0;
    this.owners.set(room, { socket, attempt, lastSeq });
    if (old && old.socket !== socket && old.socket.readyState === 1)
      old.socket.say({ type: "left", room, code: "replaced" });
    socket.say({ type: "joined", room, role: "player", instance: "7", last_seq: lastSeq, id });
    if (isFresh) socket.say({ type: "snapshot", room, epoch: "e1", version: 1, data: {} });
  }

  #input(socket: FakeSocket, id: number, room: string, seq: number): void {
    const owner = this.owners.get(room);
    if (owner?.socket !== socket) return;
    const code = seq > owner.lastSeq + 1 ? "bad_seq" : this.#refusal(0.4, ["busy", "bad_seq", "not_joined", "too_big"]);
    if (code) return socket.say({ type: "error", id, room, seq, code, retry_after_ms: 50 });
    owner.lastSeq = Math.max(owner.lastSeq, seq);
    socket.say({ type: "ack", room, seq: owner.lastSeq });
  }

  #refusal(part: number, codes: string[]): string | undefined {
    return !this.isCalm && this.random() < part ? codes[Math.floor(this.random() * codes.length)] : undefined;
  }
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))("recovery %i", async (seed) => {
  const random = generator(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const open = () => FakeSocket.all.filter(({ readyState }) => readyState !== 3);
  vi.spyOn(Math, "random").mockImplementation(random);
  let tokens = 0;
  const servers = new Servers(random);
  const client = fakeClient({ getToken: () => `t${tokens++}` });
  const joins = ROOMS.map((name) => client.join(name));
  await vi.advanceTimersByTimeAsync(1);
  servers.isCalm = true;
  servers.answer(FakeSocket.last.welcome());
  servers.isCalm = false;
  const rooms = await Promise.all(joins);

  for (let step = 0; step < STEPS; step++) {
    const socket = open().length > 0 ? pick(open()) : null;
    const choice = random();
    if (choice < 0.15) void pick(rooms).send(step);
    else if (choice < 0.3) await vi.advanceTimersByTimeAsync(below(2_000));
    else if (choice < 0.4) socket?.lose(pick([1006, 1012, 1013, 4001, 4029]));
    else if (socket?.readyState === 0) socket.welcome();
    else if (choice < 0.55) socket?.say({ type: "notice", code: "draining", reconnect_in_ms: below(500) });
    else if (choice < 0.6) socket?.say({ type: "error", code: "rate_limited", retry_after_ms: 100 });
    else if (choice < 0.7) {
      const room = pick(ROOMS); // an update is missing
      if (servers.owners.get(room)?.socket === socket)
        socket?.say({ type: "update", room, version: 9, prev: 8, data: {} });
    } else if (socket) servers.answer(socket);
    await vi.advanceTimersByTimeAsync(1);
  }
  servers.isCalm = true;
  for (let ms = 0; ms < CALM_MS; ms += 50) {
    for (const socket of open()) servers.answer(socket.readyState === 0 ? socket.welcome() : socket);
    await vi.advanceTimersByTimeAsync(50);
  }

  const [socket] = open();
  expect(open()).toHaveLength(1);
  expect(client.status.state).toBe("connected");
  const sent = Promise.all(rooms.map((room) => room.send("last")));
  if (socket) servers.answer(socket);
  await sent;
  for (const name of ROOMS) expect(servers.owners.get(name)?.socket).toBe(socket);
  await client.close();
  vi.restoreAllMocks();
});

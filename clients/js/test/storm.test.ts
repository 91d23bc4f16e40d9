// Random servers and applications: nothing throws, every promise is answered, and what is applied is in order.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Room } from "../src/index.js";
import { FakeSocket, fakeClient, generator } from "./fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SEEDS = Number(process.env.GRANDSTAND_JS_SEEDS ?? 150);
const CODES = ["busy", "rate_limited", "bad_seq", "too_big", "not_joined", "room_unavailable", "room_rolled_back"];
const MORE_CODES = ["room_restarted", "unauthenticated", "forbidden", "internal", "no_room", "made_up"];
const CLOSES = [1000, 1001, 1006, 1009, 1011, 1012, 1013, 4001, 4003, 4008, 4009, 4010, 4029, 4999];

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))("storm %i", async (seed) => {
  const random = generator(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const maybe = (fields: object) => (random() < 0.5 ? fields : {});
  vi.spyOn(Math, "random").mockImplementation(random);
  const report = vi.fn();
  vi.stubGlobal("reportError", report);
  let tokens = 0;
  const client = fakeClient({ getToken: () => (random() < 0.2 ? Promise.reject(new Error("away")) : `t${tokens++}`) });
  const rooms = ["a-1", "b-1"];
  const joined: Room[] = [];
  const open = new Set<Promise<unknown>>();
  const watch = (promise: Promise<unknown>) => {
    open.add(promise);
    promise.then(
      () => open.delete(promise),
      () => open.delete(promise),
    );
  };
  const problems: string[] = [];
  const last = new Map<string, { epoch: string; version: number }>();
  const on = (room: string) => ({
    snapshot: (_: unknown, { epoch = "", version }: { epoch?: string; version: number }) => {
      last.set(room, { epoch, version });
    },
    update: (_: unknown, { version, prev }: { version: number; prev?: number }) => {
      const at = last.get(room);
      if (!at || prev !== at.version || version <= at.version)
        problems.push(`${prev} → ${version} after ${at?.version}`);
      last.set(room, { epoch: at?.epoch ?? "", version });
    },
  });

  const server = (socket: FakeSocket) => {
    const room = pick(rooms);
    const id = maybe({ id: below(socket.sent.length + 2) + 1 });
    const version = below(6);
    const messages = [
      {
        type: "joined",
        room,
        role: pick(["player", "player", "spectator"]),
        ...maybe({ instance: pick(["7", "7", "8"]) }),
      },
      { type: "joined", room, role: "player", instance: "7", last_seq: below(4) },
      {
        type: "snapshot",
        room,
        epoch: pick(["e", "e", "f"]),
        version,
        data: { n: version },
        ...maybe({ patch: "merge" }),
      },
      { type: "update", room, version: version + 1 + below(2), prev: version, data: { n: null, m: version } },
      { type: "ack", room, seq: below(6) },
      { type: "reject", room, seq: below(6), code: "no" },
      { type: "error", code: pick([...CODES, ...MORE_CODES]), ...maybe({ room }), ...maybe({ seq: below(6) }), ...id },
      { type: "error", code: pick(CODES), room, seq: below(4), retry_after_ms: below(3_000) },
      { type: "left", room, code: pick(["replaced", "kicked", "left"]), ...id },
      { type: "notice", code: pick(["draining", "degraded", "recovered", "token_expiring", "token_renewed"]), ...id },
      { type: "live", room, data: 1, ...maybe({ n: below(9) }) },
      { type: "presence", room, players: [], viewers: 1 },
      { type: "pong", ...id, time_ms: 5 },
      { type: "later", room },
    ];
    if (random() < 0.05) socket.onmessage?.({ data: pick(["<html>", "{", "[]", '{"type":"ack"}']) });
    else socket.say(pick(messages));
  };
  const application = () => {
    const name = pick(rooms);
    const room = joined.length > 0 ? pick(joined) : null;
    const choice = below(8);
    if (choice === 0) watch(client.join(name, { on: on(name), timeoutMs: 60_000 }).then((room) => joined.push(room)));
    else if (choice <= 3) room && watch(room.send(choice));
    else if (choice === 4) room?.live(1);
    else if (choice === 5 && random() < 0.3) room && watch(room.leave());
    else if (choice === 6) client.hint(pick(["online", "hidden", "visible", "offline"]));
    else if (random() < 0.2) watch(client.setToken(`s${tokens++}`));
    else if (random() < 0.3) client.reconnect();
  };

  await vi.advanceTimersByTimeAsync(10);
  for (let step = 0; step < 300; step++) {
    const sockets = FakeSocket.all.filter(({ readyState }) => readyState !== 3);
    const socket = sockets.length > 0 ? pick(sockets) : null;
    const choice = random();
    if (choice < 0.25) application();
    else if (choice < 0.3) await vi.advanceTimersByTimeAsync(below(5_000));
    else if (choice < 0.33) socket?.lose(pick(CLOSES));
    else if (socket?.readyState === 0) socket.welcome({ limits: maybe({ window: 1 + below(3) }) });
    else if (socket) server(socket);
    await vi.advanceTimersByTimeAsync(1);
  }
  await client.close();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(problems).toEqual([]);
  expect(report.mock.calls).toEqual([]);
  expect(open.size).toBe(0);
  expect(FakeSocket.all.filter(({ readyState }) => readyState !== 3)).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

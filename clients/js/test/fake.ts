// A WebSocket whose other end is the test.

import { vi } from "vitest";
import { type ConnectOptions, connect } from "../src/index.js";

type Fields = Record<string, unknown>;

export class FakeSocket {
  static all: FakeSocket[] = [];
  binaryType = "";
  readyState = 0;
  sent: Fields[] = [];
  closedWith: number | undefined;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closedWith = code;
    this.readyState = 3;
  }

  /** The server accepts and welcomes. */
  welcome(more: Fields = {}): this {
    this.readyState = 1;
    this.onopen?.();
    this.say({ type: "welcome", connection: "c", edge: "e", protocol: 1, heartbeat_ms: 25_000, limits: {}, ...more });
    return this;
  }

  /** The server sends messages. */
  say(...messages: Fields[]): void {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The connection ends. */
  lose(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** The messages of a type that the client sent, without ids. */
  got(type: string): Fields[] {
    return this.sent.filter((message) => message.type === type).map(({ id: _, ...message }) => message);
  }

  /** The id of the last message of a type. */
  idOf(type: string): unknown {
    return this.sent.filter((message) => message.type === type).at(-1)?.id;
  }

  /** The server lets the client in. */
  admit(room: string, more: Fields = {}, snapshot: Fields = {}): void {
    this.say({ type: "joined", room, role: "player", instance: "7", last_seq: 0, id: this.idOf("join"), ...more });
    this.say({ type: "snapshot", room, epoch: "e1", version: 1, data: { n: 1 }, ...snapshot });
  }

  static get last(): FakeSocket {
    const last = FakeSocket.all.at(-1);
    if (!last) throw new Error("no connection was opened");
    return last;
  }
}

/** Makes a client over fake sockets. */
export function fakeClient(options: Partial<ConnectOptions> = {}) {
  FakeSocket.all = [];
  return connect({ url: "ws://test", WebSocket: FakeSocket as never, diagnose: false, ...options });
}

/** Makes a client with one room that is joined. */
export async function fakeRoom(options: Partial<ConnectOptions> = {}, snapshot: Fields = {}) {
  const client = fakeClient(options);
  const joining = client.join("quiz-1");
  FakeSocket.last.welcome().admit("quiz-1", {}, snapshot);
  const room = await joining;
  await vi.advanceTimersByTimeAsync(1); // events wait until the application has the room
  return { client, room, socket: FakeSocket.last };
}

/** What a promise became; `"open"` if nothing yet. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([
    promise.then(
      (value) => ({ ok: value }),
      (error) => ({ code: error.code }),
    ),
    vi.advanceTimersByTimeAsync(0).then(() => "open"),
  ]);
}

/** A small generator of random numbers (mulberry32), so that a seed gives the same run. */
export function generator(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

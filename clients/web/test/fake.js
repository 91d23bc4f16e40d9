// A WebSocket whose other end is the test, and timers that the test advances.

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // browsers have it, older Node versions do not

/** Replaces setTimeout and clearTimeout until `restore`. */
export class FakeTimers {
  #now = 0;
  #waiting = new Map();
  #next = 1;
  #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

  constructor() {
    globalThis.setTimeout = (run, ms = 0) => {
      this.#waiting.set(this.#next, { run, due: this.#now + ms });
      return this.#next++;
    };
    globalThis.clearTimeout = (id) => this.#waiting.delete(id);
  }

  tick(ms) {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#waiting].filter(([, { due }]) => due <= end).sort(([, a], [, b]) => a.due - b.due);
      if (!next) break;
      const [id, { run, due }] = next;
      this.#waiting.delete(id);
      this.#now = due;
      run();
    }
    this.#now = end;
  }

  restore() {
    Object.assign(globalThis, this.#real);
  }
}

export class FakeSocket {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url: String(url), protocols });
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code;
    this.readyState = 3;
  }

  /** The edge accepts and welcomes. */
  welcome(more = {}) {
    this.readyState = 1;
    this.say({ type: "welcome", connection: "c", edge: "e", protocol: 1, heartbeat_ms: 25000, limits: {}, features: [], ...more });
    return this;
  }

  /** The edge sends messages. */
  say(...messages) {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The connection is lost. */
  lose(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code, reason: "" });
  }

  /** The messages of a type that the client sent, without ids. */
  got(type) {
    return this.sent.filter((message) => message.type === type).map(({ id, ...message }) => message);
  }

  static get last() {
    return FakeSocket.all.at(-1);
  }
}

// One room of a client: its position in the stream of versions, and its inputs until they are processed.

import { merge } from "./merge.js";

const RETRY_MS = 2_000; // after room_unavailable and rate_limited, unless they say retry_after_ms
const FRAME_BYTES = 192; // maximum size of an input message without its data

/** A room that the client has joined or is joining. */
export class Room {
  #client;
  #options;
  #pending = []; // inputs neither acked nor rejected, oldest first: { data, seq, id, resent, settle }
  #resend = null; // a timer that sends them again
  #lastSeq = 0; // the seq of the last input
  #acked = 0; // the seq of the last input that the server has processed
  #joinId = 0;
  #epoch = null;
  #version = null; // null while a snapshot is needed
  name;
  link = null; // the link on which the room is joined
  role = null;
  instance = null;
  state; // the view, if the game's updates are merge patches
  ended = null; // the code with which the room ended

  /** Options: on: { joined, snapshot, update, direct, live: each (data, message);
   * presence, reject, error, left, restarted: (message); rolledBack: ({ room, from, to }), the lost inputs' numbers } */
  constructor(client, name, options) {
    this.#client = client;
    this.#options = { on: {}, ...options };
    this.name = name;
  }

  get joined() {
    return this.link !== null;
  }

  /** Sends an input. Resolves when it is processed; until then the input survives every reconnect. */
  input(data) {
    return new Promise((settle) => {
      if (this.ended) return settle({ ok: false, code: this.ended, message: "the client left the room" });
      const item = { data, seq: 0, id: 0, resent: false, settle };
      this.#pending.push(item);
      if (this.link) this.#sendInput(item);
    });
  }

  /** Sends a lossy message. */
  live(data) {
    if (this.link) this.#client.send(this.link, { type: "live", room: this.name, data });
  }

  /** Leaves the room and does not return. */
  leave() {
    if (this.link) this.#client.send(this.link, { type: "leave", room: this.name });
    this.end("left");
  }

  /** For Client: joins on a link, and resumes where the room was. */
  enter(link) {
    const { role, params } = this.#options;
    const message = { type: "join", room: this.name, role, params, client: link.client, attempt: link.attempt };
    if (this.#version !== null) Object.assign(message, { since: this.#version, epoch: this.#epoch });
    this.#joinId = this.#client.send(link, message);
  }

  /** For Client: handles a message for this room. */
  handle(link, message) {
    const on = this.#options.on;
    if (message.type === "joined") {
      this.#onJoined(link, message);
      return "joined";
    }
    if (link !== this.link) return; // from before a drain, or after leaving
    switch (message.type) {
      case "snapshot":
        this.#epoch = message.epoch;
        this.#version = message.version;
        this.state = message.patch === "merge" ? message.data : undefined;
        return on.snapshot?.(message.data, message);
      case "update":
        return this.#onUpdate(message);
      case "direct":
      case "live":
        return on[message.type]?.(message.data, message);
      case "presence":
        return on.presence?.(message);
      case "ack":
        this.#acked = message.seq;
        return this.#settle((item) => item.seq && item.seq <= message.seq, { ok: true });
      case "reject":
        on.reject?.(message);
        return this.#settle((item) => item.seq === message.seq, { ok: false, code: message.code, message: message.message });
    }
  }

  #onJoined(link, message) {
    const { on } = this.#options;
    this.link = link;
    this.role = message.role;
    if (this.instance && message.instance && this.instance !== message.instance) {
      this.#settle(() => true, { ok: false, code: "room_restarted", message: "the room was created again" });
      this.#acked = 0;
      on.restarted?.(message);
    }
    this.#rollBack(message.last_seq ?? 0);
    this.#acked = message.last_seq ?? 0;
    this.instance = message.instance ?? this.instance;
    this.#lastSeq = Math.max(message.last_seq ?? 0, ...this.#pending.map((item) => item.seq));
    this.#sendPending();
    on.joined?.(message);
  }

  // The server lost acked inputs after `seq`. The pending ones were numbered behind them and cannot follow.
  #rollBack(seq) {
    if (seq >= this.#acked) return;
    const lost = { ok: false, code: "room_rolled_back", message: "the server lost this input or earlier ones" };
    const from = seq + 1;
    const to = this.#acked;
    this.#settle((item) => item.seq, lost);
    this.#lastSeq = this.#acked = seq;
    this.#version = this.#epoch = null;
    this.#options.on.rolledBack?.({ room: this.name, from, to });
  }

  #onUpdate(message) {
    if (this.#version === null || message.version <= this.#version) return; // a snapshot is on its way, or a repeat
    if (message.prev !== this.#version) {
      this.#version = this.#epoch = null;
      return this.enter(this.link); // a gap: join again, without since
    }
    this.#version = message.version;
    if (this.state !== undefined) this.state = merge(this.state, message.data);
    this.#options.on.update?.(message.data, message);
  }

  // A repeat is answered again, not applied again.
  #sendPending() {
    clearTimeout(this.#resend);
    this.#resend = null;
    if (this.link) for (const item of this.#pending) this.#sendInput(item);
  }

  #sendInput(item) {
    const limit = this.link.welcome.limits?.message_bytes ?? Infinity;
    if (!item.seq && new TextEncoder().encode(JSON.stringify(item.data)).length + FRAME_BYTES > limit) {
      // The edge would close the connection, and the client would resend it forever.
      return this.#settle((other) => other === item, { ok: false, code: "too_big", message: `more than ${limit} bytes` });
    }
    item.resent = item.seq > 0;
    item.seq ||= ++this.#lastSeq;
    item.id = this.#client.send(this.link, { type: "input", room: this.name, seq: item.seq, data: item.data });
  }

  /** For Client: handles an error about this room; false if it answers neither an input nor the last join. */
  handleError(message) {
    const { id, seq, code } = message;
    if (code === "room_rolled_back") {
      this.#rollBack(seq ?? 0);
      this.link = null;
      this.#client.enter(this);
      return true;
    }
    const item = this.#pending.find((item) => item.id && (id === undefined ? item.seq === seq : item.id === id));
    const join = id === undefined ? seq === undefined && !this.link : id === this.#joinId;
    const waits = code === "busy" || (code === "bad_seq" && this.#resend) || (code === "rate_limited" && item?.resent);
    if (item && waits) {
      // It goes out again later, and those behind it too. A resent one may even be stored, so its seq is not free.
      this.#resend ??= setTimeout(() => this.#sendPending(), message.retry_after_ms ?? RETRY_MS);
    } else if (item) {
      // The edge did not accept it, so its seq is free again. Later inputs would leave a gap, and fail with it.
      this.#lastSeq = item.seq - 1;
      this.#settle((other) => other.seq >= item.seq, { ok: false, code: message.code, message: message.message });
    } else if (join && (code === "room_unavailable" || (code === "rate_limited" && this.instance))) {
      setTimeout(() => this.link || this.ended || this.#client.enter(this), message.retry_after_ms ?? RETRY_MS);
    } else if (join) {
      this.end(message.code);
    } else {
      return false;
    }
    this.#options.on.error?.(message);
    return true;
  }

  /** For Client: ends the room, for any reason. */
  end(code) {
    this.ended = code;
    this.link = null;
    if (this.#client.rooms.get(this.name) === this) this.#client.rooms.delete(this.name);
    this.#settle(() => true, { ok: false, code, message: "the client left the room" });
    this.#options.on.left?.({ room: this.name, code });
  }

  #settle(which, outcome) {
    const settled = this.#pending.filter(which);
    this.#pending = this.#pending.filter((item) => !settled.includes(item));
    for (const item of settled) item.settle(outcome);
  }
}

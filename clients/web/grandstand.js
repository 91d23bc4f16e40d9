// A client for the Grandstand protocol, version 1 (docs/protocol.md). No dependencies, no build step.
//
//   const client = new Client("wss://example.org/v1/ws", { token });
//   const room = client.join("memory-42", { on: { snapshot: draw, update: change } });
//   const outcome = await room.input({ op: "flip", card: 5 });   // { ok: true } or { ok: false, code, message }

import { Room } from "./room.js";

export const SUBPROTOCOL = "grandstand.v1.json";

// Codes after which a new connection would be closed as well: bad token, forbidden, replaced by the same player.
const FINAL_CLOSES = new Set([4001, 4003, 4009]);
const BACKOFF_MS = { first: 250, most: 10_000 };

/** The connection of one player or spectator to an edge. After a loss it reconnects and resumes its rooms. */
export class Client {
  #url;
  #options;
  #id = randomId();
  #attempt = 0; // counts connections, so that a late one of this page never replaces a newer one
  #failures = 0;
  #timer = null;
  #current = null; // the newest link; older ones only carry rooms that the newest one has not joined yet
  #links = new Set();
  #nextId = 1;
  rooms = new Map();
  state = "idle"; // connecting, open, waiting (to try again), closed

  /**
   * Options: token; on: { state(state, detail), notice(message), error(message), rtt(ms, pong) };
   * ping_ms (default: the edge's heartbeat); for tests also WebSocket, random and now.
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = { WebSocket: globalThis.WebSocket, random: Math.random, now: () => performance.now(), on: {}, ...options };
  }

  /** Joins a room. Options: role ("spectator" to watch), params (used if this join creates the room), on: see Room. */
  join(name, options = {}) {
    const room = new Room(this, name, options);
    this.rooms.set(name, room);
    this.enter(room);
    return room;
  }

  /** For Room: joins a room as soon as there is a link. */
  enter(room) {
    if (!this.#current) this.connect();
    else if (this.#current.welcome) room.enter(this.#current);
  }

  /** Connects at once, without waiting for the backoff. */
  connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const { WebSocket, token } = this.#options;
    const socket = new WebSocket(this.#url, token ? [SUBPROTOCOL, `bearer.${token}`] : [SUBPROTOCOL]);
    const link = { socket, attempt: ++this.#attempt, client: this.#id, welcome: null, pings: new Map(), silent: 0, timer: null };
    this.#current = link;
    this.#links.add(link);
    socket.onmessage = (event) => this.#onMessage(link, event.data);
    socket.onclose = (event) => this.#onClose(link, event.code, event.reason);
    if (![...this.rooms.values()].some((room) => room.joined)) this.#setState("connecting");
  }

  /** Ends a backoff; call it when the network is back. */
  retry() {
    if (this.#timer) this.connect();
  }

  /** Closes all connections and does not reconnect. */
  close() {
    clearTimeout(this.#timer);
    this.#timer = null;
    for (const link of this.#links) this.#drop(link, 1000);
    this.#current = null;
    this.#setState("closed", { code: 1000 });
  }

  /** Replaces the player's token before it expires. */
  auth(token) {
    this.#options.token = token;
    if (this.#current?.welcome) this.send(this.#current, { type: "auth", token });
  }

  /** Sends a message with a fresh id, and returns the id. It comes first, so that the edge can name even a message that it does not read to its end. */
  send(link, message) {
    const id = this.#nextId++;
    if (link.socket.readyState === 1) link.socket.send(JSON.stringify({ id, ...message }));
    return id;
  }

  #onMessage(link, text) {
    const message = JSON.parse(text);
    link.silent = 0;
    const room = this.rooms.get(message.room);
    switch (message.type) {
      case "welcome":
        return this.#onWelcome(link, message);
      case "pong":
        if (link.pings.has(message.id)) this.#options.on.rtt?.(this.#options.now() - link.pings.get(message.id), message);
        return link.pings.clear();
      case "notice":
        if (message.code === "draining" && link === this.#current) this.#connectIn(message.reconnect_in_ms ?? 0);
        return this.#options.on.notice?.(message);
      case "left":
        // On an older link this only means that the newer one has replaced it.
        if (room && (link === this.#current || !this.#current)) room.end(message.code);
        return;
      case "error":
        if (message.id === undefined) link.retry_after_ms = message.retry_after_ms;
        if (!this.#answered(room, message)) this.#options.on.error?.(message);
        return this.#onJoined();
      default: // unknown messages are ignored, so that the protocol can grow
        if (room?.handle(link, message) === "joined") this.#onJoined();
    }
  }

  // Hands an error to the room that it answers. Ids are unique, so an error that names no room is found by its id.
  #answered(room, message) {
    if (room || message.id === undefined) return room?.handleError(message);
    return [...this.rooms.values()].some((room) => room.handleError(message));
  }

  #onWelcome(link, message) {
    link.welcome = message;
    this.#failures = 0;
    this.#setState("open", message);
    this.#ping(link);
    for (const room of this.rooms.values()) room.enter(link);
    this.#onJoined();
  }

  // Closes the link of a draining edge once all rooms are on the new one.
  #onJoined() {
    if (!this.#current?.welcome) return;
    if (![...this.rooms.values()].every((room) => room.link === this.#current)) return;
    for (const link of this.#links) if (link !== this.#current) this.#drop(link, 1000);
  }

  #onClose(link, code, reason) {
    clearTimeout(link.timer);
    this.#links.delete(link);
    for (const room of this.rooms.values()) if (room.link === link) room.link = null;
    if (link !== this.#current) return;
    if (FINAL_CLOSES.has(code)) {
      this.#current = null;
      for (const room of [...this.rooms.values()]) room.end(code === 4009 ? "replaced" : "closed");
      return this.#setState("closed", { code, reason });
    }
    const failures = code === 4029 ? Infinity : this.#failures++; // rate limited: as slowly as possible
    const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** failures);
    const wait = Math.max(most * (0.5 + this.#options.random() / 2), link.retry_after_ms ?? 0);
    this.#setState("waiting", { code, reason, retry_in_ms: wait });
    this.#connectIn(wait);
  }

  #connectIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), ms);
  }

  // Measures the round trip. Drops a link after two silent rounds, because a browser would wait for minutes.
  #ping(link) {
    const every = this.#options.ping_ms ?? link.welcome.heartbeat_ms;
    if (++link.silent > 2) return this.#drop(link, 4000, true);
    link.pings.set(this.send(link, { type: "ping" }), this.#options.now());
    link.timer = setTimeout(() => this.#ping(link), every);
  }

  #drop(link, code, lost = false) {
    link.socket.onclose = link.socket.onmessage = null;
    link.socket.close(code);
    if (lost) return this.#onClose(link, 1006, "no answer");
    clearTimeout(link.timer);
    this.#links.delete(link);
  }

  #setState(state, detail) {
    this.state = state;
    this.#options.on.state?.(state, detail);
  }
}

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The driver of the conformance suite (clients/conformance/README.md): commands on stdin, events on stdout.

import { createInterface } from "node:readline";
import { connect } from "@grandstand/client";
import { protobuf } from "@grandstand/client/protobuf";
import { WebSocket } from "ws";

const REDUCERS = { sum: (state, { add }) => ({ sum: state.sum + add }) };
const clients = new Map();
let calls = 0;

function write(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** A reason as the suite has it. */
function reason(error) {
  return error ? { code: error.code ?? "not_typed", message: String(error.message) } : null;
}

/** Data as the suite has it. */
function data(value) {
  return value instanceof Uint8Array ? { data_b64: Buffer.from(value).toString("base64") } : { data: value };
}

function input(command) {
  return "data_b64" in command ? new Uint8Array(Buffer.from(command.data_b64, "base64")) : command.data;
}

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** One client, with the rooms and token calls that commands name. */
class Driven {
  rooms = new Map();
  calls = new Map();

  constructor(name, command) {
    this.name = name;
    const { url, token, token_source, encoding, backoff, attempts, connect_timeout_ms } = command;
    this.client = connect({
      url,
      token,
      getToken: token_source ? () => this.#wantToken() : undefined,
      encoding: encoding === "proto" ? protobuf : "json",
      backoff: { minMs: backoff?.min_ms, maxMs: backoff?.max_ms, maxAttempts: attempts },
      connectTimeoutMs: connect_timeout_ms,
      diagnose: false, // the scripted server counts connections
      WebSocket,
    });
    const told = ({ state, error }) => write({ event: "status", client: name, status: state, why: reason(error) });
    told(this.client.status);
    this.client.on("status", told);
    this.client.on("error", (error) => {
      const about = { ...(error.room && { room: error.room }), ...(error.seq !== undefined && { seq: error.seq }) };
      write({ event: "error", client: name, ...reason(error), ...about });
    });
    this.client.on("tokenExpiring", () => write({ event: "token_expiring", client: name }));
  }

  #wantToken() {
    const call = ++calls;
    write({ event: "token_wanted", client: this.name, call });
    return new Promise((resolve, reject) => this.calls.set(call, { resolve, reject }));
  }

  token({ call, token, error }) {
    const { resolve, reject } = this.calls.get(call);
    if (error === undefined) resolve(token);
    else reject(new Error(error));
  }

  // The suite wants the role once `joined` is there; the SDK's promise waits for the first state, too.
  join({ room: name, role, params, token, reducer }) {
    const { promise: joined, resolve } = withResolvers();
    const tell = (event, fields) => write({ event, client: this.name, room: name, ...fields });
    const on = {
      snapshot: (state, { version, epoch }) => tell("snapshot", { version, epoch, ...data(state) }),
      update: (update, { version, prev }) => tell("update", { version, prev, ...data(update) }),
      change: (state) => tell("change", { state: state instanceof Uint8Array ? null : state }),
      direct: (value) => tell("direct", data(value)),
      live: (value) => tell("live", data(value)),
      presence: ({ players, playerCount, viewers }) =>
        tell("presence", { viewers, ...(players ? { players } : { player_count: playerCount }) }),
      reject: ({ seq, code, message }) => tell("reject", { seq, code, message }),
      left: ({ code }) => tell("left", { code }),
      joined: (room) => {
        this.rooms.set(name, room);
        resolve({ role: room.role });
      },
    };
    const done = this.client.join(name, {
      role,
      params,
      token,
      reducer: REDUCERS[reducer],
      on,
      timeoutMs: Infinity,
    });
    return Promise.race([joined, done.then(() => joined)]);
  }

  async send(command) {
    await this.#room(command).send(input(command));
    return {};
  }

  async leave(command) {
    await this.#room(command).leave();
    return {};
  }

  live(command) {
    this.#room(command).live(input(command));
  }

  async close() {
    await this.client.close();
    return {};
  }

  async set_token({ token }) {
    await this.client.setToken(token);
    return {};
  }

  reconnect() {
    this.client.reconnect();
  }

  hint({ hint }) {
    this.client.hint(hint);
  }

  #room({ room }) {
    const found = this.rooms.get(room);
    if (!found) throw Object.assign(new Error(`${room} is not joined`), { code: "no_room" });
    return found;
  }
}

const ANSWERED = new Set(["join", "send", "leave", "close", "set_token"]);

function unhandled(error) {
  write({ event: "unhandled", client: null, message: String(error?.stack ?? error) });
}

process.on("unhandledRejection", unhandled);
process.on("uncaughtException", unhandled);
globalThis.reportError = unhandled;

write({
  event: "ready",
  sdk: "@grandstand/client",
  version: "0.1.0",
  encodings: ["json", "proto"],
  features: ["token_source", "hints", "reducer", "binary"],
});

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const { cmd, client: name, id } = command;
  if (cmd === "connect") {
    clients.set(name, new Driven(name, command));
    continue;
  }
  const driven = clients.get(name);
  if (ANSWERED.has(cmd)) {
    Promise.resolve()
      .then(() => driven[cmd](command))
      .then(
        (value) => write({ event: "result", client: name, id, ok: true, value }),
        (error) => {
          const rejected = error.rejected ? { rejected: true } : {};
          write({ event: "result", client: name, id, ok: false, error: { ...reason(error), ...rejected } });
        },
      );
  } else driven[cmd](command);
}
process.exit(0);

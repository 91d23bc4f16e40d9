// The shell around the machines: connections, timers, promises and listeners.

import { type Closed, failed } from "./close.js";
import { type Encoding, json, toPayload } from "./codec.js";
import type { Effect, Link } from "./effects.js";
import { Emitter } from "./emitter.js";
import { endpoint } from "./endpoint.js";
import { ConnectError, type GrandstandError, InputError, JoinError } from "./errors.js";
import { type Checked, check, isCount, type Message, type Payload } from "./messages.js";
import type { Peer } from "./peer.js";
import { dialOf, listenToPage, now, randomId } from "./platform.js";
import { Room } from "./room.js";
import type { RoomMachine, RoomSettings } from "./room-machine.js";
import { type Hint, SessionMachine } from "./session-machine.js";
import { type Status, status } from "./status.js";
import type { Dial, Transport } from "./transport.js";
import type { Ack, ClientEvents, ConnectOptions, GameTypes, JoinOptions, RoomEvents } from "./types.js";

const JOIN_TIMEOUT_MS = 30_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Promised<T> {
  resolve(value: T): void;
  reject(error: GrandstandError): void;
}

type Mutable = { -readonly [K in "status" | "rttMs"]: Client[K] };

interface Joining {
  readonly room: Room;
  promise: Promise<Room>;
  /** Ends the promise. */
  done(error?: GrandstandError): void;
}

/**
 * The connection of one player or spectator to a server, with its rooms. Made by {@link connect}.
 *
 * @example
 * ```ts
 * const client = connect({ url: "wss://play.example.org", token });
 * const room = await client.join("memory-1");
 * ```
 */
export class Client {
  /** The state of the connection. */
  readonly status: Status = status("connecting");
  /** The last round trip to the server in milliseconds. */
  readonly rttMs: number | undefined;
  readonly #machine: SessionMachine;
  readonly #encoding: Encoding;
  readonly #dial: Dial;
  readonly #hasDatagrams: boolean;
  readonly #stopListening: () => void;
  readonly #webSocketUrl: URL;
  readonly #options: ConnectOptions;
  readonly #emitter = new Emitter();
  readonly #transports = new Map<Link, Transport>();
  readonly #rooms = new Map<RoomMachine, Joining>();
  readonly #promises = new Map<number, Promised<unknown>>();
  readonly #effects: Effect[] = [];
  readonly #pings = new Map<number, number>();
  #serverOffsetMs: number | undefined;
  #nextKey = 1;
  #isRunning = false;
  #isDiagnosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(options: ConnectOptions) {
    const { webSocket, webTransport } = endpoint(options.url, options.webTransport?.url);
    this.#options = options;
    this.#webSocketUrl = webSocket;
    this.#encoding = options.encoding && options.encoding !== "json" ? options.encoding : json;
    [this.#dial, this.#hasDatagrams] = dialOf(options, webTransport);
    this.#machine = new SessionMachine(
      {
        token: options.token,
        hasTokenSource: options.getToken !== undefined,
        backoff: options.backoff,
        connectTimeoutMs: options.connectTimeoutMs,
      },
      {
        put: (effect) => this.#effects.push(effect),
        random: Math.random,
        client: randomId(),
      },
    );
    this.#stopListening = listenToPage((hint) => this.hint(hint));
    this.#run((now) => this.#machine.start(now));
  }

  /**
   * Joins a room. Resolves with the room and its first state, and rejects with a {@link JoinError} if the server refuses, or
   * with the reason why there is no connection. A room that is joined already is returned again.
   *
   * @example
   * ```ts
   * const room = await client.join<TwentyOne>("twentyone-1", { role: "spectator" });
   * ```
   */
  join<G extends GameTypes = GameTypes>(name: string, options: JoinOptions<G> = {}): Promise<Room<G>> {
    if (options.params !== undefined && !toPayload(options.params)) {
      return Promise.reject(new JoinError("bad_data", "the data is no JSON", { room: name }));
    }
    let joining: Joining | undefined;
    this.#run((now) => {
      const settings = { ...options, datagrams: this.#hasDatagrams && options.datagrams !== false } as RoomSettings;
      const machine = this.#machine.join(name, settings, now);
      joining = this.#rooms.get(machine) ?? this.#add(machine, options as unknown as JoinOptions);
    });
    return (joining as Joining).promise as unknown as Promise<Room<G>>;
  }

  /**
   * Adds a listener. Returns a function that removes it.
   *
   * @example
   * ```ts
   * client.on("status", ({ state, why }) => console.log(state, why));
   * ```
   */
  on<E extends keyof ClientEvents & string>(event: E, listener: (...args: ClientEvents[E]) => void): () => void {
    return this.#emitter.on(event, listener as (...args: never[]) => void);
  }

  /**
   * Replaces the token. Resolves once the server has accepted it, or at once without a connection.
   *
   * @example
   * ```ts
   * client.on("tokenExpiring", async () => client.setToken(await fetchToken()));
   * ```
   */
  setToken(token: string): Promise<void> {
    return this.#promise((key, now) => this.#machine.setToken(key, token, now));
  }

  /**
   * Connects again at the user's wish: ends a wait, and also a `closed` that is final, for example after `replaced`. Rooms
   * that were not left are joined again.
   *
   * @example
   * ```ts
   * button.onclick = () => client.reconnect();
   * ```
   */
  reconnect(): void {
    this.#run((now) => this.#machine.reconnect(now));
  }

  /**
   * Tells the client about the network and the page, where there is no browser to do so: in a mobile app, for example.
   *
   * @example
   * ```ts
   * AppState.addEventListener("change", (state) => client.hint(state === "active" ? "visible" : "hidden"));
   * ```
   */
  hint(hint: Hint): void {
    this.#run((now) => this.#machine.hint(hint, now));
  }

  /**
   * The time of the server in milliseconds since 1970, by which deadlines in rooms count; `undefined` until the server has
   * answered the first call. A jump of the device's clock does not change it.
   *
   * @example
   * ```ts
   * const secondsLeft = (room.state.deadline_ms - client.serverTime()) / 1000;
   * ```
   */
  serverTime(): number | undefined {
    if (this.#serverOffsetMs !== undefined) return now() + this.#serverOffsetMs;
    if (this.#pings.size === 0) this.#run((now) => this.#machine.ping(now));
    return undefined;
  }

  /**
   * Closes the connection and does not come back. All promises without an answer reject with `closed`.
   *
   * @example
   * ```ts
   * await client.close();
   * ```
   */
  close(): Promise<void> {
    this.#stopListening();
    this.#run(() => this.#machine.close());
    return Promise.resolve();
  }

  #add(machine: RoomMachine, options: JoinOptions): Joining {
    const room = new Room(machine, {
      send: (room, payload, size) => this.#send(room, payload, size),
      live: (room, payload) => this.#run(() => room.live(payload)),
      leave: (room) => this.#promise((key) => room.leave(key)),
    });
    for (const [name, listener] of Object.entries(options.on ?? {}))
      if (listener) room.on(name as keyof RoomEvents, listener as () => void);
    let joining!: Joining;
    const promise = new Promise<Room>((resolve, reject) => {
      const fail = () =>
        this.#run(() =>
          machine.giveUp(
            machine.refusal ??
              new JoinError("timeout", "not joined in time", { room: machine.name, cause: this.status.error }),
          ),
        );
      const timer = setTimeout(fail, Math.min(options.timeoutMs ?? JOIN_TIMEOUT_MS, MAX_TIMER_MS));
      const done = (error?: GrandstandError) => {
        clearTimeout(timer);
        if (error) return reject(error);
        room.hold();
        resolve(room);
      };
      joining = { room, done } as Joining;
    });
    promise.catch(() => {}); // `status` tells, too
    joining.promise = promise;
    this.#rooms.set(machine, joining);
    return joining;
  }

  #send(room: RoomMachine, payload: Payload, size: number): Promise<Ack> {
    const { closed } = this.#machine;
    const error = closed && new InputError(closed.code, "the client is closed", { room: room.name, cause: closed });
    if (error) return Promise.reject(error);
    return this.#promise((key, now) => room.send(key, payload, size, now));
  }

  // Makes a promise that an effect `settle` with the key ends.
  #promise<T>(begin: (key: number, now: number) => void): Promise<T> {
    const key = this.#nextKey++;
    const promise = new Promise<T>((resolve, reject) => {
      this.#promises.set(key, { resolve: resolve as (value: unknown) => void, reject });
    });
    promise.catch(() => {});
    this.#run((now) => begin(key, now));
    return promise;
  }

  // Gives the machines an input and the time, then does what they ask for. Listeners may call the client meanwhile.
  #run(input: (now: number) => void): void {
    input(now());
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let effect = this.#effects.shift(); effect; effect = this.#effects.shift()) this.#perform(effect);
    } finally {
      this.#isRunning = false;
    }
    clearTimeout(this.#timer);
    const wait = this.#machine.closed ? Infinity : this.#machine.deadline - now();
    if (wait === Infinity) return;
    // Timers may fire a little early.
    this.#timer = setTimeout(
      () => this.#run((now) => this.#machine.poll(now)),
      Math.min(Math.max(Math.ceil(wait), 0), MAX_TIMER_MS),
    );
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case "dial":
        return this.#open(effect.link as Peer, effect.token);
      case "hang_up":
        this.#transports.get(effect.link)?.close();
        return void this.#transports.delete(effect.link);
      case "send": {
        const { message, link } = effect;
        if (message.type === "ping" && message.id !== undefined) this.#pings.set(message.id, now());
        this.#transports.get(link)?.send(this.#encoding.encode(message), message.type === "live");
        return this.#emitter.emit("message", ["out", message]);
      }
      case "get_token":
        return this.#getToken();
      case "status":
        (this as Mutable).status = effect.status;
        if (effect.status.state === "connected") this.#isDiagnosed = false;
        return this.#emitter.emit("status", [effect.status]);
      case "emit":
        if (effect.name === "pong") return this.#onPong(effect.args[0] as Message<"pong">);
        return this.#emitter.emit(effect.name, effect.args);
      case "room_event":
        this.#rooms.get(effect.room)?.room.handle(effect.event);
        if (effect.event.name === "left") this.#rooms.delete(effect.room);
        return;
      case "joined":
        this.#rooms.get(effect.room)?.done(effect.error);
        if (effect.error) this.#rooms.delete(effect.room);
        return;
      case "settle": {
        const promised = this.#promises.get(effect.key);
        this.#promises.delete(effect.key);
        return effect.error ? promised?.reject(effect.error) : promised?.resolve(effect.value);
      }
    }
  }

  #open(link: Peer, token: string | undefined): void {
    const target = { url: this.#webSocketUrl, token, subprotocol: this.#encoding.subprotocol };
    const onClosed = (closed: Closed) => {
      this.#transports.delete(link);
      this.#run((now) => this.#machine.handleClosed(link, closed, now));
      if (!closed.opened) this.#diagnose();
    };
    try {
      const onFrame = (frame: string | Uint8Array) => this.#onFrame(link, frame);
      this.#transports.set(link, this.#dial(target, { onFrame, onClosed }));
    } catch (error) {
      onClosed(failed(error));
    }
  }

  #onFrame(link: Peer, frame: string | Uint8Array): void {
    let checked: Checked = "bad";
    try {
      checked = check(this.#encoding.decode(frame));
    } catch {
      // not a message
    }
    if (typeof checked === "object") this.#emitter.emit("message", ["in", checked.message]);
    this.#run((now) => this.#machine.handleMessage(link, checked, now));
  }

  #getToken(): void {
    const { getToken } = this.#options;
    Promise.resolve()
      .then(() => getToken?.())
      .then((token) => {
        if (typeof token !== "string" || token === "") throw new TypeError("no text");
        this.#run((now) => this.#machine.handleToken({ token }, now));
      })
      .catch((error: unknown) => this.#run((now) => this.#machine.handleToken({ error }, now)));
  }

  #onPong({ id, time_ms }: Message<"pong">): void {
    const sentAt = this.#pings.get(id ?? 0);
    this.#pings.clear();
    if (sentAt === undefined) return;
    const rttMs = now() - sentAt;
    (this as Mutable).rttMs = rttMs;
    if (time_ms && isCount(time_ms)) this.#serverOffsetMs = time_ms - now() + rttMs / 2;
  }

  // Asks once per outage why the server cannot be reached.
  #diagnose(): void {
    if (this.#isDiagnosed || this.#options.diagnose === false || this.#machine.closed) return;
    this.#isDiagnosed = true;
    import("./diagnose.js")
      .then(({ diagnose }) => diagnose(this.#webSocketUrl))
      .then((found) => {
        const error = found && new ConnectError("unreachable", found.message, found);
        if (error) this.#run((now) => this.#machine.explain(error, now));
      })
      .catch(() => {}); // the status stays as it is
  }
}

/**
 * Makes a client, which connects at once. Throws a {@link ConnectError} only if the options make no sense (`bad_url`,
 * `no_websocket`); problems of the connection are told by `status`, and by the promises of `join` and `send`.
 *
 * @example
 * ```ts
 * const client = connect({ url: "wss://play.example.org", getToken: () => fetchToken() });
 * const room = await client.join("memory-1");
 * room.on("change", (state) => draw(state));
 * await room.send({ op: "flip", card: 5 });
 * ```
 */
export function connect(options: ConnectOptions): Client {
  return new Client(options);
}

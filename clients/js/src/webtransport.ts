// The transport over WebTransport: one stream of frames, and datagrams for what may be lost.

import { BINARY, CLOSE, encodeFrame, FrameReader, frameMessage, messageFrame, PING, PONG, TEXT } from "./framing.js";
import type { Dial, Transport, TransportEvents } from "./transport.js";

/**
 * A session of WebTransport, as far as the client uses it.
 *
 * @example
 * ```ts
 * const session: WebTransportLike = new WebTransport("https://play.example.org/v1/wt");
 * ```
 */
export interface WebTransportLike {
  /** Resolves once the session is open. */
  readonly ready: Promise<unknown>;
  /** Resolves at the end, and rejects after a failure. */
  readonly closed: Promise<unknown>;
  /** Lossy messages. */
  readonly datagrams: unknown;
  /** Opens the stream of the connection. */
  createBidirectionalStream(): Promise<unknown>;
  /** Closes the session. */
  close(info?: object): void;
}

/** What the client knows of a session besides. */
interface WebTransportSession extends WebTransportLike {
  readonly closed: Promise<{ closeCode?: number; reason?: string }>;
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable?: WritableStream<Uint8Array>;
    createWritable?(): WritableStream<Uint8Array>;
    readonly maxDatagramSize: number;
  };
  createBidirectionalStream(): Promise<{ readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> }>;
}

/**
 * The class of WebTransport sessions, as browsers have it.
 *
 * @example
 * ```ts
 * const client = connect({ url, transport: "auto", WebTransport: globalThis.WebTransport });
 * ```
 */
export type WebTransportConstructor = new (url: string, options?: object) => WebTransportLike;

/** Returns a function that opens sessions of a class. */
export function webTransportDial(Class: WebTransportConstructor, url: URL, options: object): Dial {
  return ({ token, subprotocol }, events) => {
    const address = new URL(url);
    address.searchParams.set("protocol", subprotocol);
    if (token) address.searchParams.set("token", token);
    return new Session(new Class(address.href, options) as WebTransportSession, events);
  };
}

class Session implements Transport {
  readonly #session: WebTransportSession;
  #events: TransportEvents | null;
  #stream: WritableStreamDefaultWriter<Uint8Array> | null = null;
  #datagrams: WritableStreamDefaultWriter<Uint8Array> | null = null;

  constructor(session: WebTransportSession, events: TransportEvents) {
    this.#session = session;
    this.#events = events;
    session.closed.then(
      ({ closeCode, reason }) => this.#onClosed(closeCode || 1006, reason ?? ""),
      (error) => this.#onClosed(1006, "", error?.message),
    );
    this.#open().catch((error) => this.#onClosed(1006, "", error?.message));
  }

  send(frame: string | Uint8Array, isLossy: boolean): void {
    const bytes = messageFrame(frame);
    const { datagrams } = this.#session;
    const writer = isLossy && bytes.length <= datagrams.maxDatagramSize ? this.#datagrams : null;
    (writer ?? this.#stream)?.write(bytes).catch(() => {}); // `closed` tells
  }

  close(): void {
    this.#events = null;
    this.#end(1000, "");
  }

  async #open(): Promise<void> {
    await this.#session.ready;
    const { readable, writable } = await this.#session.createBidirectionalStream();
    this.#stream = writable.getWriter();
    const { datagrams } = this.#session;
    this.#datagrams = (datagrams.writable ?? datagrams.createWritable?.())?.getWriter() ?? null;
    this.#readDatagrams().catch(() => {}); // the session lives on without them
    const frames = new FrameReader();
    const reader = readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return; // `closed` follows
      for (const { opcode, payload } of frames.push(value)) this.#onFrame(opcode, payload);
    }
  }

  async #readDatagrams(): Promise<void> {
    const reader = this.#session.datagrams.readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      for (const { opcode, payload } of new FrameReader().push(value)) this.#onFrame(opcode, payload);
    }
  }

  #onFrame(opcode: number, payload: Uint8Array): void {
    if (opcode === TEXT || opcode === BINARY) this.#events?.onFrame(frameMessage(opcode, payload));
    else if (opcode === PING) this.#stream?.write(encodeFrame(PONG, payload)).catch(() => {});
    else if (opcode === CLOSE) {
      const code = payload.length < 2 ? 1005 : new DataView(payload.buffer, payload.byteOffset).getUint16(0);
      const reason = new TextDecoder().decode(payload.subarray(2));
      this.#onClosed(code, reason);
      this.#end(code, reason);
    }
  }

  #onClosed(code: number, reason: string, detail?: string): void {
    const events = this.#events;
    this.#events = null;
    events?.onClosed({ code, reason, opened: this.#stream !== null, detail });
  }

  #end(closeCode: number, reason: string): void {
    try {
      this.#session.close({ closeCode, reason });
    } catch {
      // it is closed already, or not open yet
    }
  }
}

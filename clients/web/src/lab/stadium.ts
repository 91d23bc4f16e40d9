// Simulated viewers: connections that this browser opens to the room, each with a client of its own, and what they measure.

import { type Client, connect } from "@grandstand/client";
import { percentile, Rate, Recent } from "../lib/stats";
import { Store } from "../lib/store";

/** Chromium opens at most 255 WebSockets at a time. */
export const MOST_VIEWERS = 200;
/** How many may be opened in one go, so that a slider pulled to its end is no flood. */
const BATCH = 10;
const STEP_MS = 100;
const STEPS = 10;
const POINTS = 60;
const SPAN_MS = 10_000;
const SAMPLES = 4_000;
const FANOUTS = 40;
const SETTLED_MS = 1_500;

/** How many viewers there are. */
export interface Counts {
  readonly wanted: number;
  readonly open: number;
  readonly failed: number;
}

/** One second of the plot. */
export interface Point {
  readonly p50: number | null;
  readonly p99: number | null;
  readonly bytesPerS: number;
}

/** The latest figures. */
export interface Figures extends Point {
  readonly messagesPerS: number;
  /** From the first viewer to the last, for one update. */
  readonly spreadMs: number | null;
}

interface Viewer {
  readonly client: Client;
  isIn: boolean;
  /** When it came in. What it missed comes soon after, and says nothing about the fan-out. */
  inAt: number;
  pingedAt: number | null;
}

export class Stadium {
  readonly counts = new Store<Counts>({ wanted: 0, open: 0, failed: 0 });
  readonly points = new Store<readonly Point[]>([]);
  readonly figures = new Store<Figures | null>(null);
  readonly #room: string;
  readonly #address: (user: string) => URL;
  readonly #token: string | null;
  readonly #name = Array.from(crypto.getRandomValues(new Uint8Array(3)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  readonly #viewers: Viewer[] = [];
  readonly #latencies = new Recent(SPAN_MS, SAMPLES);
  readonly #bytes = new Rate(performance.now());
  readonly #messages = new Rate(performance.now());
  /** When the first and the last viewer got a version. */
  readonly #fanouts = new Map<string, { first: number; last: number; count: number }>();
  readonly #WebSocket: typeof WebSocket;
  #timer: ReturnType<typeof setInterval> | null = null;
  #step = 0;
  #made = 0;

  constructor(room: string, address: (user: string) => URL, token: string | null) {
    this.#room = room;
    this.#address = address;
    this.#token = token;
    const [bytes, messages] = [this.#bytes, this.#messages];
    this.#WebSocket = class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        this.addEventListener("message", ({ data }) => {
          bytes.add(typeof data === "string" ? data.length : (data as ArrayBuffer).byteLength);
          messages.add(1);
        });
      }
    };
  }

  /** Sets how many viewers there should be. They come and go little by little. */
  want(wanted: number): void {
    this.counts.set({ ...this.counts.value, wanted: Math.min(Math.max(wanted, 0), MOST_VIEWERS) });
    if (this.#timer === null && wanted > 0) {
      this.#bytes.take(performance.now());
      this.#messages.take(performance.now());
      this.#timer = setInterval(() => this.#onStep(), STEP_MS);
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { client } of this.#viewers.splice(0)) void client.close();
    this.counts.set({ wanted: 0, open: 0, failed: 0 });
  }

  #onStep(): void {
    const { wanted } = this.counts.value;
    this.#step = (this.#step + 1) % STEPS;
    for (let n = 0; n < BATCH && this.#viewers.length < wanted; n++) this.#open();
    while (this.#viewers.length > wanted) void this.#viewers.pop()?.client.close();
    // Each viewer asks once a second for a pong, not all at the same time.
    const now = performance.now();
    this.#viewers.forEach((viewer, index) => {
      if (index % STEPS === this.#step && viewer.isIn && viewer.pingedAt === null) viewer.client.hint("visible");
    });
    this.#count();
    if (this.#step === 0) this.#draw(now);
    if (wanted === 0 && this.#viewers.length === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
      this.figures.set(null);
      this.points.set([]);
    }
  }

  #open(): void {
    const client = connect({
      url: this.#address(`viewer-${this.#name}-${++this.#made}`),
      token: this.#token ?? undefined,
      transport: "websocket",
      WebSocket: this.#WebSocket,
      diagnose: false,
    });
    const viewer: Viewer = { client, isIn: false, inAt: 0, pingedAt: null };
    client.on("message", (direction, message) => {
      const now = performance.now();
      if (message.type === "ping" && direction === "out") viewer.pingedAt = now;
      if (message.type === "pong" && viewer.pingedAt !== null) {
        this.#latencies.add(now, now - viewer.pingedAt);
        viewer.pingedAt = null;
      }
      if (message.type === "update" && viewer.isIn && now - viewer.inAt > SETTLED_MS)
        this.#onUpdate(now, String((message as { version?: number }).version));
    });
    client.on("status", ({ state }) => {
      const isIn = state === "connected" || state === "degraded";
      if (isIn && !viewer.isIn) viewer.inAt = performance.now();
      viewer.isIn = isIn;
      if (!viewer.isIn) viewer.pingedAt = null;
    });
    client.join(this.#room, { role: "spectator", timeoutMs: Number.POSITIVE_INFINITY }).catch(() => {});
    this.#viewers.push(viewer);
  }

  #onUpdate(now: number, version: string): void {
    const fanout = this.#fanouts.get(version);
    if (fanout) {
      fanout.last = now;
      fanout.count += 1;
      return;
    }
    this.#fanouts.set(version, { first: now, last: now, count: 1 });
    if (this.#fanouts.size > FANOUTS) this.#fanouts.delete(this.#fanouts.keys().next().value!);
  }

  #count(): void {
    const open = this.#viewers.filter(({ isIn }) => isIn).length;
    const failed = this.#viewers.filter(({ client }) => client.status.state === "closed").length;
    const before = this.counts.value;
    if (open !== before.open || failed !== before.failed) this.counts.set({ ...before, open, failed });
  }

  #draw(now: number): void {
    const latencies = this.#latencies.values(now);
    const spreads = [...this.#fanouts.values()].filter(({ count }) => count > 1).map(({ first, last }) => last - first);
    const point = {
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      bytesPerS: this.#bytes.take(now),
    };
    const spreadMs = spreads.at(-1) ?? null;
    this.figures.set({ ...point, messagesPerS: this.#messages.take(now), spreadMs });
    this.points.set([...this.points.value, point].slice(-POINTS));
  }
}

// The admin port of `grandstand dev`: pulls plugs, and reads the history of a room.

export type Plug = "worker" | "edge" | "drain" | "bus";

/** An entry of a room's history. */
export interface HistoryEntry {
  readonly seq: number;
  readonly time?: unknown;
  readonly event?: unknown;
  readonly [field: string]: unknown;
}

export interface History {
  readonly room: string;
  readonly entries: readonly HistoryEntry[];
  readonly state: unknown;
  /** Whether the room, made again from its log, is the same as the one that is played; `null` without one to compare with. */
  readonly equal: boolean | null;
  readonly [field: string]: unknown;
}

/** Something that the admin port refused, in words. */
export class AdminError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const HEADERS = { "X-Grandstand-Plug": "1" };
const TIMEOUT_MS = 30_000;

export class Admin {
  readonly #origin: string;
  readonly #ask: typeof fetch;

  constructor(origin: string, ask: typeof fetch = (input, init) => fetch(input, init)) {
    this.#origin = origin;
    this.#ask = ask;
  }

  /** Pulls a plug. Resolves once the new part runs, with the milliseconds that this took. */
  async pull(plug: Plug): Promise<number> {
    const body = await this.#json(`/dev/plug/${plug}`, "POST");
    return typeof body.took_ms === "number" ? body.took_ms : 0;
  }

  async history(room: string, limit: number): Promise<History> {
    return (await this.#json(
      `/dev/rooms/${encodeURIComponent(room)}/history?limit=${limit}`,
      "GET",
    )) as unknown as History;
  }

  async #json(path: string, method: string): Promise<Record<string, unknown>> {
    let response: Response;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      response = await this.#ask(this.#origin + path, { method, headers: HEADERS, cache: "no-store", signal });
    } catch {
      throw new AdminError(
        "unreachable",
        `The admin port does not answer at ${this.#origin}. Is it reachable from this device?`,
      );
    }
    const body = await response.json().catch(() => null);
    if (response.ok && body) return body;
    const error = body?.error ?? {};
    throw new AdminError(error.code ?? String(response.status), adminWords(response.status, error.message));
  }
}

function adminWords(status: number, message: string | undefined): string {
  if (status === 409) return message ?? "Another plug is being pulled. Wait until it is done.";
  if (status === 501) return message ?? "This is not possible with this server.";
  if (status === 403) return message ?? "The admin port refuses this page.";
  if (status === 404) return message ?? "The server does not have this.";
  return message ?? `The admin port answers with ${status}.`;
}

// The lobby: rooms to choose from, as the server lists them.

/** A room of the list. */
export interface ListedRoom {
  readonly room: string;
  readonly instance: string;
  /** Connected players. */
  readonly players: number;
  readonly spectators: number;
  /** Whether further players may join. */
  readonly open: boolean;
  /** Seats that are taken, and all; of all 0 means no limit. */
  readonly seats: readonly [taken: number, all: number];
  readonly labels: Readonly<Record<string, string>>;
}

/** What a question to the server brought. */
export type LobbyAnswer =
  | { readonly state: "loading" }
  | { readonly state: "listed"; readonly rooms: readonly ListedRoom[]; readonly isCut: boolean }
  /** `refusal`: why the server refuses the token. */
  | { readonly state: "failed"; readonly why: string; readonly refusal?: string };

const LIMIT = 100;
const PAGES = 5;
const TIMEOUT_MS = 8_000;

/** Who asks. */
export interface Identity {
  readonly user: string;
  readonly token: string | null;
}

/** Asks for all rooms that this player may play or watch. Never throws: what went wrong is in the answer. */
export async function fetchRooms(
  page: URL,
  { user, token }: Identity,
  ask: typeof fetch = fetch,
): Promise<LobbyAnswer> {
  const rooms: ListedRoom[] = [];
  let after: string | null = null;
  for (let number = 0; number < PAGES; number++) {
    const url = new URL("v1/rooms", page.href.replace(/[?#].*/, ""));
    url.searchParams.set("limit", String(LIMIT));
    if (after) url.searchParams.set("after", after);
    if (!token) url.searchParams.set("user", user);
    try {
      const response: Response = await ask(url, {
        headers: token ? { authorization: `Bearer ${token}` } : {},
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const body = await response.json().catch(() => null);
      if (!response.ok || body?.type !== "rooms") {
        const isRefused = response.status === 401;
        const reason = isRefused ? { refusal: body?.message ?? "it is not valid" } : {};
        return { state: "failed", why: words(response.status, body), ...reason };
      }
      rooms.push(...body.rooms);
      after = typeof body.next === "string" ? body.next : null;
    } catch {
      return { state: "failed", why: "The server does not answer. The list comes back by itself." };
    }
    if (!after) break;
  }
  return { state: "listed", rooms, isCut: after !== null };
}

function words(status: number, body: { code?: string; message?: string } | null): string {
  if (body?.code === "lobby_unavailable") return "The list of rooms is not available now. It comes back by itself.";
  if (status === 404) {
    return "This server lists no rooms, because its HTTP API is off (edge.api). Enter the name of a room instead.";
  }
  if (status === 401) return "The server shows its rooms only to people with a valid token.";
  if (status === 403) return "The server does not show its rooms to this page. Enter the name of a room instead.";
  if (status === 429) return "Too many questions from here. The list comes back by itself.";
  return body?.message
    ? `The server says: ${body.message}`
    : `Something else answers in place of the server (${status}).`;
}

/** Open rooms first, then those with more people, then by name. */
export function sortRooms(rooms: readonly ListedRoom[]): ListedRoom[] {
  return [...rooms].sort(
    (a, b) =>
      Number(b.open) - Number(a.open) ||
      b.players + b.spectators - (a.players + a.spectators) ||
      a.room.localeCompare(b.room, "en", { numeric: true }),
  );
}

/** `1 of 2 seats`, `3 inside` */
export function seatsText({ seats: [taken, all], players }: ListedRoom): string {
  if (all > 0) return `${taken} of ${all} seats taken`;
  return players === 1 ? "1 player" : `${players} players`;
}

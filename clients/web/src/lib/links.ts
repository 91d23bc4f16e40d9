// The address of the page: which room, as whom, and what a new room is like.

export type Role = "player" | "spectator";

/** A room to enter. */
export interface Visit {
  readonly room: string;
  readonly role: Role;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** An invitation to this room. */
  readonly invitation?: string | undefined;
}

/** What an address asks for. */
export interface Asked {
  readonly visit: Visit | null;
  readonly user: string | null;
  readonly token: string | null;
}

const ROOM = /^[A-Za-z0-9_-]{1,64}$/;
const NUMBERS = ["rows", "cols", "players", "bots", "turn_ms", "hide_ms", "computer_ms", "coins"];

export function isRoomName(text: string): boolean {
  return ROOM.test(text);
}

/** The game of a room: the part before the first `-`. */
export function gameOf(room: string): string {
  return room.split("-")[0] ?? "";
}

/** Reads an address. A token may be behind the `#`, where no server sees it. */
export function readAddress(address: URL): Asked {
  const asked = new URLSearchParams([...address.searchParams, ...new URLSearchParams(address.hash.slice(1))]);
  const room = asked.get("room");
  const params: Record<string, unknown> = {};
  for (const name of NUMBERS) {
    const number = Number(asked.get(name) ?? "");
    if (asked.get(name) && Number.isInteger(number)) params[name] = number;
  }
  return {
    visit:
      room && isRoomName(room)
        ? {
            room,
            role: asked.get("role") === "spectator" ? "spectator" : "player",
            params: Object.keys(params).length ? params : undefined,
          }
        : null,
    user: asked.get("user"),
    token: asked.get("token"),
  };
}

/** A link to a room. It leaves the name out, because another person opens it. */
export function linkTo(page: URL, visit: Visit): string {
  const link = new URL(page.pathname, page);
  link.searchParams.set("room", visit.room);
  if (visit.role === "spectator") link.searchParams.set("role", visit.role);
  for (const name of NUMBERS) {
    const value = visit.params?.[name];
    if (typeof value === "number") link.searchParams.set(name, String(value));
  }
  return link.href;
}

/** The room in which the same players play again: `memory-x`, `memory-x-2`, `memory-x-3`. */
export function nextRoom(room: string): string {
  const [, base, number] = /^(.*-.*)-(\d{1,4})$/.exec(room) ?? [];
  const next = base ? `${base}-${Number(number) + 1}` : `${room}-2`;
  return next.length <= 64 ? next : `${gameOf(room)}-${next.slice(-50)}`;
}

/** The name that a token is for; `null` if it cannot be read. */
export function subjectOf(token: string): string | null {
  try {
    const part = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims.sub === "string" ? claims.sub : null;
  } catch {
    return null;
  }
}

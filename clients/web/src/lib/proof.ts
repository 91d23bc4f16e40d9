// Compares what this page did and saw with the history of the room, as the server reads it from its log.

import type { History, HistoryEntry } from "./admin";
import { type Account, compareHistory, type HistoryInput } from "./ledger";
import type { Role } from "./links";

/** An update that this page saw. */
export interface Seen {
  readonly version: number;
  readonly data: unknown;
}

/** What the comparison brought. */
export interface Proof {
  /** Numbers of inputs that the history lacks, and those that were applied twice. */
  readonly missing: readonly number[];
  readonly repeated: readonly number[];
  /** How many updates of this page are in the history too, and how many of them are others there. */
  readonly updates: number;
  readonly different: number;
  /** Whether the room, made again from its log, is the one that is played; `null` if there is nothing to compare with. */
  readonly isEqual: boolean | null;
}

interface UpdateLine {
  readonly players?: number;
  readonly spectators?: number;
  readonly data?: unknown;
}

/** The fields of an entry. They are in `event`. */
function fieldsOf({ event }: HistoryEntry): Record<string, unknown> {
  return typeof event === "object" && event !== null ? (event as Record<string, unknown>) : {};
}

/** The inputs that were applied, or refused by the game. A repeat is in the log too, but was skipped. */
export function inputsOf({ entries }: History): HistoryInput[] {
  return entries.flatMap((entry) => {
    const { kind, player, input, skipped } = fieldsOf(entry);
    if (kind !== "input" || skipped !== undefined) return [];
    return typeof player === "string" && typeof input === "number" ? [{ player, seq: input }] : [];
  });
}

/** The updates of an audience by their versions. */
export function updatesOf({ entries }: History, role: Role): Map<number, unknown> {
  const updates = new Map<number, unknown>();
  for (const entry of entries) {
    for (const line of (fieldsOf(entry).updates ?? []) as UpdateLine[]) {
      const version = role === "player" ? line.players : line.spectators;
      if (version) updates.set(version, line.data);
    }
  }
  return updates;
}

/** Compares the inputs of an account, and the updates that were seen, with the history. */
export function prove(history: History, account: Account, player: string, role: Role, seen: readonly Seen[]): Proof {
  const { missing, repeated } = compareHistory(account, player, inputsOf(history));
  const updates = updatesOf(history, role);
  const both = seen.filter(({ version }) => updates.has(version));
  const different = both.filter(({ version, data }) => canonical(data) !== canonical(updates.get(version)));
  return { missing, repeated, updates: both.length, different: different.length, isEqual: history.equal ?? null };
}

/** JSON with the members of objects in the order of their names. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, part) => {
      if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
      return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? "undefined"
  );
}

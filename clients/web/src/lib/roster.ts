// The players of a room as this page has seen them: also those who have left.

import type { Presence } from "@grandstand/client";

/** Where a player is. `away`: the connection is lost, and the player may come back. */
export type Whereabouts = "connected" | "away" | "left";

export interface Member {
  readonly id: string;
  readonly state: Whereabouts;
}

const MOST_LEFT = 16;

/**
 * The players after a presence; those who have left come last, the latest of them first. `seated`: players with a place in the
 * game, who have left if they are not present. A room with more than 64 players lists none.
 */
export function follow(
  before: readonly Member[],
  { players }: Pick<Presence, "players">,
  seated: readonly string[] = [],
): Member[] {
  if (!players) return [];
  const here = players.map(({ id, state }): Member => ({ id, state: state === "connected" ? state : "away" }));
  const known = new Set(here.map(({ id }) => id));
  const gone = [...before.map(({ id }) => id), ...seated].filter((id) => !known.has(id));
  return [...here, ...[...new Set(gone)].slice(0, MOST_LEFT).map((id): Member => ({ id, state: "left" }))];
}

/** What became of players who were there before, in words. */
export function changes(before: readonly Member[], after: readonly Member[]): string[] {
  const states = new Map(before.map(({ id, state }) => [id, state]));
  const words = { connected: "is back", away: "is away", left: "left" };
  return after.flatMap(({ id, state }) => {
    const was = states.get(id);
    return was && was !== state ? [`${id} ${words[state]}`] : [];
  });
}

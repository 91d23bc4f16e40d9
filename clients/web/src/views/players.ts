// The players of a room, and where each of them is.

import type { Member } from "../lib/roster";
import { useStore } from "../lib/store";
import type { Session } from "../session";

/** The players whom this page knows. One who plays here without a connection is away, whatever came before it was lost. */
export function usePlayers(session: Session): readonly Member[] {
  const roster = useStore(session.roster) ?? [];
  const { state } = useStore(session.status);
  const isCut = state === "reconnecting" || state === "closed";
  if (!isCut) return roster;
  return roster.map((member) => (member.id === session.player ? { ...member, state: "away" } : member));
}

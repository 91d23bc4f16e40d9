// The person at this page and the room that a tab shows, also after a reload.

import { type Asked, subjectOf, type Visit } from "./links";
import type { Identity } from "./lobby";

/** What a tab keeps. */
export interface Kept {
  readonly user: string | null;
  readonly token: string | null;
}

/** Finds out who the person is. A token fixes the name. */
export function identify(asked: Asked, kept: Kept, randomName: () => string): Identity {
  const token = asked.token || (isOther(asked, kept) ? null : kept.token);
  return { user: (token && subjectOf(token)) || asked.user || kept.user || randomName(), token: token || null };
}

/** Whether the address names somebody else than the player of the token that the tab keeps. */
function isOther({ user }: Asked, { token }: Kept): boolean {
  return user !== null && user !== (token && subjectOf(token));
}

/**
 * The room to show. The history entry of a page knows more about it than its address: options, and the invitation, which a
 * player needs again after a reload.
 */
export function visitOf({ visit }: Asked, state: unknown): Visit | null {
  const before = (state as { visit?: Visit } | null)?.visit;
  return visit && before?.room === visit.room && before.role === visit.role ? before : visit;
}

/** The token in a text that a person has pasted: the token itself, or a link to this page with it. `null` if there is none. */
export function tokenIn(text: string): string | null {
  const found = /[?#&](?:access_)?token=([^&#\s]+)/.exec(text)?.[1] ?? text.replace(/^\s*bearer\s+/i, "").trim();
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(found) ? found : null;
}

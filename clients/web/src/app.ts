// The state that the whole page shares: the person, and the open room.

import { linkTo, readAddress, subjectOf, type Visit } from "./lib/links";
import type { Identity } from "./lib/lobby";
import { Store } from "./lib/store";

const asked = readAddress(new URL(location.href));
const token = asked.token;

/** Who the person is. A token fixes the name. */
export const identity = new Store<Identity>({
  user: (token && subjectOf(token)) || asked.user || recall("user") || randomName(),
  token,
});

/** The room that is open; `null` in the lobby. */
export const route = new Store<Visit | null>(asked.visit);

/** The address of the page, by which the server is found. */
export function pageUrl(): URL {
  return new URL(location.href);
}

/** Takes another name. */
export function rename(user: string): void {
  identity.set({ ...identity.value, user });
  remember("user", user);
}

/** Opens a room. */
export function enter(visit: Visit): void {
  remember("user", identity.value.user);
  history.pushState({ visit }, "", linkTo(pageUrl(), visit));
  route.set(visit);
}

/** Goes back to the lobby. */
export function toLobby(): void {
  history.pushState({}, "", location.pathname);
  route.set(null);
}

/** A link to a room for other people. */
export function shareLink(visit: Visit): string {
  return linkTo(pageUrl(), { ...visit, invitation: undefined });
}

/** The games of the server, if the page was told; `null` if not. */
export function knownGames(): string[] | null {
  const content = meta("grandstand-games");
  return content === null ? null : content.split(/\s+/).filter(Boolean);
}

/** The address of the admin port of `grandstand dev`, which fills it in; `null` elsewhere. */
export function adminOrigin(): string | null {
  return meta("grandstand-admin");
}

/** Text for the name of a new room. */
export function randomSuffix(): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) => letters[byte % letters.length]).join("");
}

function meta(name: string): string | null {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content || null;
}

function randomName(): string {
  const names = [
    "Ada",
    "Bo",
    "Cleo",
    "Dion",
    "Edda",
    "Finn",
    "Gus",
    "Hana",
    "Ivo",
    "Juno",
    "Kai",
    "Lena",
    "Milo",
    "Nora",
    "Otto",
    "Pia",
  ];
  return `${names[crypto.getRandomValues(new Uint8Array(1))[0]! % names.length]}-${randomSuffix().slice(0, 3)}`;
}

// Stored per tab, so that two tabs are two players. A browser may forbid storage.
function remember(key: string, value: string): void {
  try {
    sessionStorage.setItem(`grandstand.${key}`, value);
  } catch {}
}

function recall(key: string): string | null {
  try {
    return sessionStorage.getItem(`grandstand.${key}`);
  } catch {
    return null;
  }
}

// The address that was opened stays as it is but for the name and the token, which are for this person alone.
if (asked.visit) history.replaceState({ visit: asked.visit }, "", linkTo(pageUrl(), asked.visit));
if (asked.visit) remember("user", identity.value.user);

addEventListener("popstate", (event: PopStateEvent) => {
  route.set((event.state as { visit?: Visit } | null)?.visit ?? readAddress(pageUrl()).visit);
});

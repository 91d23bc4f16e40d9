// The state that the whole page shares: the person, and the open room.

import { identify, visitOf } from "./lib/identity";
import { linkTo, readAddress, subjectOf, type Visit } from "./lib/links";
import type { Identity } from "./lib/lobby";
import { Store } from "./lib/store";

const asked = readAddress(new URL(location.href));
const opened = visitOf(asked, history.state);

/** Who the person is. */
export const identity = new Store<Identity>(
  identify(asked, { user: recall("user"), token: recall("token") }, randomName),
);

/** The room that is open; `null` in the lobby. */
export const route = new Store<Visit | null>(opened);

/** The address of the page, by which the server is found. */
export function pageUrl(): URL {
  return new URL(location.href);
}

/** Takes another name. */
export function rename(user: string): void {
  become({ ...identity.value, user });
}

/** Takes another token; the name is that of its player. */
export function takeToken(token: string): void {
  become({ user: subjectOf(token) ?? identity.value.user, token });
}

/** Goes on without a token, under the same name. */
export function dropToken(): void {
  become({ ...identity.value, token: null });
}

function become(who: Identity): void {
  remember(who);
  identity.set(who);
}

/** Opens a room. */
export function enter(visit: Visit): void {
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

// Stored per tab, so that two tabs are two players, and so that a reload changes nothing. A browser may forbid storage.
function remember({ user, token }: Identity): boolean {
  try {
    sessionStorage.setItem("grandstand.user", user);
    if (token) sessionStorage.setItem("grandstand.token", token);
    else sessionStorage.removeItem("grandstand.token");
    return true;
  } catch {
    return false;
  }
}

function recall(key: string): string | null {
  try {
    return sessionStorage.getItem(`grandstand.${key}`);
  } catch {
    return null;
  }
}

// The address that was opened loses the name and the token, which are for this person alone. It stays as it is in a browser
// that stores nothing, because a reload needs both.
if (remember(identity.value) && (opened || asked.user || asked.token)) {
  history.replaceState(opened && { visit: opened }, "", opened ? linkTo(pageUrl(), opened) : location.pathname);
}

addEventListener("popstate", (event: PopStateEvent) => {
  route.set((event.state as { visit?: Visit } | null)?.visit ?? readAddress(pageUrl()).visit);
});

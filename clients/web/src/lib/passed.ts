// The messages of a connection as they pass, for the inspector: bounded, and without secrets.

import { Store } from "./store";

const MOST = 400;
/** Between two looks of the page, so that a fast room does not draw the list with each message. */
const DRAW_MS = 150;

export interface PassedMessage {
  readonly id: number;
  readonly at: number;
  readonly direction: "in" | "out";
  readonly type: string;
  readonly text: string;
}

/** What the person wants to see. */
export interface Filter {
  readonly direction: "in" | "out" | "both";
  /** A type, or part of the text. */
  readonly text: string;
  /** Whether pings and pongs are left out. */
  readonly isQuiet: boolean;
}

export class Passed {
  /** The newest last. */
  readonly shown = new Store<readonly PassedMessage[]>([]);
  readonly isPaused = new Store(false);
  /** How many have passed in all. */
  total = 0;
  #messages: PassedMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  add(direction: "in" | "out", message: { type: string }): void {
    this.total += 1;
    if (this.isPaused.value) return;
    this.#messages.push({ id: this.total, at: Date.now(), direction, type: message.type, text: toText(message) });
    if (this.#messages.length >= 2 * MOST) this.#messages = this.#messages.slice(-MOST);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.shown.set(this.#messages.slice(-MOST));
    }, DRAW_MS);
  }

  pause(isPaused: boolean): void {
    this.isPaused.set(isPaused);
  }

  clear(): void {
    this.#messages = [];
    this.shown.set([]);
  }
}

/** A message as one line of JSON. Tokens are cut, because people show this page around. */
export function toText(message: object): string {
  const written = Object.entries(message).map(([key, value]) =>
    key === "payload" && typeof value?.json === "string" ? ["data", parsed(value.json)] : [key, value],
  );
  return JSON.stringify(Object.fromEntries(written), (key, value) =>
    key === "token" && typeof value === "string" ? `${value.slice(0, 6)}…` : value,
  );
}

/** What a row shows of a message besides its type. */
export function excerptOf(text: string): string {
  const { type: _, room: __, id: ___, ...rest } = JSON.parse(text);
  return JSON.stringify(rest).slice(1, -1);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

export function filterPassed(
  messages: readonly PassedMessage[],
  { direction, text, isQuiet }: Filter,
): PassedMessage[] {
  const wanted = text.trim().toLowerCase();
  return messages.filter(
    (message) =>
      (direction === "both" || message.direction === direction) &&
      !(isQuiet && /^(ping|pong)$/.test(message.type)) &&
      (!wanted || message.type.includes(wanted) || message.text.toLowerCase().includes(wanted)),
  );
}

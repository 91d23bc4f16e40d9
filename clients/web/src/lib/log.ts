// The events of a room in words, for the list beside it and for screen readers.

import { Store } from "./store";

const MOST = 100;

export interface Line {
  readonly id: number;
  readonly at: number;
  readonly text: string;
  readonly kind: "info" | "problem";
}

export class Log {
  /** The newest first. */
  readonly lines = new Store<readonly Line[]>([]);
  #next = 1;

  add(text: string, kind: Line["kind"] = "info"): void {
    const line = { id: this.#next++, at: Date.now(), text, kind };
    this.lines.set([line, ...this.lines.value].slice(0, MOST));
  }
}

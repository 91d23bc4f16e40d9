// A value that components follow.

import { useEffect, useState } from "preact/hooks";

export class Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls a function after each change. Returns a function that ends this. */
  follow(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** The value of a store; the component is drawn again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, redraw] = useState(0);
  useEffect(() => {
    redraw((count) => count + 1); // it may have changed between drawing and following
    return store.follow(() => redraw((count) => count + 1));
  }, [store]);
  return store.value;
}

/** Draws the component again every so many milliseconds, for clocks. */
export function useTick(ms: number, isOn = true): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => redraw((count) => count + 1), ms);
    return () => clearInterval(timer);
  }, [ms, isOn]);
}

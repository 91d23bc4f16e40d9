// Listeners, typed by the name of their event.

/** The arguments of each event's listeners. */
export type Events = Record<string, readonly unknown[]>;

/** A set of listeners. */
export class Emitter {
  readonly #listeners = new Map<string, Set<(...args: never[]) => void>>();

  /** Adds a listener. Returns a function that removes it. */
  on(name: string, listener: (...args: never[]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Calls the listeners. One that throws stops neither the others nor the client. */
  emit(name: string, args: readonly unknown[]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(...(args as never[]));
      } catch (error) {
        (globalThis.reportError ?? console.error)(error); // as an uncaught one, which stops nothing
      }
    }
  }
}

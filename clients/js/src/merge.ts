// JSON merge patches (RFC 7396).

/**
 * Applies a JSON merge patch and returns the result. Neither argument is changed, and parts that the patch does not name are
 * shared with the target, so that `===` shows what has changed.
 *
 * @example
 * ```ts
 * merge({ count: 1, turn: "alice" }, { count: 2, turn: null }); // { count: 2 }
 * ```
 */
export function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) result.delete(name);
    else result.set(name, merge(result.get(name), change));
  }
  // Unlike an assignment, `fromEntries` makes a member of `__proto__`.
  return Object.fromEntries(result);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

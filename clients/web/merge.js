// JSON merge patches (RFC 7396).

/** Applies a patch and returns the result. Objects of `target` that the patch changes are changed in place. */
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const result = isObject(target) ? target : {};
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete result[name];
    else set(result, name, merge(Object.hasOwn(result, name) ? result[name] : undefined, change));
  }
  return result;
}

// An assignment to `__proto__` would change the prototype.
function set(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

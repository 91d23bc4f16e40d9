import assert from "node:assert/strict";
import { test } from "node:test";
import { merge } from "../merge.js";

test("patches follow the examples of RFC 7396", () => {
  for (const [target, patch, expected] of [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [["a", "b"], ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]) {
    assert.deepEqual(merge(structuredClone(target), patch), expected);
  }
});

test("a member named __proto__ is a member like any other", () => {
  const merged = merge({}, JSON.parse('{"__proto__":{"polluted":true},"toString":{"a":1}}'));
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.keys(merged), ["__proto__", "toString"]);
  assert.deepEqual(merged.toString, { a: 1 });
});

import { expect, test } from "vitest";
import { merge } from "../src/index.js";

// The test cases of RFC 7396, appendix A.
test.each([
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', "{}"],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', "null", "null"],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
  ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
])("%s with %s is %s", (target, patch, result) => {
  expect(merge(JSON.parse(target), JSON.parse(patch))).toEqual(JSON.parse(result));
});

test("nothing is changed in place, and what is equal is shared", () => {
  const target = { a: { b: 1 }, c: { d: 2 } };
  const result = merge(target, { a: { b: 3 } }) as typeof target;
  expect(target).toEqual({ a: { b: 1 }, c: { d: 2 } });
  expect(result.c).toBe(target.c);
  expect(result.a).not.toBe(target.a);
});

test("a member called __proto__ is a member", () => {
  const result = merge({}, JSON.parse('{"__proto__":{"admin":true}}')) as Record<string, unknown>;
  expect(Object.keys(result)).toEqual(["__proto__"]);
  expect(result.admin).toBeUndefined();
  expect(({} as Record<string, unknown>).admin).toBeUndefined();
});

"""Patterns of messages and events, and the values that a script remembers.

A pattern matches a value that equals it. An object matches if each of its members does; further members do not matter, except
inside `data`, `state` and `params`, which must be equal. Instead of a value, a pattern may have: `"$any"` (present), `"$absent"`,
`"$string"`, `"$int"`, `{"$in": [values]}`, or `{"$has": "part of a text"}`.
"""

import json
import re

EXACT = ("data", "state", "params", "players")
REFERENCE = re.compile(r"\$(\w+)((?:\.\w+)*)")


class Missing(KeyError):
    """A reference to something that is not remembered."""


def differs(pattern, value, path=""):
    """Returns how `value` differs from `pattern`, or None."""
    here = path or "it"
    if pattern == "$any":
        return None
    if pattern == "$string":
        return None if isinstance(value, str) else f"{here} is {show(value)}, not a text"
    if pattern == "$int":
        is_int = isinstance(value, int) and not isinstance(value, bool)
        return None if is_int else f"{here} is {show(value)}, not an integer"
    if isinstance(pattern, dict) and "$in" in pattern:
        return None if value in pattern["$in"] else f"{here} is {show(value)}, not one of {show(pattern['$in'])}"
    if isinstance(pattern, dict) and "$has" in pattern:
        has = isinstance(value, str) and pattern["$has"] in value
        return None if has else f"{here} is {show(value)}, without {show(pattern['$has'])}"
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return f"{here} is {show(value)}, not {show(pattern)}"
        for name, inner in pattern.items():
            below = f"{path}.{name}" if path else name
            if inner == "$absent":
                if name in value:
                    return f"{below} is {show(value[name])}, but must be absent"
            elif name not in value:
                return f"{below} is absent"
            elif name in EXACT and not is_word(inner):
                if not same(inner, value[name]):
                    return f"{below} is {show(value[name])}, not {show(inner)}"
            elif found := differs(inner, value[name], below):
                return found
        return None
    return None if same(pattern, value) else f"{here} is {show(value)}, not {show(pattern)}"


def is_word(pattern):
    return isinstance(pattern, str) and pattern.startswith("$") or isinstance(pattern, dict) and ("$in" in pattern or "$has" in pattern)


def same(left, right):
    """Equality of JSON values: true is not 1, and 7.0 is 7."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def fill(value, known):
    """Replaces references such as `"$join.id"` by what is remembered. A member that refers to an absent field is removed."""
    if isinstance(value, dict):
        filled = {}
        for name, inner in value.items():
            try:
                filled[name] = fill(inner, known)
            except Missing:
                continue
        return filled
    if isinstance(value, list):
        return [fill(inner, known) for inner in value]
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if not match or match[1] not in known:
        return value
    found = known[match[1]]
    for name in match[2].split(".")[1:]:
        if not isinstance(found, dict) or name not in found:
            raise Missing(value)
        found = found[name]
    return found


def show(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "…"

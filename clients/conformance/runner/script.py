"""Reads and checks case files: `{"family": …, "cases": [{"name", "rule", "steps", …}]}`."""

import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[1]

# The verb of a step → the keys that may stand beside it.
VERBS = {
    "app": {"as"},
    "accept": {"as", "timeout_ms"},
    "welcome": {"on"},
    "expect": {"on", "as", "within_ms", "timeout_ms"},
    "expect_all": {"on", "as", "timeout_ms"},
    "maybe": {"on"},
    "send": {"on"},
    "send_raw": {"on"},
    "close": {"on"},
    "drop": {"on"},
    "stall": {"on"},
    "ping": {"on"},
    "closed": {"on", "timeout_ms"},
    "see": {"as", "timeout_ms"},
    "result": {"timeout_ms"},
    "open": set(),
    "never": set(),
    "quiet": set(),
    "wait": set(),
    "mark": set(),
    "listen": set(),
    "serve": set(),
    "count": set(),
    "use": {"with"},
}
CASE_KEYS = {"name", "rule", "steps", "needs", "encodings"}
ACCEPT_KEYS = {"token", "within_ms", "refuse", "silent", "drop", "auto_pong", "timeout_ms", "no_token"}
COMMANDS = {"connect", "join", "send", "live", "leave", "close", "set_token", "reconnect", "hint", "token"}


class BadCase(Exception):
    """A case file that does not follow the format."""


def load(folder=None, only=None):
    """Reads all cases of a folder. `only` selects some: by a name, or by a part of names where no case has it as its name."""
    macros = read(FOLDER / "macros.json")
    cases, names = [], set()
    for path in sorted(pathlib.Path(folder or FOLDER / "cases").glob("*.json")):
        content = read(path)
        if not isinstance(content, dict) or set(content) != {"about", "cases"}:
            raise BadCase(f"{path}: the file must be an object with `about` and `cases`")
        for index, case in enumerate(content["cases"]):
            where = f"{path.name}, case {index + 1}"
            if not isinstance(case, dict) or not {"name", "rule", "steps"} <= set(case) <= CASE_KEYS:
                raise BadCase(f"{where}: a case has `name`, `rule` and `steps`, and may have `needs` and `encodings`; this one has {sorted(case)}")
            name = f"{path.stem}/{case['name']}"
            if name in names:
                raise BadCase(f"{where}: there are two cases {name}")
            names.add(name)
            steps = expand(case["steps"], macros, f"{where} ({case['name']})")
            cases.append({**case, "name": name, "steps": steps})
    parts = [part for part in only or [""] if part not in names]
    return [case for case in cases if case["name"] in (only or []) or any(part in case["name"] for part in parts)]


def read(path):
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise BadCase(f"{path}: not JSON: {error}") from None


def expand(steps, macros, where):
    """Replaces `use` steps by those of their macro, and checks all steps."""
    expanded = []
    for index, step in enumerate(steps):
        here = f"{where}, step {index + 1}"
        verb = check(step, here)
        if verb != "use":
            expanded.append({**step, "where": here})
            continue
        if step["use"] not in macros:
            raise BadCase(f"{here}: there is no macro `{step['use']}`; macros.json has {sorted(macros)}")
        macro = macros[step["use"]]
        given = step.get("with", {})
        if unknown := set(given) - set(macro["with"]):
            raise BadCase(f"{here}: the macro `{step['use']}` takes {sorted(macro['with'])}, not {sorted(unknown)}")
        expanded += expand(replace(macro["steps"], {**macro["with"], **given}), macros, f"{here}, {step['use']}")
    return expanded


def check(step, here):
    """Returns the verb of a step."""
    if not isinstance(step, dict):
        raise BadCase(f"{here}: a step is an object")
    verbs = set(step) & set(VERBS)
    verbs = verbs - {"close"} if "app" in verbs else verbs
    if len(verbs) != 1:
        raise BadCase(f"{here}: a step has one verb of {sorted(VERBS)}; this one has {sorted(step)}")
    verb = verbs.pop()
    allowed = VERBS[verb] | ({"ok", "error"} if verb == "result" else set())
    if unknown := set(step) - allowed - {verb}:
        raise BadCase(f"{here}: `{verb}` does not take {sorted(unknown)}")
    value = step[verb]
    if verb == "app" and value.get("cmd") not in COMMANDS and not str(value.get("cmd")).startswith("{"):
        raise BadCase(f"{here}: no command `{value.get('cmd')}`; use one of {sorted(COMMANDS)}")
    if verb == "accept" and (not isinstance(value, dict) or set(value) - ACCEPT_KEYS - {"..."}):
        raise BadCase(f"{here}: `accept` is an object with some of {sorted(ACCEPT_KEYS)}")
    if verb == "result" and ("ok" in step) == ("error" in step):
        raise BadCase(f"{here}: `result` needs either `ok` or `error`")
    if verb in ("see", "never") and (not isinstance(value, dict) or "event" not in value):
        raise BadCase(f"{here}: `{verb}` is an object with `event`")
    return verb


def replace(value, known):
    """Fills `"{name}"` in the steps of a macro. The members of the object at the key `"..."` join those beside it."""
    if isinstance(value, dict):
        filled = {}
        for name, inner in value.items():
            inner = replace(inner, known)
            if name == "...":
                filled.update(inner)
            else:
                filled[name] = inner
        return filled
    if isinstance(value, list):
        return [replace(inner, known) for inner in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}") and value[1:-1] in known:
        return known[value[1:-1]]
    return value

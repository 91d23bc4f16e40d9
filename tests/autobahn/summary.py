"""Prints the results of an Autobahn run. Fails unless every requested case ran and passed."""

import ast
import collections
import json
import pathlib
import sys

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
# Cases that offer only a window of 2^9 bytes: the server declines such offers, as RFC 7692 permits.
DECLINED = ("13.3.", "13.5.")


def allowed(case: str) -> set[str]:
    return PASSED | {"UNIMPLEMENTED"} if case.startswith(DECLINED) else PASSED


def asked_for(log: str) -> list[str]:
    """Returns the cases that the suite announced, in order. Only the suite can expand the patterns in its spec."""
    prefix = "Cases = "
    return next((ast.literal_eval(line[len(prefix) :]) for line in log.splitlines() if line.startswith(prefix)), [])


def main(report: pathlib.Path) -> int:
    log = (report / "log").read_text(errors="replace")
    index = report / "index.json"
    cases = json.loads(index.read_text()).get("grandstand") if index.exists() else None
    if not cases:
        print(f"no case ran; see {report / 'log'}", file=sys.stderr)
        return 1
    behaviors = collections.Counter(case["behavior"] for case in cases.values())
    print(f"{len(cases)} cases: " + ", ".join(f"{n} {b}" for b, n in behaviors.most_common()))
    order = sorted(cases, key=lambda case: [int(part) for part in case.split(".")])
    failed = [c for c in order if not {cases[c]["behavior"], cases[c]["behaviorClose"]} <= allowed(c)]
    for case in order:
        behavior, close = cases[case]["behavior"], cases[case]["behaviorClose"]
        if case in failed or behavior == "NON-STRICT":
            print(f"  {case}: {behavior}, close {close}: {report / cases[case]['reportfile']}")
    asked = asked_for(log)
    missing = [case for case in asked if case not in cases]
    if missing:
        # The suite stops, with exit code 0, when it cannot connect for the next case.
        print(f"{len(missing)} of {len(asked)} cases did not run, from {missing[0]} on:", file=sys.stderr)
        why = [line for line in log.splitlines() if line.startswith("Connection to ")]
        print(f"  {why[-1] if why else 'the suite gives no reason'}; see {report / 'log'}", file=sys.stderr)
    elif not asked:
        print(f"the suite did not announce its cases; see {report / 'log'}", file=sys.stderr)
    return 1 if failed or missing or not asked else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))

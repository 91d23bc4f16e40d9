"""Prints what came of a run of the Autobahn suite; fails unless every case passed."""

import collections
import json
import pathlib
import sys

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
# Cases that ask for a window of 2^9 bytes and nothing else: such offers are declined, which RFC 7692 leaves to a server.
DECLINED = ("13.3.", "13.5.")


def allowed(case: str) -> set[str]:
    return PASSED | {"UNIMPLEMENTED"} if case.startswith(DECLINED) else PASSED


def main(report: pathlib.Path) -> int:
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
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))

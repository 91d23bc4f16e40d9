#!/usr/bin/env python3
"""Runs the conformance cases against the driver of an SDK.

    run.py [--only TEXT]… [--jobs N] [--encoding json|proto|both] [--storms N] [--seed N] [--trace] -- COMMAND…

Exit codes: 0 all passed, 1 a case failed, 64 wrong usage or a case file with a mistake. README.md describes drivers.
"""

import argparse
import asyncio
import collections
import sys
import time

from runner.driver import Driver, DriverGone
from runner.play import Failed
from runner.script import BadCase, load
from runner.steps import Steps
from runner.storm import Storm

CASE_S = 30
FRESH_AFTER = 40  # cases that one process of a driver serves, so that a leak does not spoil the rest


class Report:
    """What was played so far."""

    def __init__(self, trace, fail_fast):
        self.trace, self.fail_fast = trace, fail_fast
        self.passed = 0
        self.failed = []
        self.broken = None  # why no driver can be started
        self.skipped = collections.Counter()
        self.slowest = []

    def on_played(self, name, seconds, problem, lines):
        self.slowest = sorted([(seconds, name), *self.slowest], reverse=True)[:3]
        if problem is None:
            self.passed += 1
        else:
            self.failed.append(name)
            print(f"FAILED  {name}\n    {problem}")
        if self.trace or problem is not None:
            print("".join(f"    {line}\n" for line in lines[-(4000 if self.trace else 150):]), end="", flush=True)


async def play(case, driver, encoding, slack_s):
    """Plays a case. Returns the problem, or None, and the conversation."""
    steps = (Storm if "seed" in case else Steps)(case.get("seed", case), driver, encoding, slack_s)
    try:
        await asyncio.wait_for(steps.run(), CASE_S)
    except Failed as failure:
        return str(failure), steps.lines
    except asyncio.TimeoutError:
        return f"the case took longer than {CASE_S} s", steps.lines
    return None, steps.lines


async def work(command, queue, report, slack_s, starting):
    """Plays cases from the queue, with a driver of its own. `starting` lets few drivers start at a time, because that takes the
    processor from the cases of the others."""
    driver, served = None, 0
    while queue and not report.broken and not (report.fail_fast and report.failed):
        case, encoding = queue.popleft()
        if driver is None:
            driver, served = Driver(command), 0
            # It does not raise, because asyncio hangs if the others are cancelled while they start a process.
            async with starting:
                try:
                    await driver.start()
                except (DriverGone, OSError) as problem:
                    report.broken = report.broken or problem
                    return
        if reason := lacks(case, encoding, driver.ready):
            report.skipped[reason] += 1
            continue
        began = time.monotonic()
        problem, lines = await play(case, driver, encoding, slack_s)
        served += 1
        if problem is not None or served >= FRESH_AFTER or not queue:
            end = await driver.stop()
            driver = None
            problem = problem or end
        report.on_played(f"{case['name']} [{encoding}]", time.monotonic() - began, problem, lines)
    if driver is not None and (problem := await driver.stop()):
        report.on_played("the end of a driver", 0, problem, [])


def lacks(case, encoding, ready):
    """Why this driver cannot play a case, or None."""
    for need in case.get("needs", []):
        if need not in ready.get("features", []):
            return f"the driver lacks the feature {need}"
    if encoding not in ready.get("encodings", []):
        return f"the driver lacks the encoding {encoding}"
    return None


def storms(options):
    """The storms as cases. They come after the scripts, which say more clearly what is wrong."""
    names = [(f"storm/{seed}", seed) for seed in range(options.seed, options.seed + options.storms)]
    return [{"name": name, "seed": seed} for name, seed in names if any(part in name for part in options.only or [""])]


async def run(options, cases):
    cases = cases + storms(options)
    wanted = ["json", "proto"] if options.encoding == "both" else [options.encoding]
    queue = collections.deque(
        (case, encoding) for encoding in wanted for case in cases if encoding in case.get("encodings", wanted)
    )
    report = Report(options.trace, options.fail_fast)
    starting = asyncio.Semaphore(2)
    workers = [work(options.command, queue, report, options.slack_ms / 1000, starting) for _ in range(options.jobs)]
    await asyncio.gather(*workers)
    return report


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip(), add_help=True)
    parser.add_argument("--only", action="append", metavar="TEXT", help="cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=8, metavar="N", help="cases at a time (8)")
    parser.add_argument("--encoding", choices=["json", "proto", "both"], default="json")
    parser.add_argument("--cases", metavar="FOLDER", help="another folder of cases")
    parser.add_argument("--storms", type=int, default=6, metavar="N", help="storms beside the scripts (6)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the seed of the first storm (1)")
    parser.add_argument("--slack-ms", type=float, default=1000, help="how much later than its bound something may come (1000)")
    parser.add_argument("--trace", action="store_true", help="print every conversation")
    parser.add_argument("--fail-fast", action="store_true", help="begin no case after one has failed")
    parser.add_argument("--list", action="store_true", help="print the names of the cases with their rules")
    parser.add_argument("command", nargs="*", help="the driver, after --")
    options = parser.parse_args()
    try:
        cases = load(options.cases, options.only)
    except BadCase as problem:
        print(problem, file=sys.stderr)
        return 64
    if options.list:
        for case in cases:
            print(f"{case['name']}: {case['rule']}")
        print(f"{len(cases)} cases")
        return 0
    if not options.command or not (cases or storms(options)) or options.jobs < 1:
        what = "name the driver's command after --" if not options.command else "no case has such a name, or --jobs is not positive"
        print(f"run.py: {what}", file=sys.stderr)
        return 64
    sys.stdout.reconfigure(line_buffering=True)  # also what was said before somebody ends the run counts
    began = time.monotonic()
    report = asyncio.run(run(options, cases))
    if report.broken:
        print(f"run.py: {report.broken}", file=sys.stderr)
    for reason, count in sorted(report.skipped.items()):
        print(f"skipped {count}: {reason}")
    slowest = ", ".join(f"{name} {seconds:.1f} s" for seconds, name in report.slowest)
    print(f"{report.passed} passed, {len(report.failed)} failed, {sum(report.skipped.values())} skipped in {time.monotonic() - began:.1f} s; slowest: {slowest}")
    if report.passed == 0 and not report.failed:
        print("no case was played", file=sys.stderr)
        return 1
    return 1 if report.failed or report.broken else 0


if __name__ == "__main__":
    sys.exit(main())

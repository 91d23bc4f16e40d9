#!/usr/bin/env python3
"""Shows that the runner can fail: a client that keeps the rules passes, and each broken rule is called wrong.

    python clients/conformance/test_run.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

from runner import proto
from runner.script import BadCase, load

FOLDER = pathlib.Path(__file__).resolve().parent
VECTORS = FOLDER.parents[1] / "common/proto/vectors"
CASES = [
    "connecting/welcome first", "resume/missed updates", "resume/inputs in order", "resume/sent while away",
    "backoff/bounds", "inputs/ack", "views/in order", "views/gap", "closing/close",
]  # fmt: skip

# What the client does wrong → one case that shows it, and words of the report.
FAULTS = {
    "no subprotocol": ("connecting/welcome first", "the subprotocol grandstand.v1.json is not offered"),
    "impatient": ("connecting/welcome first", "before `welcome`"),
    "sends before joined": ("connecting/welcome first", "input without `joined`"),
    "hammers": ("backoff/bounds", "too early; it must wait 60 ms"),
    "same attempt": ("resume/missed updates", "`attempt` is 1, but must grow"),
    "same id": ("inputs/ack", "the id 1 was used before"),
    "forgets since": ("resume/missed updates", "since is absent"),
    "forgets inputs": ("resume/inputs in order", "nothing within"),
    "other data": ("resume/inputs in order", "seq 2 had other data before"),
    "leaves gaps": ("inputs/ack", "seq 8 leaves a gap"),
    "misses updates": ("views/in order", "nothing within"),
    "doubles updates": ("views/in order", "the application of main at version 2 saw"),
    "ignores gaps": ("views/gap", "the application of main at version 1 saw"),
    "answers nothing": ("inputs/ack", "nothing within"),
    "answers twice": ("inputs/ack", "a second result of one command"),
    "acks early": ("inputs/ack", "has a result already"),
    "closes wrongly": ("closing/close", "the client closed conn a with 1001"),
    "stays": ("closing/close", "not with one of [1000]"),
    "is unhandled": ("inputs/ack", "unhandled failure: a callback failed"),
    "invents events": ("inputs/ack", "`happy` is no status"),
    "writes nonsense": ("inputs/ack", "a line that is not an event"),
    "crashes": ("inputs/ack", "the driver ended"),
    "does not exit": ("inputs/ack", "did not exit within 5 s"),
    "exits with 1": ("inputs/ack", "exited with 1"),
}


def run(*options, driver=(sys.executable, str(FOLDER / "selftest/faulty.py"))):
    command = [sys.executable, str(FOLDER / "run.py"), *options]
    return subprocess.run([*command, "--", *driver] if driver else command, capture_output=True, text=True, timeout=60)


def only(names):
    return [part for name in names for part in ("--only", name)]


class Runner(unittest.TestCase):
    def test_a_client_that_keeps_the_rules_passes(self):
        done = run(*only(CASES))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(CASES)} passed, 0 failed, 0 skipped", done.stdout)

    def test_each_fault_is_called_wrong(self):
        with ThreadPoolExecutor(4) as pool:
            for fault, done in zip(FAULTS, pool.map(self.with_fault, FAULTS)):
                case, words = FAULTS[fault]
                with self.subTest(fault):
                    self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                    self.assertIn(f"FAILED  {case} [json]", done.stdout)
                    self.assertIn(words, done.stdout)

    def with_fault(self, fault):
        return run(*only([FAULTS[fault][0]]), driver=(sys.executable, str(FOLDER / "selftest/faulty.py"), fault))

    def test_a_storm_calls_wrong_a_client_that_knows_too_little(self):
        done = run("--only", "storm", "--storms", "1", "--seed", "3")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("FAILED  storm/3 [json]", done.stdout)

    def test_a_report_has_what_was_expected_and_the_conversation(self):
        done = self.with_fault("forgets since")
        self.assertIn('the client must send {"type": "join", "room": "quiz-1", "since": 2', done.stdout)
        self.assertRegex(done.stdout, r'ms  conn a   < \{"id": 1, "type": "join"')
        self.assertIn("0 passed, 1 failed", done.stdout)

    def test_a_driver_that_does_not_start_is_named(self):
        for driver, words in [
            ((sys.executable, "-c", "print('hi')"), "did not begin with a line of JSON"),
            ((sys.executable, "-c", "print('{}')"), "not the event `ready`"),
            ((sys.executable, "-c", "import nothing_here"), "nothing_here"),
            (("/nowhere/driver",), "No such file"),
        ]:
            with self.subTest(driver):
                done = run(driver=driver)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn(words, done.stderr)

    def test_cases_that_a_driver_lacks_are_skipped_and_named(self):
        done = run("--only", "tokens/asked before connecting", "--only", "inputs/ack")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("skipped 1: the driver lacks the feature token_source", done.stdout)
        done = run("--only", "tokens/asked before connecting")
        self.assertEqual(done.returncode, 1, "a run that plays nothing has not passed")

    def test_wrong_usage_is_said(self):
        self.assertEqual(run(driver=None).returncode, 64)
        self.assertEqual(run("--only", "no such case").returncode, 64)
        self.assertEqual(run("--jobs", "0").returncode, 64)


class CaseFiles(unittest.TestCase):
    def test_all_cases_can_be_read(self):
        cases = load()
        self.assertGreaterEqual(len(cases), 80)
        for case in cases:
            self.assertTrue(case["rule"].endswith("."), case["name"])

    def test_a_mistake_is_named_with_its_place(self):
        for case, words in [
            ({"name": "a", "rule": "b."}, "a case has `name`, `rule` and `steps`"),
            ({"name": "a", "rule": "b.", "steps": [{"sned": {}}]}, "step 1: a step has one verb"),
            ({"name": "a", "rule": "b.", "steps": [{"send": {}, "wait": 1}]}, "a step has one verb"),
            ({"name": "a", "rule": "b.", "steps": [{"wait": 1, "on": "a"}]}, "`wait` does not take ['on']"),
            ({"name": "a", "rule": "b.", "steps": [{"app": {"cmd": "jion"}}]}, "no command `jion`"),
            ({"name": "a", "rule": "b.", "steps": [{"accept": {"tokne": "t"}}]}, "`accept` is an object"),
            ({"name": "a", "rule": "b.", "steps": [{"result": "x"}]}, "either `ok` or `error`"),
            ({"name": "a", "rule": "b.", "steps": [{"see": {"status": "connected"}}]}, "an object with `event`"),
            ({"name": "a", "rule": "b.", "steps": [{"use": "paly"}]}, "no macro `paly`"),
            ({"name": "a", "rule": "b.", "steps": [{"use": "play", "with": {"rom": 1}}]}, "takes"),
        ]:
            with self.subTest(words), tempfile.TemporaryDirectory() as folder:
                (pathlib.Path(folder) / "x.json").write_text(json.dumps({"about": "", "cases": [case]}))
                with self.assertRaises(BadCase) as caught:
                    load(folder)
                self.assertIn(words, str(caught.exception))
                self.assertIn("x.json", str(caught.exception))

    def test_no_json_and_no_case_file_are_named(self):
        for text, words in [("{", "not JSON"), ("[]", "`about` and `cases`")]:
            with tempfile.TemporaryDirectory() as folder:
                (pathlib.Path(folder) / "x.json").write_text(text)
                with self.assertRaises(BadCase) as caught:
                    load(folder)
                self.assertIn(words, str(caught.exception))


class Vectors(unittest.TestCase):
    """The runner's own codec passes the vectors of the protocol."""

    def test_messages_of_both_sides(self):
        for name, side in [("client.json", "ClientMessage"), ("server.json", "ServerMessage")]:
            for vector in json.loads((VECTORS / name).read_text()):
                self.assertEqual(json.loads(vector["json"]), vector["means"])
                found = proto.decode(side, bytes.fromhex(vector["proto"]))
                if "player_count" in found:
                    found.pop("players")
                self.assertEqual(found, vector["means"])
                self.assertEqual(proto.encode(side, vector["means"]).hex(), vector["proto"], vector["json"])

    def test_unusual_messages(self):
        for vector in json.loads((VECTORS / "unusual.json").read_text()):
            side = {"client": "ClientMessage", "server": "ServerMessage"}[vector["side"]]
            if "proto" in vector:
                self.assertEqual(proto.decode(side, bytes.fromhex(vector["proto"])), vector["means"], vector["why"])

    def test_what_is_no_message(self):
        for vector in json.loads((VECTORS / "refused.json").read_text()):
            side = {"client": "ClientMessage", "server": "ServerMessage"}[vector["side"]]
            if "proto" in vector and vector["code"] in ("bad_json", "unknown_type"):
                with self.assertRaises(proto.Malformed, msg=vector["why"]):
                    proto.decode(side, bytes.fromhex(vector["proto"]))


if __name__ == "__main__":
    unittest.main()

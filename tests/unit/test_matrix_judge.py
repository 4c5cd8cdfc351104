# SPDX-License-Identifier: BSD-3-Clause
"""scripts/matrix_judge.py: what makes a cell of the fault matrix ok, failed or not measured."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
sys.dont_write_bytecode = True
import matrix_judge

MS = 1_000_000
CELL_MS = 10_000


class MatrixJudgeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def subscriber(self, name, first_ms=5, silence_ms=10, **more):
        """It had to be given 1 to 100, and was served by server 2."""
        summary = {"lost": 0, "repeated": 0, "reordered": 0, "damaged": 0, "delivered": 100, "truncated": 0, "last_seq": 100,
                   "migrations": 0, "exit": 0, "servers": ["10.77.0.12:5678"]}
        summary.update(more)
        self.write(f"{name}.json", json.dumps(summary))
        progress = [(0, 0, 0), (first_ms, 1, 0), (first_ms + 5000, 100, silence_ms)]
        self.write(f"{name}.out", "".join(
            json.dumps({"time_ns": at * MS, "delivered": delivered, "silence_max_ns": silence * MS}) + "\n"
            for at, delivered, silence in progress))

    def swarm(self, **more):
        summary = {"lost": 0, "repeated": 0, "damaged": 0, "truncated": 0, "delivered": 900, "migrations": 300,
                   "clients": 300, "silence_max_ms": 20}
        summary.update(more)
        self.write("swarm.json", json.dumps(summary))

    def waits(self, **shares):
        """The share of the cell for which the threads of each had no CPU."""
        self.write("waits-begin", "".join(f"{label} 1 1000\n" for label in shares))
        self.write("waits-end", "".join(f"{label} 1 {1000 + round(share * CELL_MS * MS)}\n"
                                        for label, share in shares.items()))

    def judge(self, *told, why="", **facts):
        facts = {"row": "kill", "column": "live", "ms": CELL_MS, "bound_ms": 300, "held_ms": 0, "open_ms": 700, **facts}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = matrix_judge.cell(self.folder, ",".join(f"{name}={value}" for name, value in facts.items()),
                                       f"begin=0,caught_up={CELL_MS}", why, *told)
        result = json.loads(printed.getvalue())
        self.assertEqual(status, 1 if result["wrong"] else 0)
        return result

    def test_who_has_everything_in_time_is_ok(self):
        self.subscriber("watch1", silence_ms=250, migrations=1)
        result = self.judge("watch1=1:1")
        self.assertEqual((result["wrong"], result["not_measured"]), ([], []))
        self.assertEqual((result["silence_ms"], result["bound_ms"], result["stretch"]), (250, 300, 1))

    def test_who_had_to_move_and_did_not_fails_the_cell(self):
        self.subscriber("watch1")
        self.assertEqual(self.judge("watch1=1:0")["wrong"], [])
        self.assertIn("moved 0 times", self.judge("watch1=1:1")["wrong"][0])

    def test_a_drain_that_moves_nobody_fails_the_cell(self):
        self.swarm(migrations=0)
        self.assertIn("swarm: moved 0 times", self.judge(swarm_due=900, swarm_moves=300)["wrong"][0])
        self.swarm(migrations=299)
        self.assertEqual(len(self.judge(swarm_due=900, swarm_moves=300)["wrong"]), 1)
        self.swarm()
        self.assertEqual(self.judge(swarm_due=900, swarm_moves=300)["wrong"], [])

    def test_a_summary_that_is_not_there_is_wrong(self):
        self.assertEqual(self.judge("watch1=1:0")["wrong"], ["watch1: no summary"])
        self.assertEqual(self.judge(swarm_due=0, swarm_moves=300)["wrong"], ["swarm: no summary"])
        self.subscriber("watch1", exit=1)
        self.assertEqual(self.judge("watch1=1:0")["wrong"], ["watch1: ended with status 1"])

    def test_what_went_wrong_before_is_wrong(self):
        self.subscriber("watch1")
        self.assertEqual(self.judge("watch1=1:0", why="it broke off")["wrong"], ["it broke off"])

    def test_the_wait_for_the_first_message_has_a_bound_too(self):
        self.subscriber("join1", first_ms=950)
        self.assertEqual(self.judge("join1=1:0")["wrong"], [])
        self.subscriber("join1", first_ms=1050)
        self.assertIn("1,050 ms before its first message, 1,000 at most", self.judge("join1=1:0")["wrong"][0])

    def test_threads_that_serve_it_stretch_the_bound_and_no_others(self):
        self.subscriber("watch1", silence_ms=590)
        self.waits(srv1=0.8, srv2=0.5, swarm=0.8, watch2=0.8)
        result = self.judge("watch1=1:0")
        self.assertEqual((result["wrong"], result["bound_ms"], result["stretch"]), ([], 600, 2))
        self.waits(srv1=0.8, srv2=0.1)
        self.assertEqual(len(self.judge("watch1=1:0")["wrong"]), 1)

    def test_how_long_the_fault_was_held_is_not_stretched(self):
        self.subscriber("watch1", silence_ms=1550)
        self.waits(srv2=0.5)
        result = self.judge("watch1=1:0", held_ms=1000)
        self.assertEqual((result["bound_ms"], result["wrong"]), (1600, []))

    def test_above_the_largest_stretch_a_silence_is_not_measured(self):
        self.subscriber("watch1", silence_ms=950)
        self.waits(srv2=0.6, watch1=0.5)
        result = self.judge("watch1=1:0")
        self.assertEqual((result["wrong"], result["bound_ms"], len(result["not_measured"])), ([], 900, 1))
        self.assertEqual(matrix_judge.verdict(result), "not measured")
        # What is under that bound is ok whatever the machine did; what is lost is lost.
        self.subscriber("watch1", silence_ms=850)
        self.assertEqual(matrix_judge.verdict(self.judge("watch1=1:0")), "ok")
        self.subscriber("watch1", silence_ms=950, lost=1)
        self.assertEqual(matrix_judge.verdict(self.judge("watch1=1:0")), "FAILED")

    def test_a_busier_machine_below_it_fails(self):
        self.subscriber("watch1", silence_ms=950)
        self.waits(srv2=0.6)
        self.assertEqual(matrix_judge.verdict(self.judge("watch1=1:0")), "FAILED")

    def test_cells_that_are_not_measured_are_counted_and_named(self):
        ok = {"row": "kill", "column": "live", "wrong": [], "not_measured": [], "silence_ms": 5, "lost": 0, "repeated": 0,
              "reordered": 0}
        busy = {**ok, "column": "drain", "not_measured": ["watch1: silent"]}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            matrix_judge.grid([ok, busy, {**ok, "not_measured": ["watch2: silent"]}])
            matrix_judge.sums([ok, busy, {"row": "txqueue", "column": "live", "impossible": "no"}])
        self.assertIn("not measured 1/2", printed.getvalue())
        self.assertTrue(printed.getvalue().endswith("cells=2 lost=0 repeated=0 reordered=0 not_measured=1\n"))


unittest.main()

# SPDX-License-Identifier: BSD-3-Clause
"""scripts/timeline: what it makes of the progress lines of subscribers."""
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
sys.dont_write_bytecode = True
from tables import rate_text, table_lines
from timeline_data import Lines, Story, event_levels, event_lines, ruler
from timeline_plot import script

MS = 1_000_000
SECOND = 1000 * MS
ONE, TWO = "10.77.0.11:5678", "10.77.0.12:5678"


def sample(at_ms, delivered, server, **more):
    values = {"time_ns": at_ms * MS, "delivered": delivered, "lost": 0, "repeated": 0, "reordered": 0, "truncated": 0,
              "migrations": 0, "server": server, "silence_ns": 0, "silence_max_ns": 0, "p99_ns": 0, "last": False}
    values.update(more)
    return json.dumps(values) + "\n"


class TimelineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, *lines):
        with open(os.path.join(self.folder, name), "a", encoding="utf-8") as file:
            file.writelines(lines)

    def story(self, **options):
        story = Story(self.folder, **options)
        story.follow()
        return story

    def cells(self, story, count, cell_ms=500):
        return story.shown()[0].cells(story.begin_ns(), cell_ms * MS, count, story.number_of)

    def test_a_line_that_is_still_being_written_waits_for_its_end(self):
        lines = Lines(os.path.join(self.folder, "a.out"))
        self.assertEqual(lines.read(), [])
        self.write("a.out", "one\ntw")
        self.assertEqual(lines.read(), ["one"])
        self.write("a.out", "o\n")
        self.assertEqual(lines.read(), ["two"])

    def test_lines_for_a_person_are_no_samples(self):
        self.write("a.out", "1,000 messages  5/s\n", "{\"time_ns\": 5}\n", "[1]\n", sample(0, 0, ONE), sample(500, 7, ONE))
        self.write("server.out", "godwitd: ready\n")
        story = self.story()
        self.assertEqual([track.name for track in story.shown()], ["a"])
        self.assertEqual(story.shown()[0].row()[:2], ("a", 7))

    def test_a_migration_is_a_change_of_digit_with_the_silence_between(self):
        self.write("a.out", sample(0, 0, ONE), sample(500, 50, ONE), sample(1000, 100, ONE),
                   sample(1500, 100, None, silence_ns=500 * MS), sample(2000, 100, TWO, silence_ns=1000 * MS),
                   sample(2500, 150, TWO), sample(3000, 200, TWO))
        self.assertEqual(self.cells(self.story(), 7), "11..22 ")

    def test_what_was_delivered_before_the_silence_is_not_smeared_over_it(self):
        # In one sample of a second: everything came in its first half.
        self.write("a.out", sample(0, 0, ONE), sample(1000, 100, ONE, silence_ns=500 * MS))
        self.assertEqual(self.cells(self.story(), 2), "1.")

    def test_a_subscriber_that_stood_still_is_not_called_silent(self):
        self.write("a.out", sample(0, 0, ONE), sample(500, 50, ONE), sample(3000, 50, ONE), sample(3500, 90, ONE))
        self.assertEqual(self.cells(self.story(), 7), "1-----1")

    def test_what_is_taken_after_the_loss_of_a_server_came_from_it(self):
        self.write("a.out", sample(0, 0, ONE), sample(500, 50, ONE), sample(1000, 60, None), sample(1500, 70, None))
        self.assertEqual(self.cells(self.story(), 3), "111")

    def test_the_server_that_delivered_most_gets_the_cell(self):
        self.write("a.out", sample(0, 0, ONE), sample(200, 20, TWO), sample(500, 90, TWO))
        self.assertEqual(self.cells(self.story(), 1), "2")

    def test_servers_are_numbered_by_address_or_as_told(self):
        self.write("a.out", sample(0, 0, TWO), sample(500, 1, TWO), sample(1000, 1, "10.77.0.9:5678"),
                   sample(1500, 2, "10.77.0.9:5678"))
        self.assertEqual(self.cells(self.story(), 3), "2.1")
        self.assertEqual(self.cells(self.story(servers=(TWO,)), 3), "1.2")

    def test_the_newest_sample_makes_the_row_of_the_table(self):
        self.write("a.out", sample(0, 0, ONE), sample(500, 1234567, ONE, lost=1, repeated=2, reordered=3, truncated=4,
                                                      migrations=5, silence_max_ns=41_200_000, p99_ns=1_500_000))
        self.assertEqual(self.story().shown()[0].row(), ("a", 1234567, 1, 2, 3, 4, 5, "41.2 ms"))

    def test_the_rate_is_that_of_the_newest_second(self):
        self.write("a.out", sample(0, 0, ONE), sample(500, 500, ONE), sample(1000, 600, ONE),
                   sample(1500, 700, ONE, silence_ns=MS))
        self.assertAlmostEqual(self.story().shown()[0].rate_now(), 200)
        self.write("a.out", sample(1600, 700, ONE, last=True))
        self.assertEqual(self.story().shown()[0].rate_now(), 0)

    def test_no_label_covers_another_or_its_line(self):
        marks = [(0, "kill -9 3"), (4, "stop 2"), (4, "cut 1>2"), (30, "heal"), (31, "drain 1")]
        lines = event_lines(marks, 60)
        for column, text in marks:
            rows = [i for i, line in enumerate(lines) if line[column:].startswith(text)]
            self.assertEqual(len(rows), 1, f"{text}: {lines}")
            below = [line[column : column + 1] for line in lines[rows[0] + 1 :]]
            self.assertTrue(all(char == "|" or (char and column == 4) for char in below), f"{text}: {lines}")
            self.assertEqual(below[-1], "|")
        self.assertEqual([level for _, _, level in event_levels([(0, "a"), (9, "b")])], [0, 0])
        self.assertEqual(event_lines([], 60), [])

    def test_the_ruler_counts_seconds(self):
        self.assertEqual(ruler(0, 0.5, 25), "0         5         10   ")
        self.assertEqual(ruler(60, 0.5, 12), "60        65")

    def test_tables_align_and_units_fit(self):
        self.assertEqual(table_lines(("name", "n"), [("a", 1234), ("bcdef", 5)]),
                         ["  name       n", "  a      1,234", "  bcdef      5"])
        self.assertEqual([rate_text(rate) for rate in (12, 999.9, 1500, 2_000_000)],
                         ["12/s", "1k/s", "1.5k/s", "2M/s"])

    def test_the_picture_has_a_lane_for_each_server_and_subscriber(self):
        self.write("a.out", sample(0, 0, ONE), sample(500, 50, ONE), sample(1000, 90, TWO), sample(1500, 150, TWO))
        self.write("events.jsonl", json.dumps({"time_ns": 700 * MS, "text": "kill \"1\""}) + "\n")
        text = script(self.story(), "x.png")
        for name in ('"server 1"', '"server 2"', '"a"', "\"kill '1'\""):
            self.assertIn(name, text)


unittest.main()

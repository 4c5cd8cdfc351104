#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The migrations at the end of scripts/quickstart, and its judgement.

Usage: quickstart_table.py FOLDER ITCH_COUNT TELEMETRY_COUNT FILTERED_COUNT SUBSCRIBER,...

FOLDER holds the summaries of `godwit pub` and `godwit sub` and what they wrote of their progress, events.jsonl, what
the switch wrote, and migrations-SERVER-*.json as `godwit migrations --json` gave them. The subscribers' client ids
count from 101 on. Prints what is wrong after the table, one line each, and ends with status 1 then.
"""
import glob
import json
import os
import sys

from judge import publisher_wrongs, read, read_summary, slow_waits, slow_wrongs, subscriber_wrongs, switch_losses
from tables import table_lines
from timeline_data import Story

ITCH = ("live-a", "live-b", "live-c", "late", "lossy", "far", "paused")
FILTERED = ("filter-a", "filter-b")
COUNTERS = ("counters-a", "counters-b")
CLIENT_FIRST = 101
COLUMNS = ("at", "subscriber", "stream", "move", "why", "after", "decided", "first msg", "replayed", "hand-over at")
SAME_NS = 2_000_000_000  # the two servers of a move decide within it


def read_migrations(folder):
    """A record a move: both of its servers tell of it; the new home knows better."""
    moves = []
    for path in sorted(glob.glob(os.path.join(folder, "migrations-*.json"))):
        teller = int(os.path.basename(path).split("-")[1])
        text = read(folder, os.path.basename(path))
        for record in json.loads(text)["migrations"] if text.strip() else []:
            record["is_new_home"] = record["to"] == teller
            moves.append(record)
    moves.sort(key=lambda record: (not record["is_new_home"], record["detected_ns"]))
    told = []
    for move in moves:
        if not any(is_same(move, other) for other in told):
            told.append(move)
    return sorted(told, key=lambda record: record["detected_ns"])


def is_same(one, two):
    keys = ("client", "subscription", "session", "from", "to", "outcome")
    return (all(one[key] == two[key] for key in keys)
            and abs(one["detected_ns"] - two["detected_ns"]) < SAME_NS)


def row_of(record, story, names):
    begin_ns, detected_ns = story.begin_ns(), record["detected_ns"]
    before = [event for event in story.events if event.time_ns <= detected_ns]
    name = names.get(int(record["client"]), record["client"])
    first_ns = record["first_message_ns"]
    why = record["reason"] if record["outcome"] == "moved" else f"{record['reason']}: {record['outcome']}"
    return (
        f"{(detected_ns - begin_ns) / 1e9:.2f} s", name, record["stream"], f"{record['from']} to {record['to']}", why,
        before[-1].text if before else "-",
        f"{(detected_ns - before[-1].time_ns) / 1e6:,.0f} ms" if before else "-",
        f"{(first_ns - detected_ns) / 1e6:,.1f} ms" if first_ns else "-", record["replayed"],
        record["handover_seq"] or "-",
    )


def print_migrations(records, story, names):
    print()
    print("  Each migration as the servers recorded it: decided so long after the event, the new home's first message\n"
          "  so long after that, messages replayed from its log up to the hand-over to the live ones")
    print("\n".join(table_lines(COLUMNS, [row_of(record, story, names) for record in records])))
    print()


def seconds_between(story, one, two):
    """0 if not both happened."""
    times = {event.text: event.time_ns for event in story.events}
    return (times[two] - times[one]) / 1e9 if one in times and two in times else 0.0


def print_notes(folder, story, slow, itch):
    lost, frames = switch_losses(folder, "lossy")
    since, waiting = slow_waits(slow, itch)
    print(f"  lossy: its path lost {lost:,} of {frames:,} packets")
    print(f"  slow: of {since:,} messages since it came it took {slow['delivered']:,}; {slow['truncated']:,} "
          f"were announced to it as truncated, {waiting:,} wait for it in the log")
    seconds = seconds_between(story, "paused stops", "paused wakes")
    if seconds:
        print(f"  paused: it stood still itself for {seconds:.1f} s")
    seconds = seconds_between(story, "freeze 2", "wake 2")
    if seconds:
        print(f"  counters-*: server 2, which orders their stream, stood still for {seconds:.1f} s: there was nothing "
              "to deliver")


def main():
    folder = sys.argv[1]
    itch, telemetry, filtered = map(int, sys.argv[2:5])
    subscribers = sys.argv[5].split(",")
    expected = {name: count for names, count in ((ITCH, itch), (FILTERED, filtered), (COUNTERS, telemetry))
                for name in names}
    story = Story(folder, subscribers)
    story.follow()
    wrong = []

    records = read_migrations(folder)
    if records:
        print_migrations(records, story, {CLIENT_FIRST + i: name for i, name in enumerate(subscribers)})
    for label, count in (("pub-telemetry", telemetry), ("pub-itch", itch)):
        wrong += publisher_wrongs(folder, label, count)
    for name, count in expected.items():
        wrong += subscriber_wrongs(name, read_summary(folder, name), count)
    slow = read_summary(folder, "slow")
    wrong += [*subscriber_wrongs("slow", slow), *slow_wrongs("slow", slow, itch)]
    if switch_losses(folder, "lossy")[0] == 0:
        wrong.append("lossy: its path lost nothing: it shows nothing")
    print_notes(folder, story, slow, itch)
    for line in wrong:
        print(f"  WRONG: {line}")
    sys.exit(1 if wrong else 0)


main()

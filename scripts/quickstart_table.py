#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table at the end of scripts/quickstart, and its judgement.

Usage: quickstart_table.py FOLDER ITCH_COUNT TELEMETRY_COUNT FILTERED_COUNT SLOW_BEGAN_S LATE_BEGAN_S

FOLDER holds the summaries of `godwit pub` and `godwit sub` and what those and the switch wrote. Prints what is wrong
after the table, one line each, and ends with status 1 then.
"""
import json
import os
import re
import sys

from tables import table_lines, time_text

COLUMNS = ("subscriber", "delivered", "lost", "repeated", "reordered", "truncated", "p50", "p99")
FAULTS = ("lost", "repeated", "reordered")


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def print_table(summaries):
    rows = [
        (name, *(summary[key] for key in COLUMNS[1:6]), time_text(summary["p50_ns"]), time_text(summary["p99_ns"]))
        for name, summary in summaries.items()
    ]
    print("\n".join(table_lines(COLUMNS, rows)))


def p99_after(folder, name, seconds):
    """What a subscriber wrote after so many seconds of messages: the p99 of all until then."""
    lines = [line for line in read(folder, f"{name}.out").splitlines() if not line.startswith("0 messages")]
    found = re.search(r"p99 (\S+ \S+)", lines[min(seconds, len(lines)) - 1]) if lines and seconds > 0 else None
    return found.group(1) if found else "not known"


def switch_losses(folder):
    """Packets that the path of the lossy one lost, of how many."""
    lost = frames = 0
    for line in re.findall(r"^chaos: p-lossy: .*", read(folder, "chaos-lossy.out"), re.MULTILINE):
        for counts in re.finditer(r"(?:from|to)=(\d+) lost=(\d+)", line):
            frames += int(counts.group(1))
            lost += int(counts.group(2))
    return lost, frames


def main():
    folder = sys.argv[1]
    itch, telemetry, filtered, slow_began, late_began = map(int, sys.argv[2:7])
    names = ("counters", "live", "late", "filtered", "lossy", "slow")
    summaries = {name: json.loads(read(folder, f"{name}.json")) for name in names}
    expected = {"counters": telemetry, "live": itch, "late": itch, "filtered": filtered, "lossy": itch}
    wrong = []

    print_table(summaries)
    for name, count in (("pub-telemetry", telemetry), ("pub-itch", itch)):
        summary = json.loads(read(folder, f"{name}.json"))
        if summary["committed"] != count or summary["in_doubt"] != 0:
            wrong.append(f"{name}: {summary['committed']:,} of {count:,} committed, {summary['in_doubt']:,} in doubt")
    for name, summary in summaries.items():
        wrong += [f"{name}: {summary[key]:,} {key}" for key in FAULTS if summary[key] != 0]
        if summary["damaged"] != 0:
            wrong.append(f"{name}: {summary['damaged']:,} damaged")
        if name in expected and summary["delivered"] != expected[name]:
            wrong.append(f"{name}: {summary['delivered']:,} of {expected[name]:,} delivered")
        if name in expected and summary["truncated"] != 0:
            wrong.append(f"{name}: {summary['truncated']:,} truncated, though the log still held them")

    lost, frames = switch_losses(folder)
    slow = summaries["slow"]
    # It began somewhere in the stream, and everything from there on is in one of these three places.
    begun_at = slow["first_seq"] - 1
    waiting = itch - begun_at - slow["delivered"] - slow["truncated"]
    if slow["delivered"] == 0 or waiting < 0:
        wrong.append(f"slow: {slow['delivered']:,} delivered, {slow['truncated']:,} announced as truncated, of "
                     f"{itch - begun_at:,}")
    if lost == 0:
        wrong.append("lossy: its path lost nothing: it shows nothing")
    print()
    print(f"  lossy: its path lost {lost:,} of {frames:,} packets; nobody missed a message")
    print(f"  slow: of {itch - begun_at:,} messages since it came it took {slow['delivered']:,}; {slow['truncated']:,} "
          f"were announced to it as truncated, {waiting:,} wait for it in the log")
    print(f"  what slow did to live: p99 {p99_after(folder, 'live', slow_began)} before it came, "
          f"{p99_after(folder, 'live', late_began)} with it, {time_text(summaries['live']['p99_ns'])} in all; "
          f"{summaries['live']['lost']:,} lost")
    for line in wrong:
        print(f"  WRONG: {line}")
    sys.exit(1 if wrong else 0)


main()

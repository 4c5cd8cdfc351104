#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table at the end of scripts/quickstart, and its judgement.

Usage: quickstart_table.py FOLDER ITCH_COUNT TELEMETRY_COUNT FILTERED_COUNT SLOW_BEGAN_S LATE_BEGAN_S

FOLDER holds the summaries of `godwit pub` and `godwit sub` and what those and the switch wrote. Prints what is wrong
after the table, one line each, and ends with status 1 then.
"""
import re
import sys

from judge import publisher_wrongs, read, read_summary, slow_waits, slow_wrongs, subscriber_wrongs, switch_losses
from tables import table_lines, time_text

COLUMNS = ("subscriber", "delivered", "lost", "repeated", "reordered", "truncated", "p50", "p99")


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


def main():
    folder = sys.argv[1]
    itch, telemetry, filtered, slow_began, late_began = map(int, sys.argv[2:7])
    names = ("counters", "live", "late", "filtered", "lossy", "slow")
    summaries = {name: read_summary(folder, name) for name in names}
    expected = {"counters": telemetry, "live": itch, "late": itch, "filtered": filtered, "lossy": itch}
    wrong = []

    print_table(summaries)
    for label, count in (("pub-telemetry", telemetry), ("pub-itch", itch)):
        wrong += publisher_wrongs(folder, label, count)
    for name, summary in summaries.items():
        wrong += subscriber_wrongs(name, summary, expected.get(name))
    slow = summaries["slow"]
    wrong += slow_wrongs("slow", slow, itch)
    lost, frames = switch_losses(folder, "lossy")
    if lost == 0:
        wrong.append("lossy: its path lost nothing: it shows nothing")
    since, waiting = slow_waits(slow, itch)
    print()
    print(f"  lossy: its path lost {lost:,} of {frames:,} packets; nobody missed a message")
    print(f"  slow: of {since:,} messages since it came it took {slow['delivered']:,}; {slow['truncated']:,} "
          f"were announced to it as truncated, {waiting:,} wait for it in the log")
    print(f"  what slow did to live: p99 {p99_after(folder, 'live', slow_began)} before it came, "
          f"{p99_after(folder, 'live', late_began)} with it, {time_text(summaries['live']['p99_ns'])} in all; "
          f"{summaries['live']['lost']:,} lost")
    for line in wrong:
        print(f"  WRONG: {line}")
    sys.exit(1 if wrong else 0)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The migrations at the end of scripts/story, and its judgement.

Usage: story_table.py FOLDER ITCH_COUNT TELEMETRY_COUNT FILTERED_COUNT

FOLDER holds the summaries of `godwit pub` and `godwit sub`, what the switch wrote, and migrations-*.json as
`godwit migrations --json` gave them. Prints what is wrong after the tables, one line each, and ends with status 1 then.
"""
import glob
import json
import os
import sys

from judge import publisher_wrongs, read, read_summary, slow_waits, slow_wrongs, subscriber_wrongs, switch_losses
from tables import table_lines

ITCH = ("live-a", "live-b", "live-c", "late", "lossy", "far", "paused")
FILTERED = ("filter-a", "filter-b")
COUNTERS = ("counters-a", "counters-b")
ROWS_MAX = 60


def records_in(value):
    """The records of a listing: a list of objects, or objects by number, at whatever depth it is wrapped."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict)]
    if isinstance(value, dict):
        children = [each for each in value.values() if isinstance(each, (dict, list))]
        if children and all(isinstance(each, dict) for each in children) and len(children) == len(value):
            return children
        for each in children:
            found = records_in(each)
            if found:
                return found
    return []


def read_migrations(folder):
    """Every record once, though a server may have told it twice."""
    seen = {}
    for path in sorted(glob.glob(os.path.join(folder, "migrations-*.json"))):
        text = read(folder, os.path.basename(path))
        for record in records_in(json.loads(text)) if text.strip() else []:
            seen.setdefault(json.dumps(record, sort_keys=True), record)
    return list(seen.values())


def print_migrations(records):
    if not records:
        return
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [[record.get(key, "") for key in columns] for record in records[:ROWS_MAX]]
    print("\n".join(table_lines(columns, rows)))
    if len(records) > ROWS_MAX:
        print(f"  and {len(records) - ROWS_MAX} more")
    print()


def main():
    folder = sys.argv[1]
    itch, telemetry, filtered = map(int, sys.argv[2:5])
    expected = {name: count for names, count in ((ITCH, itch), (FILTERED, filtered), (COUNTERS, telemetry))
                for name in names}
    wrong = []

    print_migrations(read_migrations(folder))
    for label, count in (("pub-telemetry", telemetry), ("pub-itch", itch)):
        wrong += publisher_wrongs(folder, label, count)
    for name, count in expected.items():
        wrong += subscriber_wrongs(name, read_summary(folder, name), count)
    slow = read_summary(folder, "slow")
    wrong += [*subscriber_wrongs("slow", slow), *slow_wrongs("slow", slow, itch)]
    lost, frames = switch_losses(folder, "lossy")
    if lost == 0:
        wrong.append("lossy: its path lost nothing: it shows nothing")
    since, waiting = slow_waits(slow, itch)
    print(f"  lossy: its path lost {lost:,} of {frames:,} packets; nobody missed a message")
    print(f"  slow: of {since:,} messages since it came it took {slow['delivered']:,}; {slow['truncated']:,} "
          f"were announced to it as truncated, {waiting:,} wait for it in the log")
    for line in wrong:
        print(f"  WRONG: {line}")
    sys.exit(1 if wrong else 0)


main()

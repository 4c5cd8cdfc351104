# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong with a run, from the summaries of `godwit pub` and `godwit sub` in its folder."""
import json
import os
import re

FAULTS = ("lost", "repeated", "reordered")


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def read_summary(folder, label):
    return json.loads(read(folder, f"{label}.json"))


def publisher_wrongs(folder, label, count):
    summary = read_summary(folder, label)
    if summary["committed"] != count or summary["in_doubt"] != 0:
        yield f"{label}: {summary['committed']:,} of {count:,} committed, {summary['in_doubt']:,} in doubt"


def subscriber_wrongs(name, summary, expected=None):
    """expected: how many messages it had to be given; None: that is not known, as for one that is too slow."""
    yield from (f"{name}: {summary[key]:,} {key}" for key in FAULTS if summary[key] != 0)
    if summary["damaged"] != 0:
        yield f"{name}: {summary['damaged']:,} damaged"
    if expected is not None and summary["delivered"] != expected:
        yield f"{name}: {summary['delivered']:,} of {expected:,} delivered"
    if expected is not None and summary["truncated"] != 0:
        yield f"{name}: {summary['truncated']:,} truncated, though the log still held them"


def slow_waits(summary, published):
    """Of a slow one that began somewhere: what came since, and how much of it waits in the log. Everything from its
    first message on was delivered, announced as truncated, or waits."""
    since = published - (summary["first_seq"] - 1)
    return since, since - summary["delivered"] - summary["truncated"]


def slow_wrongs(name, summary, published):
    since, waiting = slow_waits(summary, published)
    if summary["delivered"] == 0 or waiting < 0:
        yield f"{name}: {summary['delivered']:,} delivered, {summary['truncated']:,} announced as truncated, of {since:,}"


def switch_losses(folder, name):
    """Packets that the path of a host behind chaos lost, of how many."""
    lost = frames = 0
    for line in re.findall(rf"^chaos: p-{re.escape(name)}: .*", read(folder, f"chaos-{name}.out"), re.MULTILINE):
        for counts in re.finditer(r"(?:from|to)=(\d+) lost=(\d+)", line):
            frames += int(counts.group(1))
            lost += int(counts.group(2))
    return lost, frames

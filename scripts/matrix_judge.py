#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Judges a cell of the fault matrix, and prints what cells came to.

Usage: matrix_judge.py cell FOLDER ROW COLUMN MS BOUND_MS SWARM_DUE MARKS WHY SUBSCRIBER=SEQUENCE...
       matrix_judge.py line|grid|document|sums RESULTS

cell: a line of JSON from the summaries and the progress of the subscribers in FOLDER; with SWARM_DUE above 0 also of the
swarm, which had to be given so many. MARKS: how far it had come when, name=ms,... since its begin. WHY: what went wrong
before, or nothing. SEQUENCE: the first that this one had to be given. What the servers and their clients were ready to
run and had no CPU (FOLDER/waits-begin, waits-end) stretches the bound: it is the machine's, and nearly nothing where there
is a CPU for each. Status 1 if something is wrong.

The others read such lines: `line` prints the last for a person, `grid` all of them as one table, `document` as one JSON
object, `sums` as cells=N lost=N repeated=N reordered=N.
"""
import json
import os
import sys

from judge import FAULTS, read, read_summary, subscriber_wrongs
from tables import table_lines

SHARE_MAX = 0.75  # of a cell that a thread may have waited for a CPU; a machine that is busier is none to measure on


def silence_ms(folder, name):
    """The longest time between two messages."""
    lines = [line for line in read(folder, f"{name}.out").splitlines() if line.endswith("}")]
    return json.loads(lines[-1])["silence_max_ns"] / 1e6 if lines else 0.0


def swarm_wrongs(summary, due):
    yield from (f"swarm: {summary[key]:,} {key}" for key in ("lost", "repeated", "damaged", "truncated") if summary[key])
    if summary["delivered"] != due:
        yield f"swarm: {summary['delivered']:,} of {due:,} delivered"


def waits(folder, name):
    if not os.path.exists(os.path.join(folder, name)):
        return {}
    lines = (line.split() for line in read(folder, name).splitlines())
    return {(label, thread): int(ns) for label, thread, ns in lines}


def stretch(folder, at_ms):
    """By what a busy machine makes everything take longer: a thread that has a CPU for a part of the time is slower by as
    much. Of the server's and of the client's that waited most; what happens takes both, one after the other."""
    begin, longest = waits(folder, "waits-begin"), {True: 0, False: 0}
    cell_ns = (at_ms.get("caught_up", 0) - at_ms.get("begin", 0)) * 1e6
    for (label, thread), ns in waits(folder, "waits-end").items():
        is_server = label.startswith("srv")
        longest[is_server] = max(longest[is_server], ns - begin.get((label, thread), 0))
    shares = [min(ns / cell_ns, SHARE_MAX) for ns in longest.values()] if cell_ns > 0 else []
    return 1 + sum(share / (1 - share) for share in shares)


def was_silent(result, name, silence):
    result["silence_ms"] = max(result["silence_ms"], round(silence))
    if silence > result["bound_ms"]:
        result["wrong"].append(f"{name}: silent for {silence:,.0f} ms, {result['bound_ms']:,} at most were to be")


def cell(folder, row, column, ms, bound_ms, swarm_due, marks, why, *names):
    at_ms = {name: int(at) for name, at in (mark.split("=") for mark in marks.split(",") if mark)}
    slower = stretch(folder, at_ms)
    result = {"row": row, "column": column, "ms": int(ms), "at_ms": at_ms, "stretch": round(slower, 2),
              "silence_ms": 0, "bound_ms": round(int(bound_ms) * slower), **dict.fromkeys(FAULTS, 0), "delivered": 0, "moves": 0, "subscribers": len(names),
              "wrong": why.splitlines()}
    for name, _, start in (name.partition("=") for name in names):
        if not os.path.exists(os.path.join(folder, f"{name}.json")):
            continue  # it had not ended: WHY tells
        summary = read_summary(folder, name)
        expected = summary["last_seq"] - int(start) + 1
        result["wrong"] += subscriber_wrongs(name, summary, expected)
        was_silent(result, name, silence_ms(folder, name))
        for key in FAULTS:
            result[key] += summary[key]
        result["delivered"] += summary["delivered"]
        result["moves"] += summary["migrations"]
    if int(swarm_due) > 0 and os.path.exists(os.path.join(folder, "swarm.json")):
        swarm = read_summary(folder, "swarm")
        result["wrong"] += swarm_wrongs(swarm, int(swarm_due))
        was_silent(result, "swarm", swarm["silence_max_ms"])
        for key in ("lost", "repeated", "delivered"):
            result[key] += swarm[key]
        result["moves"] += swarm["migrations"]
        result["subscribers"] += swarm["clients"]
    print(json.dumps(result))
    return 1 if result["wrong"] else 0


def load(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def line(results):
    last = results[-1]
    name = f"{last['row']}:{last['column']}"
    if "impossible" in last:
        print(f"  {name:<18} cannot be: {last['impossible']}")
        return
    print(f"  {name:<18} {'FAILED' if last['wrong'] else 'ok':<6}  silence {last['silence_ms']:>5,} of {last['bound_ms']:>5,} ms "
          f"(x {last['stretch']:.1f})  "
          f"lost {last['lost']} repeated {last['repeated']} reordered {last['reordered']}  "
          f"{last['subscribers']:>3} subscribers {last['delivered']:>9,} messages {last['moves']:>3} moves  "
          f"{last['ms'] / 1000:.1f} s")
    for text in last["wrong"]:
        print(f"    WRONG: {text}")


def cell_text(results):
    """Of one cell, which a walk may have met several times: the longest silence of all."""
    if not results:
        return ""
    if "impossible" in results[-1]:
        return "cannot be"
    failed = sum(bool(result["wrong"]) for result in results)
    if failed:
        return "FAILED" if len(results) == 1 else f"FAILED {failed}/{len(results)}"
    return f"{max(result['silence_ms'] for result in results):,}"


def grid(results):
    """Rows and columns in the order in which they first came."""
    columns = list(dict.fromkeys(result["column"] for result in results))
    rows = dict.fromkeys(result["row"] for result in results)
    table = [(row, *(cell_text([result for result in results if (result["row"], result["column"]) == (row, column)])
                     for column in columns)) for row in rows]
    print("\n".join(table_lines(("fault", *columns), table)))


def document(results):
    print(json.dumps({"cells": results}, indent=1))


def sums(results):
    ran = [result for result in results if "impossible" not in result]
    print(f"cells={len(ran)} " + " ".join(f"{key}={sum(result[key] for result in ran)}" for key in FAULTS))


def main():
    if sys.argv[1] == "cell":
        return cell(*sys.argv[2:])
    {"line": line, "grid": grid, "document": document, "sums": sums}[sys.argv[1]](load(sys.argv[2]))
    return 0


sys.exit(main())

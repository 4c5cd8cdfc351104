#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Judges a cell of the fault matrix, and prints what cells came to.

Usage: matrix_judge.py cell FOLDER FACTS MARKS WHY SUBSCRIBER=SEQUENCE:MOVES...
       matrix_judge.py line|grid|document|sums RESULTS

cell: a line of JSON from the summaries and the progress of the subscribers in FOLDER. Status 1 if something is wrong.

  FACTS     name=value,...: row, column, ms (how long it took); bound_ms, held_ms: their sum is the longest that a
            subscriber may get nothing; open_ms: what may be added before its first message; swarm_due, swarm_moves, where
            there is a swarm: how many messages it had to be given, and how often it had to move, at least
  MARKS     name=ms,...: how far it had come when, since its begin
  WHY       what went wrong before, or nothing
  SEQUENCE  the first message that this one had to be given; MOVES: how often it had to move, at least

A busy machine makes everything slower: bound_ms and open_ms are stretched by how long the threads that serve a subscriber,
and its own, were ready to run and had no CPU (FOLDER/waits-begin, waits-end), up to STRETCH_MAX times. A silence above even
that, where the machine was busier still, is not measured: nobody knows how long it should have been.

The others read such lines: `line` prints the last for a person, `grid` all of them as one table, `document` as one JSON
object, `sums` as cells=N lost=N repeated=N reordered=N not_measured=N.
"""
import json
import os
import sys

from judge import FAULTS, read, read_summary, subscriber_wrongs
from tables import table_lines

STRETCH_MAX = 3
SHARE_MAX = 0.9  # of a cell that a thread waited for a CPU: far above what STRETCH_MAX allows


def pairs(text):
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


def has(folder, name):
    return os.path.exists(os.path.join(folder, name))


# ---- how long it may take -----------------------------------------------------------------------


def waits(folder, name):
    """(label, thread) -> ns without a CPU so far."""
    if not has(folder, name):
        return {}
    lines = (line.split() for line in read(folder, name).splitlines())
    return {(label, thread): int(ns) for label, thread, ns in lines}


class Machine:
    """How busy it was in a cell, and what it makes of the bounds."""

    def __init__(self, folder, facts, at_ms):
        begin = waits(folder, "waits-begin")
        cell_ns = (at_ms.get("caught_up", 0) - at_ms.get("begin", 0)) * 1e6
        self.bound_ms, self.held_ms, self.open_ms = (int(facts[name]) for name in ("bound_ms", "held_ms", "open_ms"))
        self.shares = {}
        for (label, thread), ns in waits(folder, "waits-end").items():
            share = (ns - begin.get((label, thread), 0)) / cell_ns if cell_ns > 0 else 0
            self.shares[label] = max(self.shares.get(label, 0), min(share, SHARE_MAX))

    def stretch(self, client, servers):
        """A thread that has a CPU for a part of the time is slower by as much. Of those servers the one that waited most,
        and the client: what happens takes both, one after the other."""
        shares = [max((self.shares.get(server, 0) for server in servers), default=0), self.shares.get(client, 0)]
        return 1 + sum(share / (1 - share) for share in shares)

    def most_ms(self, stretch, is_first):
        return round((self.bound_ms + (self.open_ms if is_first else 0)) * min(stretch, STRETCH_MAX) + self.held_ms)


def was_silent(result, machine, name, silence, stretch, is_first=False):
    """The longest silence of all stands in the result, with its bound."""
    most = machine.most_ms(stretch, is_first)
    if silence >= result["silence_ms"]:
        result.update(silence_ms=round(silence), bound_ms=most, stretch=round(stretch, 2))
    if silence <= most:
        return
    text = f"{name}: silent for {silence:,.0f} ms{' before its first message' if is_first else ''}, {most:,} at most were to be"
    if stretch <= STRETCH_MAX:
        result["wrong"].append(text)
    else:
        result["not_measured"].append(f"{text}, but for want of CPUs everything took {stretch:.1f} times as long")


# ---- subscribers --------------------------------------------------------------------------------


def silences_ms(folder, name):
    """Until the first message, and the longest between two."""
    lines = [json.loads(line) for line in read(folder, f"{name}.out").splitlines() if line.endswith("}")]
    first = next((line["time_ns"] for line in lines if line["delivered"] > 0), None)
    if first is None:
        return None
    return (first - lines[0]["time_ns"]) / 1e6, lines[-1]["silence_max_ns"] / 1e6


def servers_of(summary):
    """Those that served it: 10.77.0.12:5678 is srv2."""
    return [f"srv{int(address.partition(':')[0].rpartition('.')[2]) - 10}" for address in summary["servers"]]


def moves_wrongs(name, moves, due):
    if moves < due:
        yield f"{name}: moved {moves:,} times, {due:,} at least were to be"


def judge_subscriber(result, folder, machine, name, start, moves_due):
    result["subscribers"] += 1
    if not has(folder, f"{name}.json"):
        result["wrong"].append(f"{name}: no summary")
        return
    summary = read_summary(folder, name)
    wrongs = list(subscriber_wrongs(name, summary, summary["last_seq"] - start + 1))
    if summary["exit"] != 0 and not wrongs:
        wrongs.append(f"{name}: ended with status {summary['exit']}")
    result["wrong"] += wrongs + list(moves_wrongs(name, summary["migrations"], moves_due))
    silences = silences_ms(folder, name)
    if silences is None:
        result["wrong"].append(f"{name}: no message in its progress")
    else:
        stretch = machine.stretch(name, servers_of(summary))
        was_silent(result, machine, name, silences[0], stretch, is_first=True)
        was_silent(result, machine, name, silences[1], stretch)
    for key in FAULTS:
        result[key] += summary[key]
    result["delivered"] += summary["delivered"]
    result["moves"] += summary["migrations"]


def swarm_wrongs(summary, due):
    yield from (f"swarm: {summary[key]:,} {key}" for key in ("lost", "repeated", "damaged", "truncated") if summary[key])
    if summary["delivered"] != due:
        yield f"swarm: {summary['delivered']:,} of {due:,} delivered"


def judge_swarm(result, folder, machine, due, moves_due):
    """Its clients are one process, which any server may have served."""
    if not has(folder, "swarm.json"):
        result["wrong"].append("swarm: no summary")
        return
    swarm = read_summary(folder, "swarm")
    result["wrong"] += [*swarm_wrongs(swarm, due), *moves_wrongs("swarm", swarm["migrations"], moves_due)]
    servers = [label for label in machine.shares if label.startswith("srv")]
    was_silent(result, machine, "swarm", swarm["silence_max_ms"], machine.stretch("swarm", servers))
    for key in ("lost", "repeated", "delivered"):
        result[key] += swarm[key]
    result["moves"] += swarm["migrations"]
    result["subscribers"] += swarm["clients"]


def cell(folder, facts, marks, why, *subscribers):
    facts = pairs(facts)
    at_ms = {name: int(at) for name, at in pairs(marks).items()}
    machine = Machine(folder, facts, at_ms)
    result = {"row": facts["row"], "column": facts["column"], "ms": int(facts["ms"]), "at_ms": at_ms, "stretch": 1,
              "silence_ms": 0, "bound_ms": machine.most_ms(1, False), **dict.fromkeys(FAULTS, 0), "delivered": 0, "moves": 0,
              "subscribers": 0, "wrong": why.splitlines(), "not_measured": []}
    for name, told in (told.split("=") for told in subscribers):
        start, moves_due = (int(number) for number in told.split(":"))
        judge_subscriber(result, folder, machine, name, start, moves_due)
    if "swarm_due" in facts:
        judge_swarm(result, folder, machine, int(facts["swarm_due"]), int(facts["swarm_moves"]))
    print(json.dumps(result))
    return 1 if result["wrong"] else 0


# ---- for a person -------------------------------------------------------------------------------


def load(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def verdict(result):
    return "FAILED" if result["wrong"] else "not measured" if result["not_measured"] else "ok"


def line(results):
    last = results[-1]
    name = f"{last['row']}:{last['column']}"
    if "impossible" in last:
        print(f"  {name:<18} cannot be: {last['impossible']}")
        return
    print(f"  {name:<18} {verdict(last):<12}  silence {last['silence_ms']:>5,} of {last['bound_ms']:>5,} ms "
          f"(x {last['stretch']:.1f})  "
          f"lost {last['lost']} repeated {last['repeated']} reordered {last['reordered']}  "
          f"{last['subscribers']:>3} subscribers {last['delivered']:>9,} messages {last['moves']:>3} moves  "
          f"{last['ms'] / 1000:.1f} s")
    for text in last["wrong"]:
        print(f"    WRONG: {text}")
    for text in last["not_measured"]:
        print(f"    NOT MEASURED: {text}")


def cell_text(results):
    """Of one cell, which a walk may have met several times: the longest silence of all."""
    if not results:
        return ""
    if "impossible" in results[-1]:
        return "cannot be"
    verdicts = [verdict(result) for result in results]
    for word in ("FAILED", "not measured"):
        if word in verdicts:
            return word if len(results) == 1 else f"{word} {verdicts.count(word)}/{len(results)}"
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
    verdicts = [verdict(result) for result in ran]
    print(f"cells={len(ran)}", *(f"{key}={sum(result[key] for result in ran)}" for key in FAULTS),
          f"not_measured={verdicts.count('not measured')}")


def main():
    if sys.argv[1] == "cell":
        return cell(*sys.argv[2:])
    {"line": line, "grid": grid, "document": document, "sums": sums}[sys.argv[1]](load(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

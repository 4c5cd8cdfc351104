#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs fixed seeds of the simulator's stories and looks at what all of them together never reached.

Usage: coverage.py LIST PROGRAM:A..B...

LIST names what is never reached, a line each with the reason: "drop port_*: the simulator has no ports". A name that
ends in * stands for all that begin so. What is unreached and not named fails the run, and so does any violation; what
is named and was reached is told of.
"""
import re
import subprocess
import sys

LINE = re.compile(r"^ *(\d+) (\S.*)$")


def read_list(path):
    """The names in it, in order, with the number of their line."""
    names = []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            name, separator, reason = line.rpartition(": ")
            if not separator or not name or not reason:
                sys.exit(f"{path}:{number}: not a name, a colon and a reason")
            names.append((name, number))
    return names


def is_named(name, pattern):
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def run(arguments):
    """All programs at once. How often each name was reached, and whether all went well."""
    running = []
    for argument in arguments:
        program, _, seeds = argument.rpartition(":")
        running.append((argument, subprocess.Popen([program, "--seeds", seeds, "--coverage"], text=True,
                                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)))
    counts, is_well = {}, True
    for argument, process in running:
        text, _ = process.communicate()
        for line in text.splitlines():
            match = LINE.match(line)
            if match:
                counts[match.group(2)] = counts.get(match.group(2), 0) + int(match.group(1))
            else:
                print(line)
        if process.returncode != 0:
            print(f"{argument}: exit status {process.returncode}")
            is_well = False
    return counts, is_well


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    path = sys.argv[1]
    names = read_list(path)
    counts, is_well = run(sys.argv[2:])
    if not counts:
        sys.exit("coverage: nothing was counted")
    grown = [name for name, count in counts.items()
             if count == 0 and not any(is_named(name, pattern) for pattern, _ in names)]
    for name in grown:
        print(f"never reached, and not in {path}: {name}")
    for pattern, number in names:
        meant = [name for name in counts if is_named(name, pattern)]
        reached = [name for name in meant if counts[name] > 0]
        if not meant:
            print(f"{path}:{number}: nothing is called {pattern}")
            is_well = False
        for name in reached:
            print(f"{path}:{number}: {name} is reached now ({counts[name]} times): take it out")
    unreached = sum(count == 0 for count in counts.values())
    print(f"coverage: {len(counts) - unreached} of {len(counts)} reached")
    return 0 if is_well and not grown else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sums up the logs of `meson test` for scripts/test.

Usage: count_results.py [LABEL=STATUS=TESTLOG_JSON | --failed WHAT]...

A program that prints TAP counts with each of its tests, any other as one. What the program's end says against its
own lines (a crash, a plan not fulfilled, a timeout) is one more failure. Prints every failure and every skip with its
reason, and last "N passed, N failed" or "N passed, N failed, N skipped".
"""
import json
import os
import re
import sys

DETAIL_LINES_MAX = 20
PLAN = re.compile(r"^1\.\.(\d+)\s*(#.*)?$")
CASE = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:- )?([^#]*)(?:#\s*(\w+)\s*(.*))?$", re.IGNORECASE)
TIMING = re.compile(r"\s*\(\d+\.\d+s\)\s*$")
SKIP_LINE = re.compile(r"^SKIP:\s*(.*)$", re.MULTILINE)


class Sum:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []
        self.details = {}

    def add_case(self, name, line):
        is_failure, _, title, directive, reason = line.groups()
        title = f"{name}: {TIMING.sub('', title).strip()}"
        if is_failure:
            self.failures.append(title)
        elif directive and directive.lower().startswith("skip"):
            self.skips.append((title, reason.strip() or "no reason given"))
        else:
            self.passed += 1

    def add_tap(self, name, lines, result):
        failed_before = len(self.failures)
        planned = None
        cases = 0
        is_in_failure = False
        for text in lines:
            plan = PLAN.match(text)
            if plan:
                planned = int(plan.group(1))
                continue
            case = CASE.match(text)
            if case:
                cases += 1
                is_in_failure = bool(case.group(1))
                self.add_case(name, case)
            elif is_in_failure and text.strip():
                self.details.setdefault(self.failures[-1], []).append(text.strip())
        if planned is not None and cases < planned:
            self.failures.append(f"{name}: {planned - cases} of {planned} planned tests did not run ({result})")
        elif cases == 0 and result != "SKIP":
            self.failures.append(f"{name}: no test in it ran")
        elif result not in ("OK", "SKIP") and len(self.failures) == failed_before:
            self.failures.append(f"{name}: ended with {result}")

    def add_program(self, name, stdout, result):
        if result == "OK":
            self.passed += 1
        elif result == "SKIP":
            reason = SKIP_LINE.search(stdout)
            self.skips.append((name, reason.group(1) if reason else "no reason given"))
        else:
            self.failures.append(f"{name}: ended with {result}")

    def add_log(self, label, status, path):
        failed_before = len(self.failures)
        if not os.path.exists(path):
            self.failures.append(f"{label}: meson test left no log (status {status})")
            return
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                if line.strip():
                    self.add_entry(label, json.loads(line))
        if status != 0 and len(self.failures) == failed_before:
            self.failures.append(f"{label}: meson test ended with status {status}")

    def add_entry(self, label, entry):
        # meson writes "project:suite / name" for a test that has a suite.
        name = f"{label}/{entry['name'].split(' / ')[-1]}"
        stdout = entry.get("stdout") or ""
        lines = stdout.splitlines()
        if any(PLAN.match(line) for line in lines):
            self.add_tap(name, lines, entry["result"])
        else:
            self.add_program(name, stdout, entry["result"])


def main(args):
    total = Sum()
    while args:
        arg = args.pop(0)
        if arg == "--failed":
            total.failures.append(args.pop(0))
            continue
        label, status, path = arg.split("=", 2)
        total.add_log(label, int(status), path)

    for title, reason in total.skips:
        print(f"skipped: {title}: {reason}")
    for title in total.failures:
        print(f"failed: {title}")
        for text in total.details.get(title, [])[:DETAIL_LINES_MAX]:
            print(f"    {text}")
    ran = total.passed + len(total.failures)
    if ran == 0:
        print("no test ran")
    line = f"{total.passed} passed, {len(total.failures)} failed"
    if total.skips:
        line += f", {len(total.skips)} skipped"
    print(line, flush=True)
    return 0 if ran > 0 and not total.failures else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The rules of the project that no ordinary tool checks: layers, purity of protocol logic, file forms.

Usage: rules.py BUILD_DIRECTORY

Prints one line a breach and ends with status 1 if there is any. BUILD_DIRECTORY is a compiled build: from it come the
sources and the objects of the protocol libraries.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CODE_FOLDERS = ("include", "dataplane", "control", "client", "tests")
LINES_MAX = 700
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
# Libraries (meson's names) that hold protocol logic.
PURE_LIBRARIES = ("protocol", "control_protocol", "clientcore")
RCU_HEADER = "dataplane/rcu.h"

LIBC = re.compile(
    r"^(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|"
    r"stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|time|unistd|endian|byteswap|"
    r"(arpa|net|netinet|sys)/[a-z0-9_]+)\.h$"
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
CLOCK = re.compile(
    r"(?<![\w.>])(clock_gettime|clock|gettimeofday|time|timespec_get|__rdtscp?|_rdtsc|__builtin_ia32_rdtscp?|"
    r"rte_(?:get_(?:tsc|timer|hpet)_cycles|rdtsc\w*))\s*\("
)
VOLATILE = re.compile(r"\b(?:asm|__asm__|__asm)\s+(?:volatile|__volatile__)\b|\b(volatile|__volatile__)\b")
# Written in two parts, so that this file is not its own breach.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)

breaches = []


def breach(rule, where, what):
    breaches.append(f"{rule}: {where}: {what}")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def walk():
    """All files of the project, relative to its root; neither git's own nor builds."""
    for folder, folders, names in os.walk(ROOT):
        relative = os.path.relpath(folder, ROOT)
        folders[:] = sorted(
            f for f in folders
            if f not in (".git", ".cache", "__pycache__") and not (relative == "." and f.startswith("build"))
        )
        for name in sorted(names):
            yield os.path.normpath(os.path.join(relative, name))


def blank(match):
    """Comments and strings vanish, lines stay."""
    text = match.group(0)
    return ('""' if text[0] in "\"'" else " ") + "\n" * text.count("\n")


def code_of(text):
    return COMMENT_OR_STRING.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes_of(text):
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match.group(1) == '"', match.group(2)


def is_foreign(name, *prefixes):
    return name.startswith(prefixes)


def check_layers(path, text):
    layer = path.split("/")[0]
    for line, is_quoted, name in includes_of(text):
        where = f"{path}:{line}"
        if layer == "include":
            inside = name.startswith("godwit/") or (
                is_quoted and os.path.exists(os.path.join(ROOT, os.path.dirname(path), name))
            )
            if not inside and (is_quoted or not LIBC.match(name)):
                breach("layers", where, f"the contract includes {name}: only godwit/ and libc may be")
        elif layer == "dataplane" and is_foreign(name, "control/", "client/"):
            breach("layers", where, f"dataplane includes {name}")
        elif layer == "control" and is_foreign(name, "client/"):
            breach("layers", where, f"control includes {name}")
        elif layer == "client" and is_foreign(name, "dataplane/", "control/", "rte_", "urcu"):
            breach("layers", where, f"client includes {name}")
        if name.startswith("urcu") and path != RCU_HEADER:
            breach("layers", where, f"includes {name}: only {RCU_HEADER} may")
        if layer in CODE_FOLDERS and name.startswith("../"):
            breach("layers", where, f"includes {name}: write it from the root")


def check_file(path):
    text = read(path)
    first_lines = text.split("\n", 3)[:3]
    is_code = path.split("/")[0] in CODE_FOLDERS and path.endswith((".c", ".h", ".def"))
    is_script = text.startswith("#!") or path.endswith((".sh", ".py"))
    is_build = os.path.basename(path) in ("meson.build", "meson_options.txt")

    if is_code and first_lines[0] != "// " + SPDX:
        breach("spdx", path, f"its first line is not // {SPDX}")
    if (is_script or is_build) and not any(line == "# " + SPDX for line in first_lines):
        breach("spdx", path, f"has no line # {SPDX} at its top")
    if is_code or is_script:
        count = text.count("\n")
        if count > LINES_MAX:
            breach("length", path, f"{count} lines, at most {LINES_MAX}")
    if is_code or is_script or is_build:
        for match in UNFINISHED.finditer(text):
            breach("unfinished", f"{path}:{line_of(text, match.start())}", match.group(1))
    if not is_code:
        return

    check_layers(path, text)
    code = code_of(text)
    if path.split("/")[0] != "tests":
        for match in VOLATILE.finditer(code):
            if match.group(1):
                breach("volatile", f"{path}:{line_of(code, match.start())}", "use _Atomic with an explicit order")


def resolve(name, path):
    """The file of the project that an include names, or None."""
    for candidate in (name, os.path.join("include", name), os.path.join(os.path.dirname(path), name)):
        candidate = os.path.normpath(candidate)
        if os.path.isfile(os.path.join(ROOT, candidate)):
            return candidate
    return None


def check_pure_sources(library, sources):
    """Sources and whatever of the project they include: no DPDK, no urcu, no clock."""
    seen = set()
    pending = [(path, path) for path in sources]
    while pending:
        path, origin = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        # The simulator steps reclaiming through this one header.
        if path == RCU_HEADER and library == "control_protocol":
            continue
        text = read(path)
        via = "" if path == origin else f" (by way of {origin})"
        for line, _, name in includes_of(text):
            if is_foreign(name, "rte_", "urcu"):
                breach("purity", f"{path}:{line}", f"protocol logic includes {name}{via}")
            inner = resolve(name, path)
            if inner:
                pending.append((inner, origin))
        code = code_of(text)
        for match in CLOCK.finditer(code):
            breach("purity", f"{path}:{line_of(code, match.start())}",
                   f"protocol logic calls {match.group(1)}{via}: time is an argument")


def check_pure_objects(library, archive):
    """No variable that can change: nothing in .data, .bss, common or thread-local sections."""
    run = subprocess.run(["nm", "--format=sysv", archive], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        breach("globals", library, f"nm failed on {archive}: {run.stderr.strip()}")
        return
    member = library
    for line in run.stdout.splitlines():
        header = re.match(r"^Symbols from .*\[(.+)\]:$", line)
        if header:
            member = os.path.basename(header.group(1))
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 7 or fields[0] == "Name":
            continue
        name, symbol_class, section = fields[0], fields[2], fields[6]
        # .data.rel.ro: constant tables of pointers, read-only once relocated.
        if symbol_class in ("b", "B", "d", "D", "C", "g", "G", "s", "S") and not section.startswith(".data.rel.ro"):
            breach("globals", f"{library}/{member}", f"{name} in {section} can change: hang it off an argument")


def check_pure_libraries(build):
    run = subprocess.run(["meson", "introspect", "--targets", build], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        breach("purity", build, "meson introspect failed")
        return
    for target in json.loads(run.stdout):
        if target["name"] not in PURE_LIBRARIES or target["type"] != "static library":
            continue
        sources = [
            os.path.relpath(source, ROOT)
            for group in target["target_sources"]
            for source in group.get("sources", [])
        ]
        check_pure_sources(target["name"], sources)
        check_pure_objects(target["name"], target["filename"][0])


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for path in walk():
        check_file(path)
    check_pure_libraries(sys.argv[1])
    for line in breaches:
        print(line)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

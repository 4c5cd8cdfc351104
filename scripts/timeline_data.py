# SPDX-License-Identifier: BSD-3-Clause
"""What subscribers wrote of their progress (`godwit sub --progress-json`), read while they write it.

A *track* is one subscriber: its samples in the order of time. A *span* is the time between two samples, with how many
messages which server delivered in it. Between two samples longer apart than STOPPED_NS the subscriber itself stood
still. Times are in ns of the day.
"""
import json
import os
from typing import NamedTuple, Optional

STOPPED_NS = 1_500_000_000
RATE_SPANS = 64  # that may lie in a second
SILENT = "."
STOPPED = "-"
ABSENT = " "
COUNTS = ("delivered", "lost", "repeated", "reordered", "truncated", "migrations")
COLUMNS = ("subscriber", "delivered", "lost", "repeated", "out of order", "truncated", "migrations",
           "longest silence")


class Event(NamedTuple):
    time_ns: int
    text: str


class Span(NamedTuple):
    begin_ns: int
    end_ns: int
    server: Optional[str]  # None: nobody serves
    delivered: int
    is_stopped: bool

    def rate(self):
        return self.delivered * 1e9 / max(1, self.end_ns - self.begin_ns)


class Lines:
    """The whole lines that were added to a file since the last look; it need not exist yet."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.rest = b""

    def read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self.offset += len(data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def read_objects(self, keys):
        """Those that are JSON objects with these keys; other lines are for a person."""
        for line in self.read():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and all(key in value for key in keys):
                yield value


def spans_between(one, two, newest):
    """One or two spans: the last message may be older than the end. newest: the server that served last, which is
    what messages came from that a slow subscriber took when nobody served any more."""
    delivered = two["delivered"] - one["delivered"]
    server = one["server"] or two["server"] or newest
    begin, end = one["time_ns"], two["time_ns"]
    if end - begin > STOPPED_NS:
        yield Span(begin, end, server, delivered, True)
        return
    last = min(end, max(begin, end - two["silence_ns"]))
    if delivered == 0:
        yield Span(begin, end, one["server"], 0, False)
        return
    if last > begin:
        yield Span(begin, last, server, delivered, False)
    else:
        yield Span(begin, end, server, delivered, False)
        return
    if end > last:
        yield Span(last, end, two["server"], 0, False)


class Track:
    def __init__(self, name, path):
        self.name = name
        self.lines = Lines(path)
        self.last = None
        self.newest = None
        self.spans = []

    def follow(self):
        for sample in self.lines.read_objects((*COUNTS, "time_ns", "server", "silence_ns", "silence_max_ns")):
            if self.last is not None and sample["time_ns"] > self.last["time_ns"]:
                self.spans.extend(spans_between(self.last, sample, self.newest))
            self.last = sample
            self.newest = sample["server"] or self.newest

    def is_over(self):
        return self.last is not None and bool(self.last.get("last"))

    def rate_now(self):
        """Messages a second, over the newest second."""
        if not self.spans or self.is_over():
            return 0.0
        begin_ns = self.spans[-1].end_ns - 1_000_000_000
        return sum(span.delivered * min(1.0, (span.end_ns - begin_ns) / (span.end_ns - span.begin_ns))
                   for span in self.spans[-RATE_SPANS:] if span.end_ns > begin_ns)

    def row(self):
        """Of the table; see COLUMNS."""
        last = self.last or {}
        return (self.name, *(last.get(key, 0) for key in COUNTS),
                f"{last.get('silence_max_ns', 0) / 1e6:,.1f} ms")

    def cells(self, begin_ns, cell_ns, count, number_of):
        """A character a cell: the number of the server that delivered most in it, SILENT if nobody did, STOPPED
        where the subscriber stood still, ABSENT where it was not there."""
        delivered = [{} for _ in range(count)]
        kinds = [ABSENT] * count
        for span in self.spans:
            first = max(0, (span.begin_ns - begin_ns) // cell_ns)
            last = min(count - 1, (span.end_ns - 1 - begin_ns) // cell_ns)
            for cell in range(first, last + 1):
                cell_begin = begin_ns + cell * cell_ns
                part = min(span.end_ns, cell_begin + cell_ns) - max(span.begin_ns, cell_begin)
                if span.is_stopped:
                    kinds[cell] = STOPPED if kinds[cell] == ABSENT or part == cell_ns else kinds[cell]
                    continue
                kinds[cell] = SILENT if kinds[cell] == ABSENT else kinds[cell]
                if span.delivered:
                    share = span.delivered * part / (span.end_ns - span.begin_ns)
                    delivered[cell][span.server] = delivered[cell].get(span.server, 0) + share
        return "".join(
            number_of(max(servers, key=servers.get)) if servers else kind for servers, kind in zip(delivered, kinds)
        )


class Story:
    """A folder with NAME.out for each subscriber, and events.jsonl: {"time_ns": ..., "text": ...}.
    The servers are numbered from 1 in the order given, else of their addresses."""

    def __init__(self, folder, names=(), servers=()):
        self.folder = folder
        self.events = []
        self.servers = list(servers)
        self.has_order = bool(servers)
        self.tracks = [Track(name, os.path.join(folder, f"{name}.out")) for name in names]
        self.has_names = bool(names)
        self.event_lines = Lines(os.path.join(folder, "events.jsonl"))

    def follow(self):
        if not self.has_names:
            known = {track.name for track in self.tracks}
            for name in sorted(os.path.splitext(entry)[0] for entry in os.listdir(self.folder) if entry.endswith(".out")):
                if name not in known:
                    self.tracks.append(Track(name, os.path.join(self.folder, f"{name}.out")))
        for track in self.tracks:
            track.follow()
        self.events.extend(
            Event(value["time_ns"], value["text"]) for value in self.event_lines.read_objects(("time_ns", "text"))
        )
        seen = {span.server for track in self.tracks for span in track.spans if span.server}
        if not self.has_order:
            self.servers = sorted(seen, key=lambda address: [int(n) for n in address.replace(":", ".").split(".")])
        else:
            self.servers += sorted(seen - set(self.servers))

    def shown(self):
        """The tracks that have anything to show; a file without progress in it is none."""
        return [track for track in self.tracks if self.has_names or track.last is not None]

    def number_of(self, server):
        return str(self.servers.index(server) + 1) if server in self.servers else "?"

    def begin_ns(self):
        times = [track.spans[0].begin_ns for track in self.tracks if track.spans]
        return min(times + [event.time_ns for event in self.events[:1]], default=0)

    def end_ns(self):
        return max((track.last["time_ns"] for track in self.tracks if track.last is not None), default=0)


def event_levels(marks):
    """Room for labels above a chart: (column, text) -> (column, text, level), level 0 the nearest. Each begins at its
    column and has a line down from there; none covers another or its line."""
    begins = []  # of a level: where what stands furthest left in it begins
    placed = []
    for column, text in sorted(marks, reverse=True):
        end = column + len(text) + 1
        level = next((i for i, begin in enumerate(begins) if end <= begin), len(begins))
        begins[: level + 1] = [column] * (level + 1)
        placed.append((column, text, level))
    return placed[::-1]


def event_lines(marks, width, levels_max=8):
    """The same as text of so many columns; what finds no level has its line only."""
    placed = event_levels([mark for mark in marks if 0 <= mark[0] < width])
    levels = min(levels_max, max((level + 1 for _, _, level in placed), default=0))
    rows = [[" "] * (width + 1) for _ in range(levels + 1)] if placed else []
    for column, text, level in placed:
        for row in range(min(level, levels) + 1):
            rows[row][column] = "|"
        if level < levels:
            text = text[: width - column]
            rows[level + 1][column : column + len(text)] = text
    return ["".join(row).rstrip() for row in reversed(rows)]


def ruler(begin_s, cell_s, count):
    """Seconds every ten cells."""
    line = ""
    for cell in range(0, count, 10):
        label = f"{begin_s + cell * cell_s:g}"
        if cell + len(label) <= count:
            line = line.ljust(cell) + label
    return line.ljust(count)

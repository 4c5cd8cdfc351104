# SPDX-License-Identifier: BSD-3-Clause
"""The picture of scripts/timeline: a lane a server and a lane a subscriber, filled by rate, coloured by server."""
import subprocess

from tables import rate_text
from timeline_data import event_levels

COLOURS = ("#3b73b9", "#e08a2c", "#4a9d5b", "#8e5aa8", "#c9b13c", "#57a7b8")
SILENT_COLOUR = "#d62f2f"
STOPPED_COLOUR = "#b9b9b9"
LANE_COLOUR = "#f4f4f2"
TEXT_COLOUR = "#333333"
SLICE_NS = 250_000_000
WIDTH = 1500
LANE_PIXELS = 44
FONT = "DejaVu Sans"
TITLE = "Who serves whom: messages a second of each subscriber, coloured by its server"
CUT = 2.5  # times the usual rate of a lane; what is above shows as that, or a moment of catching up hides the rest
SILENCE_NS = 20_000_000  # what is shorter is none
SEAM_S = 0.015  # neighbours overlap, or the background shines through between
LETTERS = 180  # of a label, in the plot's width
LEVEL = 0.42  # of a label, in lanes
FILL = 0.86  # of a lane's height, at the highest rate


def median(weighted):
    """Of (value, weight); 0 of nothing."""
    half = sum(weight for _, weight in weighted) / 2
    for value, weight in sorted(weighted):
        half -= weight
        if half <= 0:
            return value
    return 0.0


class Lane:
    def __init__(self, name, note):
        self.name = name
        self.note = note
        self.parts = []  # (begin s, end s, rate, colour)
        self.marks = []  # (begin s, end s, colour)

    def top_rate(self):
        """The rate that fills the lane."""
        usual = median([(rate, end - begin) for begin, end, rate, _ in self.parts])
        return max(1.0, min(CUT * usual, max((part[2] for part in self.parts), default=1.0)))


def colour_of(story, server):
    return COLOURS[(int(story.number_of(server)) - 1) % len(COLOURS)]


def silences(track):
    """(begin, end) of the times without a message, after the first one."""
    found = []
    begun = False
    for span in track.spans:
        begun = begun or span.delivered > 0
        if not begun or span.delivered or span.is_stopped:
            continue
        if found and found[-1][1] == span.begin_ns:
            found[-1] = (found[-1][0], span.end_ns)
        else:
            found.append((span.begin_ns, span.end_ns))
    return found


def track_lane(story, track, begin_ns):
    last = track.last or {}
    migrations = last.get("migrations", 0)
    lane = Lane(track.name, f"{last.get('delivered', 0):,} delivered, {migrations} migration{'s' * (migrations != 1)}\\n"
                            f"longest silence {last.get('silence_max_ns', 0) / 1e6:,.0f} ms")
    pauses = silences(track)
    # What comes in bursts has a silence between any two.
    silence_ns = max(SILENCE_NS, 3 * median([(end - begin, 1) for begin, end in pauses]))
    lane.marks += [((begin - begin_ns) / 1e9, (end - begin_ns) / 1e9, SILENT_COLOUR)
                   for begin, end in pauses if end - begin > silence_ns]
    for span in track.spans:
        begin, end = (span.begin_ns - begin_ns) / 1e9, (span.end_ns - begin_ns) / 1e9
        if span.is_stopped:
            lane.marks.append((begin, end, STOPPED_COLOUR))
        elif span.delivered:
            lane.parts.append((begin, end, span.rate(), colour_of(story, span.server)))
    return lane


def server_lanes(story, begin_ns, end_ns):
    """What each server delivered to all, in slices of time."""
    count = (end_ns - begin_ns) // SLICE_NS + 1
    totals = {server: [0.0] * count for server in story.servers}
    for track in story.shown():
        for span in track.spans:
            if not span.delivered:
                continue
            for at in range((span.begin_ns - begin_ns) // SLICE_NS, (span.end_ns - 1 - begin_ns) // SLICE_NS + 1):
                slice_begin = begin_ns + at * SLICE_NS
                part = min(span.end_ns, slice_begin + SLICE_NS) - max(span.begin_ns, slice_begin)
                totals[span.server][at] += span.delivered * part / (span.end_ns - span.begin_ns)
    lanes = []
    for server in story.servers:
        lane = Lane(f"server {story.number_of(server)}", f"to all: {sum(totals[server]):,.0f}")
        for at, messages in enumerate(totals[server]):
            if messages:
                lane.parts.append((at * SLICE_NS / 1e9, (at + 1) * SLICE_NS / 1e9, messages * 1e9 / SLICE_NS,
                                   colour_of(story, server)))
        lanes.append(lane)
    return lanes


def quoted(text):
    """For gnuplot, in double quotes, nothing of it read as markup."""
    return '"' + text.replace('"', "'").replace("`", "'") + '"'


def script(story, path):
    begin_ns, end_ns = story.begin_ns(), story.end_ns()
    end_s = (end_ns - begin_ns) / 1e9
    servers = server_lanes(story, begin_ns, end_ns)
    tracks = [track_lane(story, track, begin_ns) for track in story.shown()]
    for lane in tracks:
        lane.most = lane.top_rate()
    for lane in servers:
        lane.most = max(each.top_rate() for each in servers)
    lanes = servers + tracks
    # From the bottom: the last subscriber is at 0, and the servers stand a little apart.
    bases = {id(lane): len(lanes) - 1 - i + (0.5 if i < len(servers) else 0) for i, lane in enumerate(lanes)}
    top = len(lanes) + 0.5
    # Columns as fine as the picture's letters are wide.
    column_s = max(0.001, end_s) / LETTERS
    placed = event_levels([(int((event.time_ns - begin_ns) / 1e9 / column_s), event.text) for event in story.events])
    top_labels = LEVEL * max((level + 1 for _, _, level in placed), default=0)
    height = int((top + top_labels) * LANE_PIXELS) + 120
    lines = [
        f"set terminal pngcairo size {WIDTH},{height} font {quoted(FONT + ',10')} background '#ffffff' noenhanced",
        f"set output {quoted(path)}",
        f"set label {quoted(TITLE)} at screen 0.012,{1 - 28 / height:.4f} left textcolor '{TEXT_COLOUR}' "
        f"font {quoted(FONT + ',13')}",
        f"set lmargin at screen 0.085; set rmargin at screen 0.83; set bmargin at screen {55 / height:.4f}; "
        f"set tmargin at screen {1 - 50 / height:.4f}",
        f"set xrange [0:{end_s:.3f}]; set yrange [-0.08:{top + top_labels:.2f}]",
        "unset border; unset key; set ytics scale 0; set xtics nomirror out scale 0.5 textcolor '#333333'",
        f"set xlabel 'seconds (red: nothing came; grey: the subscriber itself stood still; "
        f"a lane is as high as its highest rate, or {CUT} times the usual one)' textcolor '{TEXT_COLOUR}'",
        "set style fill solid 1.0 noborder",
    ]
    lines.append("set ytics (" + ", ".join(
        f"{quoted(lane.name)} {bases[id(lane)] + FILL / 2:.3f}" for lane in lanes) + f") textcolor '{TEXT_COLOUR}'")
    for lane in lanes:
        base = bases[id(lane)]
        lines.append(f"set object rectangle from 0,{base:.3f} to {end_s:.3f},{base + FILL:.3f} behind "
                     f"fillcolor '{LANE_COLOUR}' fillstyle solid 1.0 noborder")
        note = f"{lane.note}\\nlane: {rate_text(lane.most)}" if lane in servers else lane.note
        lines.append(f"set label {quoted(note)} at graph 1.008, first {base + FILL / 2 + 0.13:.3f} left "
                     f"textcolor '#666666' font {quoted(FONT + ',8')}")
    lines += event_labels(placed, lambda column: column * column_s, top)
    lines.append("plot $parts using ($1+$2)/2:3:1:2:3:4:5 with boxxyerror linecolor rgb variable, "
                 "$marks using ($1+$2)/2:3:1:2:3:4:5 with boxxyerror linecolor rgb variable")
    parts = [part_line(begin, end, bases[id(lane)], FILL * min(1.0, rate / lane.most), colour)
             for lane in lanes for begin, end, rate, colour in lane.parts]
    marks = [part_line(begin, end, bases[id(lane)], 0.10 if colour == SILENT_COLOUR else 0.25, colour)
             for lane in lanes for begin, end, colour in lane.marks]
    return "\n".join(["$parts << END", *parts, "END", "$marks << END", *(marks or [part_line(0, 0, 0, 0, "#ffffff")]),
                      "END", *lines, ""])


def part_line(begin, end, base, height, colour):
    return f"{begin:.4f} {end + SEAM_S:.4f} {base:.4f} {base + height:.4f} {int(colour[1:], 16)}"


def event_labels(placed, begin_s_of, top):
    """A line down through all lanes, and its words above."""
    lines = []
    for column, text, level in placed:
        height = top + 0.1 + LEVEL * level
        lines.append(f"set arrow from {begin_s_of(column):.3f},-0.08 to {begin_s_of(column):.3f},{height + 0.2:.3f} "
                     f"nohead front linecolor '#555555' linewidth 0.8 dashtype 3")
        lines.append(f"set label {quoted(text)} at {begin_s_of(column):.3f},{height + 0.12:.3f} left front "
                     f"textcolor '{TEXT_COLOUR}' font {quoted(FONT + ',9')} offset 0.4,0")
    return lines


def plot(story, path):
    """Writes a PNG; raises OSError without gnuplot and CalledProcessError when it fails."""
    subprocess.run(["gnuplot"], input=script(story, path).encode(), check=True)

# SPDX-License-Identifier: BSD-3-Clause
"""What a kill cost, from what scripts/bench_takeover has gathered in its folder.

    watch FILE LABEL=PID...              a line each 20 ms: the run-queue delay of each process, until SIGTERM
    kill FOLDER CLIENTS CLIENT_MS FILE   judges and measures one kill: the figures go to FILE, a line for people to
                                         standard output; status 1 if a client lost, repeated or reordered anything
    delays FOLDER                        a line for people on the run-queue delays of a whole watch
    rows FILE...                         rows of JSON from the figures of all kills

A client's detection is the later of two: the verdict of the server that took it, and one client interval of silence
(and an eighth, as the protocol has it) since it last heard its home.
"""
import array
import glob
import json
import os
import signal
import sys
import time

HOME = 2
SURVIVORS = (1, 3)
REASONS = {1: "resumed by itself", 2: "taken", 3: "taken by the home's wish"}
PARTS = ("before", "offered", "during", "after")
WATCH_S = 0.02
WARM_NS = 500_000_000  # of the live clients, not measured
NS_PER_MS = 1e6


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def read_lines(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# ---- watch --------------------------------------------------------------------------------------


def delay_of(pid):
    """[ns that its threads ran, ns that they were ready and had no CPU]."""
    ran = waited = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as file:
                fields = file.read().split()
        except OSError:
            continue  # it has ended
        ran += int(fields[0])
        waited += int(fields[1])
    return [ran, waited]


def watch(path, *processes):
    pids = dict(process.split("=") for process in processes)
    is_over = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
    with open(path, "w", encoding="utf-8") as file:
        while not is_over:
            line = {"time_ns": time.time_ns()}
            line.update((label, delay_of(pid)) for label, pid in pids.items())
            print(json.dumps(line), file=file)
            time.sleep(WATCH_S)


def delays(folder, from_ns, to_ns):
    """Of each process: ms that it waited for a CPU, in a window widened to the samples around it."""
    lines = read_lines(folder, "sched.jsonl")
    first = [line for line in lines if line["time_ns"] <= from_ns][-1]
    last = next((line for line in lines if line["time_ns"] >= to_ns), lines[-1])
    out = {"window": (last["time_ns"] - first["time_ns"]) / NS_PER_MS}
    for label in first:
        if label != "time_ns" and last[label] != [0, 0]:
            out[label] = (last[label][1] - first[label][1]) / NS_PER_MS
    return out


def say_delays(folder):
    times = [line["time_ns"] for line in read_lines(folder, "sched.jsonl")]
    print(describe_delays(delays(folder, times[0], times[-1])))


def describe_delays(waited):
    text = ", ".join(f"{label} {ms:.0f}" for label, ms in waited.items() if label != "window" and ms >= 0.5)
    return f"{text or 'nobody'} of {waited['window']:.0f}"


# ---- one kill -----------------------------------------------------------------------------------


def faults(folder, label, count):
    """Sentences, one for each thing that must not be. count: messages that each client had to be given."""
    summary = read_json(folder, f"{label}.json")
    for key in ("lost", "repeated", "damaged", "truncated", "sessions", "over", "unrecorded"):
        if summary[key] != 0:
            yield f"{label}: {summary[key]:,} {key}"
    if summary["begun"] != summary["clients"]:
        yield f"{label}: {summary['begun']:,} of {summary['clients']:,} clients began"
    if summary["delivered"] != summary["clients"] * count:
        yield f"{label}: {summary['delivered']:,} of {summary['clients'] * count:,} messages delivered"
    if summary["next_least"] != summary["next_most"]:
        yield f"{label}: clients are between {summary['next_least']:,} and {summary['next_most']:,} at the end"


def address_of(row):
    parts = [int(part) for part in row["address"].split(":")[0].split(".")]
    return parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3]


def verdicts(folder, killed_ns):
    """The time at which each survivor took the home for dead; and the address of each server."""
    found, addresses = {}, {}
    for survivor in SURVIVORS:
        for row in read_json(folder, f"servers-{survivor}.json")["servers"]:
            addresses[address_of(row)] = row["id"]
            times = [
                change["time_ns"]
                for change in row.get("history", [])
                if row["id"] == HOME and change["to"] == "dead" and change["time_ns"] >= killed_ns
            ]
            if times:
                found[survivor] = min(times)
    return found, addresses


def sort_moves(folder, label, clients, addresses, killed_ns):
    """Moves before the kill, and of each client that was at home on the killed server its first one since."""
    home_of, early, taken = {}, 0, {}
    for move in sorted(read_lines(folder, f"{label}.jsonl"), key=lambda move: move["moved_ns"]):
        client = move["client"]
        if move["moved_ns"] < killed_ns:
            early += 1
            home_of[client] = addresses.get(move["to"], 0)
        elif home_of.get(client, HOME) == HOME and client not in taken:
            move["to_server"] = addresses.get(move["to"], 0)
            taken[client] = move
    orphans = sum(home_of.get(client, HOME) == HOME for client in range(clients))
    return early, orphans, taken


def live_latencies(folder, kill, verdict_ns, storm_ns, over_ns):
    """The pause of the commit, and what the live clients measured, by when the stream got a message: before (nothing else
    happened), offered (the set has shrunk, clients are offered homes, none has detected the death), during (from the
    first client's detection until all are live) and after."""
    with open(os.path.join(folder, "live.samples"), "rb") as file:
        numbers = array.array("Q", file.read())
    quiet_ns, killed_ns = kill["quiet_ns"], kill["killed_ns"]
    samples = list(zip(numbers[0::2], numbers[1::2]))
    # Nobody gets anything until the set is without the killed server: the longest silence of all that spans the time
    # from the kill to the verdict.
    arrivals = sorted({taken for taken, _ in samples})
    silences = [
        (later - earlier, later)
        for earlier, later in zip(arrivals, arrivals[1:])
        if later > killed_ns and earlier < verdict_ns
    ]
    pause_ns, shrunk_ns = max(silences)
    begun_ns = arrivals[0]
    parts = {part: [] for part in PARTS}
    for taken, ingest in samples:
        if taken < quiet_ns:
            if taken >= begun_ns + WARM_NS:
                parts["before"].append(taken - ingest)
        elif ingest >= over_ns:
            parts["after"].append(taken - ingest)
        elif ingest >= shrunk_ns:
            parts["during" if ingest >= storm_ns else "offered"].append(taken - ingest)
    return pause_ns / NS_PER_MS, parts


def judge_kill(folder, clients, client_ms, out):
    clients = int(clients)
    silence_ns = int(client_ms) * 1125000
    kill = read_json(folder, "kill.json")
    killed_ns = kill["killed_ns"]
    wrong = []
    for label, stream in (("orphans", "trades"), ("live", "quotes")):
        summary = read_json(folder, f"{stream}.json")
        if summary["in_doubt"] != 0 or summary["refused"] != 0:
            wrong.append(f"publisher of {stream}: {summary['in_doubt']} in doubt, {summary['refused']} refused")
        wrong.extend(faults(folder, label, summary["committed"]))
    found, addresses = verdicts(folder, killed_ns)
    early, orphans, taken = sort_moves(folder, "orphans", clients, addresses, killed_ns)
    if not found:
        wrong.append("no survivor has a verdict of the kill in its link history")
    if len(taken) != orphans:
        wrong.append(f"{len(taken):,} of {orphans:,} clients of the killed server moved")
    if orphans == 0:
        wrong.append("no client was at home on the killed server: its home was taken for dead before")
    for move in taken.values():
        if move["to_server"] not in SURVIVORS or move["first_ns"] == 0:
            wrong.append(f"client {move['client']}: moved to {move['to_server']}, first message {move['first_ns']}")
            break
    if wrong:
        sys.exit("\n".join(wrong))
    figures = measure(folder, kill, found, taken, silence_ns)
    figures.update(clients=clients, orphans=orphans, early=early)
    with open(out, "w", encoding="utf-8") as file:
        json.dump(figures, file)
    print(describe(figures))


def measure(folder, kill, found, taken, silence_ns):
    killed_ns = kill["killed_ns"]
    waits, firsts, detections = [], [], []
    for move in taken.values():
        verdict = found.get(move["to_server"], min(found.values()))
        detected = max(verdict, move["heard_ns"] + silence_ns)
        detections.append(detected)
        waits.append((move["moved_ns"] - detected) / NS_PER_MS)
        firsts.append((move["first_ns"] - detected) / NS_PER_MS)
    live_ns = max(move["moved_ns"] for move in taken.values())
    pause, parts = live_latencies(folder, kill, max(found.values()), min(detections), live_ns)
    figures = {
        "verdict_ms": (min(found.values()) - killed_ns) / NS_PER_MS,
        "detected_ms": (quantile(detections, 0.5) - killed_ns) / NS_PER_MS,
        "detected_last_ms": (max(detections) - killed_ns) / NS_PER_MS,
        "first_ms": (min(move["first_ns"] for move in taken.values()) - killed_ns) / NS_PER_MS,
        "live_ms": (live_ns - killed_ns) / NS_PER_MS,
        "wait_p50_ms": quantile(waits, 0.5),
        "wait_p99_ms": quantile(waits, 0.99),
        "wait_max_ms": max(waits),
        "after_p50_ms": quantile(firsts, 0.5),
        "after_max_ms": max(firsts),
        "pause_ms": pause,
        "delays_ms": delays(folder, killed_ns, live_ns),
        "reasons": {},
        "latency_us": {},
    }
    for move in taken.values():
        reason = REASONS.get(move["reason"], str(move["reason"]))
        figures["reasons"][reason] = figures["reasons"].get(reason, 0) + 1
    for part, values in parts.items():
        if values:
            figures["latency_us"][part] = {
                "count": len(values),
                "p50": quantile(values, 0.5) / 1e3,
                "p99": quantile(values, 0.99) / 1e3,
            }
    return figures


def describe(figures):
    latency = " / ".join(
        f"{figures['latency_us'][part]['p99']:.0f}" if part in figures["latency_us"] else "-"
        for part in PARTS
    )
    early = f"; {figures['early']} moves before the kill" if figures["early"] else ""
    return (
        f"  killed: verdict {figures['verdict_ms']:.1f} ms, detected {figures['detected_ms']:.1f} to"
        f" {figures['detected_last_ms']:.1f}, commit paused {figures['pause_ms']:.1f}, first message"
        f" {figures['first_ms']:.1f}, all live {figures['live_ms']:.1f}\n"
        f"    after its detection a client is live again in p50 {figures['wait_p50_ms']:.2f} p99"
        f" {figures['wait_p99_ms']:.2f} max {figures['wait_max_ms']:.2f} ms, has a new message in p50"
        f" {figures['after_p50_ms']:.2f} max {figures['after_max_ms']:.2f}\n"
        f"    {', '.join(f'{count:,} {reason}' for reason, count in figures['reasons'].items())}{early};"
        f" live clients' p99 before / offered / during / after {latency} us; ready without a CPU, in ms: {describe_delays(figures['delays_ms'])}"
    )


# ---- rows ---------------------------------------------------------------------------------------


def row(name, value, unit, reference):
    ratio = value / reference if reference else 0
    print(json.dumps({"name": name, "value": value, "unit": unit, "reference": reference, "ratio": ratio}))


def rows(*paths):
    by_size = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
        by_size.setdefault(figures["clients"], []).append(figures)
    for clients, kills in by_size.items():
        def median(key):
            return quantile([kill[key] for kill in kills], 0.5)

        def worst(key):
            return max(kill[key] for kill in kills)

        suffix = "" if clients == (1 if 1 in by_size else min(by_size)) else f"_{clients}"
        row(f"takeover.first_message{suffix}", median("after_p50_ms"), "ms", median("detected_ms"))
        row(f"takeover.first_message_longest{suffix}", worst("after_max_ms"), "ms", worst("detected_last_ms"))
        row(f"takeover.commit_pause{suffix}", median("pause_ms"), "ms", median("verdict_ms"))
        if clients > 1:
            suffix = "" if clients == max(by_size) else f"_{clients}"
            row(f"takeover.storm{suffix}", worst("wait_max_ms") / 1e3, "s", worst("live_ms") / 1e3)
            latencies(suffix, kills)


def latencies(suffix, kills):
    p99 = {
        part: quantile([kill["latency_us"][part]["p99"] for kill in kills if part in kill["latency_us"]], 0.5)
        for part in PARTS
        if any(part in kill["latency_us"] for kill in kills)
    }
    for part, value in p99.items():
        row(f"takeover.live_p99_{part}{suffix}", value, "us", p99["before"])
    if "during" in p99:
        row(f"takeover.live_p99{suffix}", p99["during"] / p99["before"], "ratio", 1.0)


if __name__ == "__main__":
    {"watch": watch, "kill": judge_kill, "delays": say_delays, "rows": rows}[sys.argv[1]](*sys.argv[2:])

#!/usr/bin/python3
"""What scanoutd costs, measured in a VM and set beside what it cannot cost less than.

Boots the test machine and alternates between the running daemon and the bare card, so that what
the host does meanwhile weighs on both. Writes results.json and prints a table. A missed target is
a result like any other; only a measurement that failed is an error.
"""

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from math import ceil, floor
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

import bench_restarts  # noqa: E402
from image import ImageError  # noqa: E402
from machine import GuestError, Machine  # noqa: E402
from scanouts import COUNT, PROBE, start_daemon, wait_all_free  # noqa: E402

CONNECTOR = "Virtual-1"
CARD = f"--card /dev/dri/card0 --connector {CONNECTOR}"
MODE = "--mode 1920x1080"
# One call to a daemon at rest: what the call before set off, such as signals, is over by then.
PAUSE = "--pause 20"
DEADLINE_SECONDS = 1800
CROWD_SECONDS = 180  # until sixteen probes have allocated, filled and mode-set
KIB_PER_MB = 1024

# Many probes that share an input: it stays open until /run/start is written to.
CROWD = """
rm -f /run/hold /run/start; mkfifo /run/hold /run/start
for n in $(seq {count}); do {probe} {arguments} </run/hold & done
exec 9>/run/hold
read _ </run/start
exec 9>&-
wait
"""

# Not /proc/PID/status: before Linux 6.2 its numbers are off by as much as 64 pages for each thread.
MEMORY = "cat /proc/$(systemctl show -p MainPID --value scanoutd)/smaps_rollup"
SWITCHES = ("pid=$(systemctl show -p MainPID --value scanoutd); "
            "grep -H ctxt_switches /proc/$pid/task/*/status")


class Clock:
    """Says what goes on, when, and how busy the host is."""

    def __init__(self):
        self.started = time.monotonic()

    def say(self, what: str):
        elapsed = time.monotonic() - self.started
        print(f"bench: {elapsed:6.1f} s  load {os.getloadavg()[0]:4.1f}  {what}", flush=True)


@dataclass
class Figure:
    """A line of the table: medians over the rounds, and `spread` from the least to the most."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    spread: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""


@dataclass
class Round:
    """Daemon and bare card, one right after the other."""

    load: float
    request: list[dict] = field(default_factory=list)
    ping: list[dict] = field(default_factory=list)
    ioctl: list[dict] = field(default_factory=list)
    # Flips a second in turns that follow each other: on a lease, as master, as master again.
    flips: list[list[float]] = field(default_factory=list)

    def usec(self, what: str, percent: str) -> float:
        return median(said[f"{percent}_us"] for said in getattr(self, what))

    def floor(self, percent: str) -> float:
        return self.usec("ioctl", percent) + self.usec("ping", percent)

    def lease_to_master(self) -> float:
        return median(lease / master for lease, master, _ in self.flips)

    def noise(self) -> float:
        """The same between two that are equal."""
        return median(again / master for _, master, again in self.flips)

    def summary(self) -> str:
        request, floor = self.usec("request", "p50"), self.floor("p50")
        return (f"request {request / 1000:.2f} ms, floor {floor / 1000:.2f} ms: "
                f"{request / floor:.2f}; flips on a lease to the master's "
                f"{self.lease_to_master():.3f}, noise {self.noise():.3f}")


def replies(vm: Machine, script: str, timeout: float) -> list[dict]:
    """Run a shell script of probes; each says a line."""
    lines = vm.run(f"set -e; {script}", timeout=timeout).out.splitlines()
    return [json.loads(line) for line in lines]


# Latency and flips

def measure_leased(vm: Machine, into: Round, requests: int):
    """With the daemon. A lease is given back and settled, so that each request finds it idle."""
    request = f"{PROBE} storm {requests} --settle {PAUSE}"
    ping = f"{PROBE} rpc-latency {requests} {PAUSE}"
    said = replies(vm, f"{request}; {ping}; {ping}; {request}", 300)
    into.request += [said[0], said[3]]
    into.ping += [said[1], said[2]]
    wait_all_free(vm)


def measure_bare(vm: Machine, into: Round, requests: int, seconds: int):
    """Without it: the probe is the card's master. It also compares the flips, with a lease of its
    own: scanoutd has no part in a flip, and who is not master cannot flip in turns with one."""
    vm.run("systemctl stop scanoutd")
    ioctl = f"{PROBE} ioctl-latency {requests} {CARD} {PAUSE}"
    turns = f"{PROBE} flip-turns {2 * seconds} {CARD} {MODE}"
    said = replies(vm, f"{ioctl}; {turns}; {ioctl}", 300 + 2 * seconds)
    into.ioctl += [said[0], said[2]]
    into.flips += said[1]["turns"]
    vm.run("systemctl start scanoutd", timeout=120)


def measure_rounds(vm: Machine, clock: Clock, count: int, requests: int,
                   seconds: int) -> list[Round]:
    rounds = []
    for number in range(count):
        now = Round(os.getloadavg()[0])
        parts = [lambda: measure_leased(vm, now, requests),
                 lambda: measure_bare(vm, now, requests, seconds)]
        for part in parts if number % 2 == 0 else reversed(parts):
            part()
        clock.say(f"round {number + 1} of {count}: {now.summary()}")
        rounds.append(now)
    return rounds


def median_span(values) -> str:
    """In which the true median is with 95 % likelihood: a matter of ranks (binomial)."""
    values = sorted(values)
    middle, reach = (len(values) - 1) / 2, 0.98 * len(values) ** 0.5
    low, high = max(0, floor(middle - reach)), min(len(values) - 1, ceil(middle + reach))
    return f"{values[low]:.3f}–{values[high]:.3f}"


def span(values) -> list[float]:
    values = list(values)
    return [min(values), max(values)]


def request_figure(rounds: list[Round], percent: str, limit: float | None) -> Figure:
    values = [r.usec("request", percent) / 1000 for r in rounds]
    floors = [r.floor(percent) / 1000 for r in rounds]
    ratios = [value / floor for value, floor in zip(values, floors)]
    ioctl = median(r.usec("ioctl", percent) for r in rounds) / 1000
    ping = median(r.usec("ping", percent) for r in rounds) / 1000
    return Figure(
        f"RequestScanout {percent}", median(values), "ms", median(floors), "create-lease + Ping",
        median(ratios), f"ratio ≤ {limit:g}" if limit else "",
        median(ratios) <= limit if limit else None,
        {"value": span(values), "baseline": span(floors), "ratio": span(ratios)},
        f"floor: ioctl {ioctl:.3f} ms, Ping {ping:.3f} ms")


def flip_figure(rounds: list[Round], limit: float) -> Figure:
    """Each turn is compared with its neighbours; of these the median, which a turn that the host
    had no time for does not move.

    A lease is not free: the kernel looks up the CRTC, and the plane under a mutex, in what the file
    holds (drm_lease.c). That is the same few microseconds for each flip, however long it takes.
    """
    lease, master, again = zip(*(turns for r in rounds for turns in r.flips))
    ratios = [a / b for a, b in zip(lease, master)]
    equals = [a / b for a, b in zip(again, master)]
    return Figure(
        "flips on a lease", median(lease), "/s", median(master), "as master", median(ratios),
        f"ratio ≥ {limit:g}", median(ratios) >= limit,
        {"value": span(lease), "baseline": span(master),
         "ratio": span(r.lease_to_master() for r in rounds),
         "noise": span(r.noise() for r in rounds)},
        f"{len(ratios)} turns of 10 ms each: {median_span(ratios)} with 95 % likelihood; the same "
        f"for the master and itself: {median(equals):.3f}, {median_span(equals)}")


# Many at once

class Crowd:
    """Probes that hold an output each, and begin or end together."""

    def __init__(self, vm: Machine, count: int, arguments: str):
        self.vm = vm
        self.count = count
        self.script = vm.spawn(CROWD.format(count=count, probe=PROBE, arguments=arguments))
        for _ in range(count):
            self._next("ready", CROWD_SECONDS)

    def _next(self, key: str, timeout: float) -> dict:
        line = self.script.readline(timeout)
        said = json.loads(line) if line else {}
        if key not in said:
            raise GuestError(f"one of {self.count} probes said {line or 'nothing'}\n"
                             + self.script.err)
        return said

    def start(self):
        self.vm.run("echo >/run/start")

    def flips(self, seconds: float) -> list[dict]:
        """What each reached in the same seconds."""
        self.start()
        said = [self._next("per_second", seconds + CROWD_SECONDS) for _ in range(self.count)]
        if any(one["errors"] for one in said):
            raise GuestError(f"flips failed: {said}")
        return said

    def end(self):
        self.script.wait(CROWD_SECONDS)
        wait_all_free(self.vm, 60)


def measure_crowds(vm: Machine, clock: Clock, count: int, seconds: int) -> list[dict]:
    """One alone and all sixteen, in turns."""
    found = []
    for number in range(count):
        rates = {}
        for size in (1, COUNT) if number % 2 == 0 else (COUNT, 1):
            crowd = Crowd(vm, size, f"flip-rate {seconds} --request {MODE} --await")
            rates[size] = [one["per_second"] for one in crowd.flips(seconds)]
            crowd.end()
        found.append({"load": os.getloadavg()[0], "one": rates[1][0], "each": rates[COUNT],
                      "total": sum(rates[COUNT])})
        clock.say(f"{COUNT} at once, {number + 1} of {count}: {found[-1]['total']:.1f}/s, "
                  f"one alone {rates[1][0]:.1f}/s")
    return found


def crowd_figure(crowds: list[dict]) -> Figure:
    ratios = [c["total"] / c["one"] for c in crowds]
    each = [rate for c in crowds for rate in c["each"]]
    return Figure(
        f"flips of {COUNT} lessees at once", median(c["total"] for c in crowds), "/s",
        median(c["one"] for c in crowds), "one alone", median(ratios),
        spread={"value": span(c["total"] for c in crowds),
                "baseline": span(c["one"] for c in crowds), "ratio": span(ratios),
                "each": span(each)},
        note=f"the slowest {min(each):.1f}/s, the fastest {max(each):.1f}/s")


# The daemon at rest

def memory(vm: Machine) -> dict[str, int]:
    """The daemon's, in KiB."""
    fields = dict(line.split(":", 1) for line in vm.run(MEMORY).out.splitlines()[1:])
    return {name: int(fields[name].split()[0]) for name in ("Rss", "Pss", "Anonymous")}


def switches(text: str) -> dict[str, int]:
    """Context switches by thread."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        path, _, count = line.rpartition(":")
        thread = path.split("/")[4]
        found[thread] = found.get(thread, 0) + int(count)
    return found


def measure_idle(vm: Machine, clock: Clock, seconds: int) -> dict:
    """Sixteen leases with a picture on each, and nobody does anything."""
    crowd = Crowd(vm, COUNT, f"hold --request {MODE}")
    clock.say(f"{COUNT} leases held; idle for {seconds} s")
    # The last lease is still being announced. After that nothing is asked of the guest.
    said = vm.run(f"sleep 5; {SWITCHES}; echo; sleep {seconds}; {SWITCHES}", timeout=seconds + 60)
    before, after = (switches(part) for part in said.out.split("\n\n"))
    found = {"memory_kib": memory(vm), "seconds": seconds,
             "threads": {thread: after[thread] - before.get(thread, 0) for thread in after},
             "watchdog": vm.run("systemctl show -p WatchdogUSec --value scanoutd").out.strip()}
    crowd.start()
    crowd.end()
    clock.say(f"RSS {found['memory_kib']['Rss']} KiB, {sum(found['threads'].values())} wakeups")
    return found


def memory_figure(idle: dict, limit: float) -> Figure:
    mb = {name: value / KIB_PER_MB for name, value in idle["memory_kib"].items()}
    return Figure(f"RSS with {COUNT} leases", mb["Rss"], "MB", target=f"≤ {limit:g} MB",
                  met=mb["Rss"] <= limit,
                  note=f"{mb['Anonymous']:.2f} MB its own memory, "
                       f"{mb['Rss'] - mb['Anonymous']:.2f} MB mapped files, nearly all of it "
                       f"libraries that others map as well: {mb['Pss']:.2f} MB if each pays a part")


def wakeup_figure(idle: dict) -> Figure:
    count = sum(idle["threads"].values())
    threads = ", ".join(f"{n} in thread {t}" for t, n in idle["threads"].items() if n)
    watchdog = f"systemd's watchdog takes one every {idle['watchdog']} or sooner"
    return Figure(f"wakeups in {idle['seconds']} idle s", count, "", target="0", met=count == 0,
                  note="; ".join(filter(None, [threads, watchdog])))


# What is told

def table(figures: list[Figure]) -> str:
    def number(value: float | None, unit: str) -> str:
        return "" if value is None else f"{value:.{0 if unit == '' else 2}f} {unit}".strip()

    def ratio(figure: Figure) -> str:
        if figure.ratio is None:
            return ""
        low, high = figure.spread["ratio"]
        return f"{figure.ratio:.3f} ({low:.3f}–{high:.3f})"

    rows = [("", "value", "baseline", "ratio (spread)", "target", "")]
    for f in figures:
        verdict = "" if f.met is None else "met" if f.met else "MISSED"
        baseline = f"{number(f.baseline, f.unit)} {f.baseline_name}".strip()
        rows.append((f.name, number(f.value, f.unit), baseline, ratio(f), f.target, verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row, f in zip(rows, [None, *figures]):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if f and f.note:
            lines.append(f"  {f.note}")
    return "\n".join(lines)


def measure(vm: Machine, clock: Clock, arguments: argparse.Namespace, results: dict):
    """Fills in results as it goes, so that what was measured before a failure is kept."""
    figures: list[Figure] = results["figures"]
    clock.say("start scanoutd")
    start_daemon(vm)
    results["version"] = vm.run("scanoutd --version").out.split()[-1]
    rounds = measure_rounds(vm, clock, arguments.rounds, arguments.requests, arguments.seconds)
    results["rounds"] = [asdict(r) for r in rounds]
    figures += [request_figure(rounds, "p50", 2), request_figure(rounds, "p99", None),
                flip_figure(rounds, 0.98)]
    crowds = results["crowds"] = measure_crowds(vm, clock, 3, 2 * arguments.seconds)
    figures.append(crowd_figure(crowds))
    clock.say(f"{arguments.restarts} restarts while {bench_restarts.DESKS} flip")
    windows = bench_restarts.measure(vm, arguments.restarts)
    restarts = results["restarts"] = bench_restarts.summary(windows)
    results["restart_windows"] = [asdict(window) for window in windows]
    figures.append(Figure(**bench_restarts.figure(restarts)))
    idle = results["idle"] = measure_idle(vm, clock, arguments.idle)
    figures += [memory_figure(idle, 3), wakeup_figure(idle)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", type=Path, required=True,
                        help="tree of `make install DESTDIR=…` that runs in the guest")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=6, help="of latency and flips (default: 6)")
    parser.add_argument("--requests", type=int, default=100, help="in a row (default: 100)")
    parser.add_argument("--seconds", type=int, default=4, help="of flips in a row (default: 4)")
    parser.add_argument("--restarts", type=int, default=20,
                        help="while 15 flip, and as many controls (default: 20)")
    parser.add_argument("--idle", type=int, default=60, help="seconds at rest (default: 60)")
    arguments = parser.parse_args()
    if not arguments.stage.is_dir():
        parser.error(f"--stage: no directory {arguments.stage}")
    if min(arguments.rounds, arguments.requests, arguments.seconds, arguments.restarts,
           arguments.idle) < 1:
        parser.error("--rounds, --requests, --seconds, --restarts and --idle are 1 or more")

    # SIGTERM unwinds like an error, so that the machine is shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    results: dict = {"figures": [], "cpus": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with Machine(out / "vm", stage=arguments.stage, deadline=DEADLINE_SECONDS) as vm:
        try:
            clock.say("boot the machine")
            vm.start()
            measure(vm, clock, arguments, results)
        except (AssertionError, GuestError, ImageError, ValueError, KeyError) as error:
            results["failed"] = f"{type(error).__name__}: {error}"
        if "failed" in results and vm.shell and not vm.why_dead():
            (out / "journal.txt").write_text(vm.journal("scanoutd.service"))
    results["load_after"] = os.getloadavg()[0]
    figures: list[Figure] = results["figures"]
    results["figures"] = [asdict(figure) for figure in figures]
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    clock.say(f"done; all numbers are in {out / 'results.json'}")
    print(table(figures))
    if "failed" in results:
        print(f"failed  not all was measured: {results['failed']}\nlogs are in {out}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

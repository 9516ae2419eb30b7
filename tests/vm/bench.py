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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

import bench_restarts  # noqa: E402
import suites  # noqa: E402
from bench_crowd import MODE, Crowd, crowd_figure, measure_crowds  # noqa: E402
from bench_figure import Clock, Figure, median_span, span, table  # noqa: E402
from bench_promises import (crowded_figure, ends_figure, locked_figure,  # noqa: E402
                            measure_crowded, measure_ends, measure_locked)
from image import ImageError  # noqa: E402
from machine import GuestError, Machine  # noqa: E402
from pace import pace  # noqa: E402
from scanouts import COUNT, PROBE, start_daemon, wait_all_free  # noqa: E402

CONNECTOR = "Virtual-1"
# A flip costs least there, so what a lease adds weighs most.
SMALL_MODE = "--mode 640x480"
BLOCK = 30  # turns of one flip for each side
CARD = f"--card /dev/dri/card0 --connector {CONNECTOR}"
# One call to a daemon at rest: what the call before set off, such as signals, is over by then.
PAUSE = "--pause 20"
KIB_PER_MB = 1024

# Not /proc/PID/status: before Linux 6.2 its numbers are off by as much as 64 pages for each thread.
MEMORY = "cat /proc/$(systemctl show -p MainPID --value scanoutd)/smaps_rollup"
SWITCHES = ("pid=$(systemctl show -p MainPID --value scanoutd); "
            "grep -H ctxt_switches /proc/$pid/task/*/status")


@dataclass
class Round:
    """Daemon and bare card, one right after the other."""

    load: float
    request: list[dict] = field(default_factory=list)
    ping: list[dict] = field(default_factory=list)
    ioctl: list[dict] = field(default_factory=list)
    # Flips a second at the same time: on a lease, as master, as master again.
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


def rates(turns: list[list[float]]) -> list[list[float]]:
    """Flips a second of each side: of every few turns the median, so that a flip that the host had
    no time for counts as one."""
    blocks = [turns[i:i + BLOCK] for i in range(0, len(turns) - BLOCK + 1, BLOCK)]
    return [[1e9 / median(nsec) for nsec in zip(*block)] for block in blocks]


def measure_bare(vm: Machine, into: Round, requests: int, seconds: int):
    """Without it: the probe is the card's master. It also compares the flips, with a lease of its
    own: scanoutd has no part in a flip, and who is not master cannot flip in turns with one."""
    vm.run("systemctl stop scanoutd")
    ioctl = f"{PROBE} ioctl-latency {requests} {CARD} {PAUSE}"
    turns = f"{PROBE} flip-turns {2 * seconds} {CARD} {SMALL_MODE}"
    said = replies(vm, f"{ioctl}; {turns}; {ioctl}", 300 + 2 * seconds)
    into.ioctl += [said[0], said[2]]
    into.flips += rates(said[1]["turns"])
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
    """Sides that flip in turns are compared, some turns at a time; of the ratios the median.

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
        f"{len(ratios)} blocks of {BLOCK} turns: {median_span(ratios)} with 95 % likelihood; the "
        f"same for the master and itself: {median(equals):.3f}, {median_span(equals)}")


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
    said = vm.run(f"sleep {pace.limit(2):.0f}; {SWITCHES}; echo; sleep {seconds}; {SWITCHES}",
                  timeout=seconds + 60)
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


# All of it

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
    clock.say("requests with all others leased, ends, and calls while a lock is held")
    crowded = results["crowded"] = [measure_crowded(vm, arguments.requests) for _ in range(3)]
    ends = results["ends"] = measure_ends(vm, arguments.rounds)
    locked = results["locked"] = measure_locked(vm)
    figures += [crowded_figure(crowded), ends_figure(ends), locked_figure(locked)]
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
    parser.add_argument("--suite", default=suites.DEFAULT, choices=suites.SUITES,
                        help=f"Debian of the guest (default: {suites.DEFAULT})")
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
    with Machine(out / "vm", stage=arguments.stage, suite=arguments.suite) as vm:
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

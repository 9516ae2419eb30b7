#!/usr/bin/python3
"""How many pictures of desktops reach the host, and what that costs: this way beside the others.

Boots the test machine. On 1, 4 and 16 scanouts a program flips full-HD pictures as fast as it can,
and the host takes them by shared memory, by messages, by screendump and by VNC; then the guest
sends pictures by TCP, as desktops without an output do. Writes capture.json and capture.png, and
prints a table. A missed target is a result like any other; only a measurement that failed is an
error.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

import host  # noqa: E402
import suites  # noqa: E402
from bench_crowd import MODE, Crowd  # noqa: E402
from bench_figure import Clock, Figure, span, table  # noqa: E402
from bench_ways import (Sender, Taken, by_maps, by_messages, by_screendump, by_vnc,  # noqa: E402
                        vnc_options)
from image import ImageError  # noqa: E402
from machine import GuestError, Machine, Process  # noqa: E402
from scanouts import (COUNT, PROBE, hold, size_heads, start_daemon, wait_all_free,  # noqa: E402
                      wait_shown)

COUNTS = (1, 4, COUNT)
NAMES = {"maps": "shared memory", "messages": "copied messages", "nv12": "NV12 by TCP",
         "bgra": "BGRA by TCP", "screendump": "QMP screendump", "vnc": "QEMU's VNC"}
TICK = os.sysconf("SC_CLK_TCK")
# What the project's predecessor reached with flips that nothing waited for.
BEFORE = 124.6


class Flippers:
    """Lessees that flip as fast as they can."""

    def __init__(self, vm: Machine, count: int):
        self.vm = vm
        self.processes: list[Process] = [
            vm.spawn(f"exec {PROBE} flip-on --request --scanout card0-Virtual-{head + 1} {MODE} "
                     "--fill 204060 --other 604020")
            for head in range(count)]
        for head in range(count):
            wait_shown(vm, head)

    def end(self):
        for process in self.processes:
            process.terminate()
        wait_all_free(self.vm, 60)


def qemu_cpu(vm: Machine) -> float:
    fields = Path(f"/proc/{vm.qemu.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def wakeups(pid: int) -> int:
    """Of all its threads: each is a context switch."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        found = re.findall(r"ctxt_switches:\s+(\d+)", status.read_text())
        count += sum(map(int, found))
    return count


class Bench:
    def __init__(self, clock: Clock, seconds: int):
        self.clock, self.seconds = clock, seconds
        self.taken: list[dict] = []
        self.flips: list[dict] = []
        self.records: list[dict] = []
        self.still: list[dict] = []

    def take(self, vm: Machine, way: str, count: int, work: Callable[[], Taken]):
        cpu = qemu_cpu(vm)
        taken = work()
        frames = taken.frames or 1
        self.taken.append({"way": way, "count": count, "load": os.getloadavg()[0], **asdict(taken),
                           "per_second": taken.per_second,
                           "consumer_ms": taken.cpu * 1e3 / frames,
                           "qemu_ms": (qemu_cpu(vm) - cpu) * 1e3 / frames})
        self.clock.say(f"{count:2} by {NAMES[way]}: {taken.per_second:.1f} pictures a second")

    def take_round(self, vm: Machine):
        for count in COUNTS:
            flippers = Flippers(vm, count)
            for way, work in (("maps", by_maps), ("messages", by_messages),
                              ("screendump", by_screendump)):
                self.take(vm, way, count, lambda: work(vm, count, self.seconds))
            flippers.end()
        for kind in ("nv12", "bgra"):
            sender = Sender(vm, kind)
            for count in COUNTS:
                self.take(vm, kind, count, lambda: sender.take(count, self.seconds))
            sender.end()

    def take_vnc(self, vm: Machine, folder: Path, rounds: int):
        for count in COUNTS:
            flippers = Flippers(vm, count)
            for _ in range(rounds):
                self.take(vm, "vnc", count, lambda: by_vnc(folder, count, self.seconds))
            flippers.end()

    def measure_flips(self, vm: Machine, rounds: int):
        """Of one lessee, with nobody who looks and with somebody. The former comes first: QEMU
        10.0 never forgets who has looked."""
        for _ in range(rounds):
            self.flips.append({"alone": self.count_flips(vm)})
        for flips in self.flips:
            flips["captured"] = self.count_flips(vm, lambda: by_maps(vm, 1, self.seconds - 2))

    def count_flips(self, vm: Machine, meanwhile: Callable[[], object] = lambda: None) -> float:
        crowd = Crowd(vm, 1, f"flip-rate {self.seconds} --request --scanout card0-Virtual-1 {MODE} "
                      "--await")
        (said,) = crowd.flips(self.seconds, meanwhile)
        crowd.end()
        return said["per_second"]

    def measure_record(self, vm: Machine, path: Path):
        """A moving test card is recorded, and then a picture that stands still."""
        card = vm.spawn("exec /usr/lib/scanoutd-tests/testcard --name desk --mode 1920x1080 "
                        "--fps 20 --scanout card0-Virtual-1")
        wait_shown(vm, 0)
        with host.recording(vm.bus_address, 0, path, "--json", "--fps", 60,
                            stdout=subprocess.PIPE) as process:
            host.wait_recorded(path, 0)
            time.sleep(self.seconds)
            process.send_signal(signal.SIGINT)
            said = json.loads(process.stdout.read())
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
        card.terminate()
        wait_all_free(vm, 60)
        self.records.append({**said, "cpu_ms": (used.ru_utime + used.ru_stime) * 1e3
                             / said["frames"], "rss_mb": used.ru_maxrss / 1024})
        self.clock.say(f"recorded {said['frames']} pictures, "
                       f"{self.records[-1]['cpu_ms']:.1f} ms of CPU each")
        process, _ = hold(vm, "--scanout card0-Virtual-1")
        wait_shown(vm, 0)
        with host.recording(vm.bus_address, 0, path) as recorder:
            size = host.wait_recorded(path, 0)
            while True:  # until it has been drawn better a few times
                time.sleep(2)
                if size == (size := path.stat().st_size):
                    break
            before = wakeups(recorder.pid)
            time.sleep(self.seconds)
            self.still.append({"seconds": self.seconds, "wakeups": wakeups(recorder.pid) - before,
                               "bytes": path.stat().st_size - size})
        process.terminate()
        wait_all_free(vm, 60)

    # What was found

    def of(self, way: str, count: int, key: str = "per_second") -> list[float]:
        return [one[key] for one in self.taken if one["way"] == way and one["count"] == count]

    def ratio(self, name: str, value: list[float], base: list[float], base_name: str,
              least: float | None) -> Figure:
        ratios = [a / b for a, b in zip(value, base) if b]
        return Figure(name, median(value), "/s", median(base), base_name, median(ratios),
                      f"ratio ≥ {least:g}" if least else "",
                      median(ratios) >= least if least else None,
                      {"value": span(value), "baseline": span(base), "ratio": span(ratios)})

    def figures(self) -> list[Figure]:
        maps = self.of("maps", 1)
        figures = [
            Figure("maps, one scanout", median(maps), "/s", target=f"> {BEFORE}",
                   met=median(maps) > BEFORE,
                   note=f"age p50 {median(self.of('maps', 1, 'age_ms')):.2f} ms, "
                        f"p99 {median(self.of('maps', 1, 'late_ms')):.2f} ms"),
            self.ratio("maps, one scanout", maps, self.of("messages", 1), NAMES["messages"], 3),
            self.ratio("maps, one scanout", maps, self.of("nv12", 1), NAMES["nv12"], 10)]
        figures += [self.ratio("maps, one scanout", maps, self.of(way, 1), NAMES[way], None)
                    for way in ("bgra", "screendump", "vnc")]
        figures.append(self.ratio(f"maps, {COUNT} scanouts in all", self.of("maps", COUNT), maps,
                                  "one", 1))
        figures.append(self.ratio("flips with capture", [f["captured"] for f in self.flips],
                                  [f["alone"] for f in self.flips], "without", 0.9))
        half, most, rss = (median(one[key] for one in self.records)
                           for key in ("age_p50_usec", "age_p99_usec", "rss_mb"))
        figures += [
            Figure("picture → packet, p50", half / 1e3, "ms", target="≤ 10 ms", met=half <= 10e3,
                   note=f"{median(one['cpu_ms'] for one in self.records):.1f} ms of CPU for each"),
            Figure("picture → packet, p99", most / 1e3, "ms", target="≤ 30 ms", met=most <= 30e3),
            Figure("RSS of record, one scanout", rss, "MB", target="≤ 40 MB", met=rss <= 40)]
        wakeups = sum(one["wakeups"] for one in self.still)
        written = sum(one["bytes"] for one in self.still)
        figures.append(Figure(f"wakeups in {sum(one['seconds'] for one in self.still)} still s",
                              wakeups, "", target="0", met=wakeups == 0 and written == 0,
                              note=f"{written} bytes were written"))
        return figures

    def table(self) -> str:
        head = f"{'':16}" + "".join(f"{f'{count}':>10}{'ms host':>9}{'ms QEMU':>9}"
                                    for count in COUNTS)
        lines = [head]
        for way, name in NAMES.items():
            lines.append(f"{name:16}" + "".join(
                f"{median(self.of(way, count)):10.1f}"
                f"{median(self.of(way, count, 'consumer_ms')):9.2f}"
                f"{median(self.of(way, count, 'qemu_ms')):9.1f}" for count in COUNTS))
        return "\n".join(lines)

    def draw(self, path: Path):
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
        for place, (axes, key, title) in enumerate((
                (left, "per_second", "full-HD pictures a second, of all scanouts together"),
                (right, "consumer_ms", "CPU of the consumer for a picture, ms"))):
            for number, count in enumerate(COUNTS):
                values = [median(self.of(way, count, key)) for way in NAMES]
                at = [n + 0.27 * (number - 1) for n in range(len(NAMES))]
                bars = axes.barh(at, values, 0.25, label=f"{count} scanout{'s' * (count > 1)}",
                                 color=("#16325c", "#3b78b8", "#a8c8e8")[number])
                axes.bar_label(bars, fmt="%.1f" if place == 0 else "%.2f", padding=2, fontsize=8)
            axes.set_title(title, fontsize=10)
            axes.set_xscale("log")
            axes.margins(x=0.15)
            axes.set_yticks(range(len(NAMES)), NAMES.values() if place == 0 else [])
            axes.invert_yaxis()
            axes.spines[["top", "right"]].set_visible(False)
        left.legend(fontsize=8, loc="lower right")
        figure.savefig(path, dpi=120)


def measure(bench: Bench, arguments: argparse.Namespace):
    def machine(name: str, options: list[str] = []) -> Machine:
        return Machine(arguments.out / name, stage=arguments.stage, suite=arguments.suite,
                       options=options)

    with machine("capture") as vm:
        bench.clock.say("boot the machine")
        vm.start()
        start_daemon(vm)
        size_heads(vm, COUNT)
        bench.measure_flips(vm, arguments.rounds)
        for _ in range(arguments.rounds):
            bench.take_round(vm)
        for _ in range(arguments.rounds):
            bench.measure_record(vm, arguments.out / "record.h264")
    folder = arguments.out.resolve() / "vnc"
    folder.mkdir(exist_ok=True)
    with machine("vnc", vnc_options(folder, COUNT)) as vm:
        bench.clock.say("boot a machine with VNC")
        vm.start()
        start_daemon(vm)
        size_heads(vm, COUNT)
        bench.take_vnc(vm, folder, arguments.rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default=suites.DEFAULT, choices=suites.SUITES,
                        help=f"Debian of the guest (default: {suites.DEFAULT})")
    parser.add_argument("--stage", type=Path, required=True,
                        help="tree of `make install DESTDIR=…` that runs in the guest")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=3, help="of everything (default: 3)")
    parser.add_argument("--seconds", type=int, default=5, help="of each (default: 5)")
    arguments = parser.parse_args()
    if not arguments.stage.is_dir():
        parser.error(f"--stage: no directory {arguments.stage}")
    if arguments.rounds < 1 or arguments.seconds < 3:
        parser.error("--rounds is 1 or more, --seconds 3 or more")

    # SIGTERM unwinds like an error, so that the machine is shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(Clock(), arguments.seconds)
    failed = ""
    try:
        measure(bench, arguments)
    except (AssertionError, GuestError, ImageError, OSError) as error:
        failed = f"{type(error).__name__}: {error}"
    figures = [] if failed else bench.figures()
    (out / "capture.json").write_text(json.dumps(
        {"cpus": os.cpu_count(), "taken": bench.taken, "flips": bench.flips,
         "records": bench.records, "still": bench.still, "failed": failed,
         "figures": [asdict(figure) for figure in figures]}, indent=1, ensure_ascii=False) + "\n")
    if failed:
        print(f"failed  not all was measured: {failed}\nlogs are in {out}")
        return 1
    print(f"{bench.table()}\n\n{table(figures)}")
    bench.draw(out / "capture.png")
    bench.clock.say(f"done; all numbers are in {out / 'capture.json'}, a plot in "
                    f"{out / 'capture.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

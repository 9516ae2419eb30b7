#!/usr/bin/python3
"""Desktops in containers in a VM, each on a scanout of its own, seen from outside the VM.

Boots the test machine, starts scanoutd in it and a number of unprivileged containers that know no
more than its guest socket: unpatched desktops from Debian's packages with a terminal on each, and
test cards. Captures every head on the host, checks that each shows the desktop or the card of the
container that scanoutd names, and writes scanouts.png and list.json.
"""

import argparse
import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

import suites  # noqa: E402
from demo_desks import SIZE, Desk, write_files  # noqa: E402
from demo_opening import open_all  # noqa: E402
from demo_programs import PROGRAMS  # noqa: E402
from demo_tiles import Tile, check, draw_sheet  # noqa: E402
from image import ImageError  # noqa: E402
from machine import GuestError, Machine  # noqa: E402
from scanouts import size_heads, wait_all_free  # noqa: E402


class Clock:
    """Says what begins now, and in the end how long each stage took."""

    def __init__(self):
        self.started = time.monotonic()
        self.stages: list[tuple[str, float]] = []

    def say(self, what: str):
        print(f"demo: {time.monotonic() - self.started:5.1f} s  {what}", flush=True)

    def stage(self, name: str):
        self.stages.append((name, time.monotonic()))
        self.say(name)

    def summary(self) -> str:
        ends = [began for _, began in self.stages[1:]] + [time.monotonic()]
        parts = [f"{name} {end - began:.1f} s"
                 for (name, began), end in zip(self.stages, ends)]
        return f"{', '.join(parts)}; {time.monotonic() - self.started:.1f} s in all"


def find_ids(vm: Machine, desks: list[Desk]):
    shown = vm.run(["podman", "ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}"]).out
    ids = dict(line.split() for line in shown.splitlines())
    for desk in desks:
        desk.container = ids.get(desk.name, "")


def end(vm: Machine, desks: list[Desk]) -> bool:
    """Ends all containers; whether each card ended well and all scanouts came back."""
    good = True
    with ThreadPoolExecutor(len(desks)) as pool:
        codes = list(pool.map(lambda desk: desk.process.terminate(timeout=120), desks))
    # How a desktop ends is its own affair.
    for desk, code in zip(desks, codes):
        if code != 0 and not desk.program:
            good = False
            print(f"failed  {desk.name}: ended with {code}: {desk.process.err.strip()}")

    try:
        wait_all_free(vm, 30)
    except AssertionError as error:
        good = False
        print(f"failed  {error}\n{vm.run(['scanoutctl', 'list']).out}", end="")
    return good


def show(vm: Machine, clock: Clock, desks: list[Desk], out: Path) -> bool:
    clock.stage("start scanoutd")
    vm.run(["systemctl", "start", "scanoutd"], timeout=120)
    clock.stage(f"size {len(desks)} heads")
    size_heads(vm, len(desks), *SIZE)
    write_files(vm, desks)
    clock.stage(f"start {len(desks)} containers, two at a time")
    good = open_all(vm, clock.say, desks)
    find_ids(vm, desks)

    clock.stage("list")
    print(vm.run(["scanoutctl", "list"]).out, end="", flush=True)
    listed = vm.run(["scanoutctl", "list", "--json"]).out
    (out / "list.json").write_text(listed)
    rows = {row["label"]: row for row in json.loads(listed)["scanouts"] if row["label"]}

    clock.stage(f"capture {vm.head_count} heads")
    tiles = [Tile(vm, head) for head in range(vm.head_count)]

    clock.stage("check")
    good = check(desks, rows, tiles) and good
    clock.stage("draw the sheet, end the containers")
    # The guest is busy with ending them; this machine has a CPU left.
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(draw_sheet, desks, rows, tiles, out / "scanouts.png")
        ended = end(vm, desks)
        drawn.result()
    return ended and good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default=suites.DEFAULT, choices=suites.SUITES,
                        help=f"Debian of the guest (default: {suites.DEFAULT})")
    parser.add_argument("--stage", type=Path, required=True,
                        help="tree of `make install DESTDIR=…` that runs in the guest")
    parser.add_argument("--count", type=int, default=9,
                        help=f"containers: {len(PROGRAMS)} desktops, the rest are test cards "
                        "(default: 9)")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    arguments = parser.parse_args()
    if not arguments.stage.is_dir():
        parser.error(f"--stage: no directory {arguments.stage}")
    if not len(PROGRAMS) <= arguments.count <= 16:
        parser.error(f"--count: {len(PROGRAMS)} desktops at least, and a virtio-gpu has 16 heads")

    # SIGTERM unwinds like an error, so that the machine is shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    desks = [Desk(name, program) for name, program in PROGRAMS.items()]
    desks += [Desk(f"card{number + 1}", None) for number in range(arguments.count - len(desks))]
    clock = Clock()
    good = False
    with Machine(out / "vm", stage=arguments.stage, suite=arguments.suite, set="demo") as vm:
        try:
            clock.stage("boot the machine")
            vm.start()
            good = show(vm, clock, desks, out)
        except (AssertionError, GuestError, ImageError) as error:
            print(f"failed  {error}", flush=True)
        for desk in desks:
            if desk.process:
                (out / f"{desk.name}.log").write_text(f"{desk.process.out}{desk.process.err}")
        if vm.shell and not vm.why_dead():
            journal = vm.journal("scanoutd.service")
            (out / "journal.txt").write_text(journal)
            if not good:
                print(f"--- journal of scanoutd.service\n{journal}", end="")
    print(clock.summary())
    if good:
        print(f"{len(desks)} containers, each alone on its scanout: see {out / 'scanouts.png'}")
    else:
        print(f"the demo failed; the logs of scanoutd, of the console and of each container are in "
              f"{out}. `make check-vm T=desktops.mutter` starts one desktop alone.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

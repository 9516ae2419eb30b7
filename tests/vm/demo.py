#!/usr/bin/python3
"""Containers in a VM, each on a scanout of its own, seen from outside the VM.

Boots the test machine, starts scanoutd in it and a number of containers that each ask it for a
scanout and show a moving card; captures every head on the host, checks that each shows the card
of the container that scanoutd names, and writes scanouts.png and list.json.
"""

import argparse
import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from image import ImageError  # noqa: E402
from machine import GuestError, Machine, Process, wait_until  # noqa: E402
from picture import name_hash, read_strip, sheet  # noqa: E402
from scanouts import size_heads  # noqa: E402

TESTCARD = "/usr/lib/scanoutd-tests/testcard"
WIDTH, HEIGHT = 1920, 1080
CONTAINER_SECONDS = 240
ALIVE_SECONDS = 20
FREE_SECONDS = 30


class Clock:
    """Says what begins now, and in the end how long each stage took."""

    def __init__(self):
        self.started = time.monotonic()
        self.stages: list[tuple[str, float]] = []

    def stage(self, name: str):
        now = time.monotonic()
        self.stages.append((name, now))
        print(f"demo: {now - self.started:5.1f} s  {name}", flush=True)

    def summary(self) -> str:
        ends = [began for _, began in self.stages[1:]] + [time.monotonic()]
        parts = [f"{name} {end - began:.1f} s"
                 for (name, began), end in zip(self.stages, ends)]
        return f"{', '.join(parts)}; {time.monotonic() - self.started:.1f} s in all"


@dataclass
class Desk:
    """A container and what it said of itself."""

    name: str
    process: Process
    container: str = ""  # its 64 digit id
    told: dict | None = None


def make_users(vm: Machine, names: list[str]):
    """A user for each container.

    The message bus looks up in the VM's user database who may talk to scanoutd, so a user that
    exists in the container alone would be turned away.
    """
    users = "".join(f"u {name} - -\nm {name} scanout\n" for name in names)
    vm.run(["systemd-sysusers", "-"], input=users.encode())


def start(vm: Machine, name: str) -> Desk:
    """A container on the guest's own root, below a layer of its own that is thrown away.

    It has no device node and no capability; the bus is all it can ask for a picture.
    """
    return Desk(name, vm.spawn([
        "podman", "run", "--rm", "--name", name, "--hostname", name, "--user", name,
        "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "none",
        "--no-hosts", "--log-driver", "none", "--volume", "/run/dbus:/run/dbus",
        "--rootfs", "/:O", TESTCARD, "--name", name, "--label", name, "--timeout", "60"]))


def wait_first_frame(desk: Desk):
    line = desk.process.readline(CONTAINER_SECONDS)
    if not line:
        raise GuestError(f"container {desk.name} ended with {desk.process.wait()}: "
                         f"{desk.process.err.strip()}")
    desk.told = json.loads(line)


def find_ids(vm: Machine, desks: list[Desk]):
    shown = vm.run(["podman", "ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}"]).out
    ids = dict(line.split() for line in shown.splitlines())
    for desk in desks:
        desk.container = ids[desk.name]


class Tile:
    """A head, as the host saw it twice."""

    def __init__(self, vm: Machine, head: int):
        self.head = head
        self.picture = vm.capture(head)
        self.first, self.unreadable = read_strip(self.picture)
        self.second: dict | None = None

    def look_again(self, vm: Machine):
        """Waits until the counter has moved; what it was then is in second, None if it did not."""
        until = time.monotonic() + ALIVE_SECONDS
        while self.first and not self.second and time.monotonic() < until:
            strip, _ = read_strip(vm.capture(self.head))
            if strip and strip["frame"] != self.first["frame"]:
                self.second = strip


def problems(desk: Desk, row: dict | None, tiles: list[Tile]) -> list[str]:
    """What is wrong between what scanoutd lists, what the container said and what the host saw."""
    if row is None:
        return [f"scanoutctl lists no scanout with the label {desk.name}"]
    tile = tiles[row["index"]]
    wrong = []

    def same(what: str, is_, should):
        if is_ != should:
            wrong.append(f"{what} is {is_}, not {should}")

    same("its state", row["state"], "leased")
    same("its holder's container", row["holder"]["container"], desk.container)
    same("the scanout the container got", desk.told["scanout"], row["id"])
    same("the lessee id the container got", desk.told["lessee"], row["lessee"])
    same("the size on the host", tile.picture.size, (WIDTH, HEIGHT))
    same("the listed size", (row["width"], row["height"]), tile.picture.size)
    if tile.first is None:
        wrong.append(f"head {tile.head} shows {tile.unreadable}")
        return wrong
    same(f"the name's hash on head {tile.head}", tile.first["hash"], name_hash(desk.name))
    same(f"the index on head {tile.head}", tile.first["index"], row["index"])
    if tile.second is None:
        wrong.append(f"frame {tile.first['frame']} stood still for {ALIVE_SECONDS} s")
    else:
        same("the name's hash later", tile.second["hash"], name_hash(desk.name))
    return wrong


def check(desks: list[Desk], rows: dict[str, dict], tiles: list[Tile]) -> bool:
    """Prints a line per tile; whether all is right."""
    good = True
    for desk in desks:
        row = rows.get(desk.name)
        wrong = problems(desk, row, tiles)
        if wrong:
            good = False
            print(f"failed  {desk.name}: {'; '.join(wrong)}")
            continue
        tile = tiles[row["index"]]
        width, height = tile.picture.size
        print(f"ok      {desk.name:7} {row['id']:17} head {tile.head:<3} {width}x{height}  "
              f"frame {tile.first['frame']}, later {tile.second['frame']}")
    leased = {row["index"] for row in rows.values()}
    for tile in tiles:
        if tile.head not in leased and tile.first:
            good = False
            print(f"failed  head {tile.head} shows a card, but nobody has leased it")
    return good


def draw_sheet(desks: list[Desk], rows: dict[str, dict], tiles: list[Tile], path: Path):
    shown: list[tuple[Image.Image, list[str]]] = []
    for desk in sorted((d for d in desks if d.name in rows), key=lambda d: rows[d.name]["index"]):
        row = rows[desk.name]
        tile = tiles[row["index"]]
        width, height = tile.picture.size
        frames = [str(strip["frame"]) if strip else "?" for strip in (tile.first, tile.second)]
        shown.append((tile.picture, [
            f"{row['id']}\thead {row['index']}",
            f"{row['label']} · {row['holder']['container'][:12]}\t{width} × {height}",
            f"seen by the host\tframes {frames[0]}, {frames[1]}"]))
    sheet(shown, f"scanoutd\n{len(shown)} containers, each page-flipping its own leased output of "
          "one virtio-gpu\tcaptured by the hypervisor", path)


def end(vm: Machine, desks: list[Desk]) -> bool:
    """Ends all containers; whether each ended well and its scanout came back."""
    good = True
    with ThreadPoolExecutor(len(desks)) as pool:
        codes = list(pool.map(lambda desk: desk.process.terminate(timeout=120), desks))
    flips, seconds = 0, 0.0
    for desk, code in zip(desks, codes):
        if code != 0:
            good = False
            print(f"failed  {desk.name}: ended with {code}: {desk.process.err.strip()}")
            continue
        told = json.loads(desk.process.out.splitlines()[-1])
        flips += told["flips"]
        seconds += told["seconds"]
    if seconds:
        print(f"{flips} flips, {flips / seconds:.1f}/s for each container on average")

    def busy() -> list[str]:
        rows = json.loads(vm.run(["scanoutctl", "list", "--json"]).out)["scanouts"]
        return [f"{row['id']} {row['state']}" for row in rows if row["state"] != "free"]

    until = time.monotonic() + FREE_SECONDS
    while (left := busy()) and time.monotonic() < until:
        time.sleep(0.2)
    if left:
        good = False
        print(f"failed  not free {FREE_SECONDS} s after their containers ended: {', '.join(left)}")
    return good


def show(vm: Machine, clock: Clock, names: list[str], out: Path) -> bool:
    clock.stage("start scanoutd")
    vm.run(["systemctl", "start", "scanoutd"], timeout=120)
    clock.stage(f"size {len(names)} heads")
    size_heads(vm, len(names))
    make_users(vm, names)
    clock.stage(f"start {len(names)} containers")
    desks = [start(vm, name) for name in names]
    for desk in desks:
        wait_first_frame(desk)
    find_ids(vm, desks)

    clock.stage("list")
    print(vm.run(["scanoutctl", "list"]).out, end="", flush=True)
    listed = vm.run(["scanoutctl", "list", "--json"]).out
    (out / "list.json").write_text(listed)
    rows = {row["label"]: row for row in json.loads(listed)["scanouts"] if row["label"]}

    clock.stage(f"capture {vm.head_count} heads, twice")
    tiles = [Tile(vm, head) for head in range(vm.head_count)]
    for tile in tiles:
        tile.look_again(vm)

    clock.stage("check")
    good = check(desks, rows, tiles)
    clock.stage("draw the sheet")
    draw_sheet(desks, rows, tiles, out / "scanouts.png")
    clock.stage("end the containers")
    return end(vm, desks) and good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", type=Path, required=True,
                        help="tree of `make install DESTDIR=…` that runs in the guest")
    parser.add_argument("--count", type=int, default=6, help="containers (default: 6)")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    arguments = parser.parse_args()
    if not arguments.stage.is_dir():
        parser.error(f"--stage: no directory {arguments.stage}")
    if not 1 <= arguments.count <= 16:
        parser.error("--count: a virtio-gpu has 1 to 16 heads")

    # SIGTERM unwinds like an error, so that the machine is shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    names = [f"desk{number + 1}" for number in range(arguments.count)]
    clock = Clock()
    good = False
    with Machine(out / "vm", stage=arguments.stage) as vm:
        try:
            clock.stage("boot the machine")
            vm.start()
            good = show(vm, clock, names, out)
        except (AssertionError, GuestError, ImageError) as error:
            print(f"failed  {error}", flush=True)
        if vm.shell and not vm.why_dead():
            journal = vm.journal("scanoutd.service")
            (out / "journal.txt").write_text(journal)
            if not good:
                print(f"--- journal of scanoutd.service\n{journal}", end="")
    print(clock.summary())
    if good:
        print(f"{len(names)} containers, each alone on its scanout: see {out / 'scanouts.png'}")
    else:
        print(f"the demo failed; logs are in {out}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Desktops in containers in a VM, each on a scanout of its own, seen from outside the VM.

Boots the test machine, starts scanoutd in it and a number of unprivileged containers that know no
more than its guest socket: unpatched desktops from Debian's packages with a terminal on each, and
test cards. Captures every head on the host, checks that each shows the desktop or the card of the
container that scanoutd names, and writes scanouts.png and list.json.
"""

import argparse
import json
import re
import shlex
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from heads import is_placeholder  # noqa: E402
from image import ImageError  # noqa: E402
from machine import GuestError, Machine, Process  # noqa: E402
from picture import banner, name_hash, read_strip, share, sheet  # noqa: E402
from scanouts import size_heads  # noqa: E402

TESTCARD = "/usr/lib/scanoutd-tests/testcard"
# What the terminals run; in the guest's root, and so in the containers'.
FILES = "/usr/lib/scanoutd-demo"
SIZE = (1920, 1080)
UID = 4711
CARD_FPS = 5
# A desktop's own clock is in the topmost rows; it goes without any client.
PANEL = 40
CONTAINER_SECONDS = 180
ALIVE_SECONDS = 30
FREE_SECONDS = 30


@dataclass
class Program:
    """A desktop, and how the host recognises it."""

    package: str
    title: str
    seat: str
    command: str
    says: str
    clients: str = ""  # started by the desktop itself
    beside: str = ""  # started beside it, once there is the socket
    socket: str = ""
    size: tuple[int, int] | None = None
    colour: str = ""  # of its terminal
    options: list[str] = field(default_factory=list)


def foot(colour: str, size: str, text: int, command: str) -> str:
    return (f"foot -o initial-window-size-pixels={size} "
            f"-o 'font=DejaVu Sans Mono:pixelsize={text}' -o pad=16x12 "
            f"-o colors.alpha=1.0 -o colors.background={colour} "
            f"-o colors.foreground=f4f4f4 {command}")


MUTTER = f"dbus-run-session -- mutter --wayland --display-server --no-x11 -- {FILES}/$NAME-clients"
PROGRAMS = {
    "mutter": Program(
        "mutter", "Mutter", "logind", MUTTER, "GNOME's compositor, by logind",
        foot("2a2a32", "1180x640", 28, f"{FILES}/$NAME"), size=(1360, 768), colour="2a2a32"),
    "mutter2": Program(
        "mutter", "Mutter", "logind", MUTTER, "a second Mutter, in full HD",
        foot("4a1b4a", "1240x640", 25, f"{FILES}/$NAME") + " &\n"
        + foot("4a1b4a", "900x380", 17, "top -d 5"), colour="4a1b4a"),
    "sway": Program(
        "sway", "sway", "seatd", f"sway -c {FILES}/sway.conf", "wlroots and pixman, by seatd",
        foot("0f4530", "900x800", 28, f"{FILES}/$NAME") + " &\nsleep 3\n"
        + foot("0f4530", "600x800", 17, "top -d 5"), size=(1600, 900), colour="0f4530"),
    "weston": Program(
        "weston", "weston", "weston-launch",
        f"weston --config={FILES}/weston.ini --idle-time=0 --use-pixman --continue-without-input",
        "pixman, by weston-launch", beside="weston-terminal '--font=DejaVu Sans Mono' "
        f"--font-size=18 --shell={FILES}/$NAME",
        socket="/tmp/wayland-1", size=(1360, 768),
        options=["--env", "XDG_RUNTIME_DIR=/tmp", "--env", "WAYLAND_DISPLAY=wayland-1"]),
    "xorg": Program(
        "xserver-xorg-core", "Xorg", "fd",
        "Xorg :1 -seat scanout3 -nolisten tcp -masterfd @FD@", "modesetting, on -masterfd",
        beside="xterm -bg '#5a3210' -fg '#f4f4f4' -cr '#5a3210' -b 16 -fa 'DejaVu Sans Mono' "
        f"-fs 20 -geometry 74x21+60+40 -e {FILES}/$NAME",
        socket="/tmp/.X11-unix/X1", size=(1360, 768), colour="5a3210",
        options=["--env", "DISPLAY=:1"]),
    "kmscube": Program(
        "kmscube", "kmscube", "preload",
        # It ends once there is something to read.
        "sh -c 'sleep infinity | nice -n 19 kmscube -D /dev/dri/card0 -v 1360x768'",
        "OpenGL in software", size=(1360, 768), options=["--env", "LP_NUM_THREADS=1"]),
}

# No process but sleep is started for a new second: there are few cycles to spare.
TEXT = """#!/bin/bash
printf '\\033[?25l\\033[2J'
while :; do
	read -r up _ </proc/uptime
	read -r load _ </proc/loadavg
	printf '\\033[H\\n{banner}\\n'
	printf '  {title}\\n  {says}\\n\\n'
	printf '  %(%A, %d %B %Y)T\\033[K\\n  \\033[1m%(%H:%M:%S)T\\033[22m\\033[K\\n\\n' -1 -1
	printf '  container  %s, uid %s\\033[K\\n' "$HOSTNAME" "$UID"
	printf '  kernel     %s\\033[K\\n' '{kernel}'
	printf '  up         %d min %02d s, load %s\\033[K\\n' $((${{up%.*}} / 60)) \\
		$((${{up%.*}} % 60)) "$load"
	sleep 1
done
"""
SWAY = f"""default_border pixel 3
gaps inner 16
gaps outer 8
exec {FILES}/sway-clients
"""
WESTON = """[core]
idle-time=0
[shell]
background-color=0xff28384c
panel-color=0xe0101820
clock-format=seconds
locking=false
"""


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


@dataclass
class Desk:
    """A container, what it said of itself, and what the host saw of it."""

    name: str
    program: Program | None  # none: a test card
    process: Process | None = None
    container: str = ""  # its 64 digit id
    told: dict | None = None
    version: str = ""
    client: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return self.program and self.program.size or SIZE

    @property
    def title(self) -> str:
        return f"{self.program.title} {self.version}" if self.program else "test card"


def write_files(vm: Machine, desks: list[Desk]):
    """What the desktops' clients run, and the desktops' configuration."""
    packages = sorted({desk.program.package for desk in desks if desk.program})
    told = vm.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages]).out
    versions = {package: re.sub(r"^\d+:|[-+~].*", "", version)
                for package, version in (line.split() for line in told.splitlines())}
    kernel = vm.run(["uname", "-sr"]).out.strip()
    files = {"sway.conf": SWAY, "weston.ini": WESTON}
    for desk in desks:
        program = desk.program
        if not program:
            continue
        version = versions[program.package]
        # kmscube and the like are numbered by the day.
        desk.version = "" if re.match(r"0\.0|\d{6}", version) else version
        files[desk.name] = TEXT.format(
            banner="\\n".join(f"  {line}" for line in banner(desk.name)),
            title=desk.title.strip(), says=program.says.replace("'", "'\\''"), kernel=kernel)
        wait = (f"until test -S {program.socket}; do sleep 0.3; done\n"
                if program.beside else "")
        clients = (program.clients or program.beside).replace("$NAME", desk.name)
        if clients:
            files[f"{desk.name}-clients"] = f"#!/bin/sh\n{wait}{clients}\n"
    script = f"mkdir -p {FILES} && cd {FILES} &&" + "".join(
        f" printf %s {shlex.quote(text)} > {name} && chmod 755 {name} &&"
        for name, text in files.items()) + " true"
    vm.run(["bash", "-s"], input=script.encode())


def start(vm: Machine, desk: Desk, number: int):
    """A container on the guest's own root, below a layer of its own that is thrown away.

    Its uid is nobody's and it has no capability. The guest socket is all it can ask for a picture;
    the card's node is there to be looked at, not to be opened.
    """
    name, program = desk.name, desk.program
    run = ["scanout-run", "--label", name, "--timeout", "3min"]
    if program:
        if program.size and program.title != "kmscube":
            run += ["--size", "{}x{}".format(*program.size)]
        run += ["--seat", program.seat, "--",
                *shlex.split(program.command.replace("$NAME", name))]
    else:
        run += ["--seat", "fd", "--", "nice", "-n", "19",
                TESTCARD, "--name", name, "--fps", str(CARD_FPS)]
    if program and program.beside:
        run = ["sh", "-c", f'{FILES}/{name}-clients & exec "$@"', "sh", *run]
    desk.process = vm.spawn([
        "podman", "run", "--rm", "--name", name, "--hostname", name,
        "--user", f"{UID + number}:{UID + number}", "--cap-drop", "all",
        "--security-opt", "no-new-privileges", "--network", "none", "--no-hosts",
        "--log-driver", "none", "--volume", "/run/scanoutd/guest:/run/scanoutd/guest",
        "--device", "/dev/dri/card0:/dev/dri/card0:m",
        *(part for place in ("/run/systemd", "/run/udev", "/tmp")
          for part in ("--tmpfs", f"{place}:rw,mode=1777,notmpcopyup")),
        "--env", "HOME=/tmp", "--env", "LANG=C.UTF-8", *(program.options if program else []),
        "--rootfs", "/:O", *run])


def list_rows(vm: Machine) -> dict[str, dict]:
    """What is leased, by its label."""
    listed = json.loads(vm.run(["scanoutctl", "list", "--json"]).out)["scanouts"]
    return {row["label"]: row for row in listed if row["label"]}


def is_there(desk: Desk, picture: Image.Image) -> bool:
    """Whether a desktop has its size and its terminal is on it."""
    if is_placeholder(picture) or picture.size != desk.size:
        return False
    return not desk.program.colour or share(picture, desk.program.colour) > 0.1


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Whether a client has drawn between the two pictures of a head."""
    if one.size != other.size:
        return True
    below = (0, PANEL, *one.size)
    return ImageChops.difference(one.convert("RGB").crop(below),
                                 other.convert("RGB").crop(below)).getbbox() is not None


def wait_shown(vm: Machine, clock: Clock, desks: list[Desk]):
    """Until each card has told of its first frame, and each desktop shows its client.

    What does not come is left to check().
    """
    until = time.monotonic() + CONTAINER_SECONDS
    rows: dict[str, dict] = {}
    before: dict[str, Image.Image] = {}
    left = list(desks)
    while left:
        for desk in list(left):
            if desk.process.poll() is not None:
                print(f"failed  {desk.name}: ended with {desk.process.wait()}: "
                      f"{desk.process.out}{desk.process.err}".strip(), flush=True)
                left.remove(desk)
                continue
            if not desk.program:
                if "\n" not in desk.process.out:
                    continue
                desk.told = json.loads(desk.process.readline(1))
            else:
                if desk.name not in rows:
                    continue
                picture = vm.capture(rows[desk.name]["index"])
                if not is_there(desk, picture):
                    continue
                # The first picture of a client may be empty; it is there once it has changed.
                if not differs(before.setdefault(desk.name, picture), picture):
                    continue
            left.remove(desk)
            clock.say(f"{desk.name} is there")
        if left and time.monotonic() > until:
            for desk in left:
                print(f"failed  {desk.name}: not there within {CONTAINER_SECONDS} s: "
                      f"{desk.process.out}{desk.process.err}".strip(), flush=True)
            return
        time.sleep(0.5)
        if any(desk.name not in rows for desk in left):
            rows = list_rows(vm)


def find_ids(vm: Machine, desks: list[Desk]):
    shown = vm.run(["podman", "ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}"]).out
    ids = dict(line.split() for line in shown.splitlines())
    for desk in desks:
        desk.container = ids.get(desk.name, "")


class Tile:
    """A head, as the host saw it twice."""

    def __init__(self, vm: Machine, head: int):
        self.head = head
        self.picture = vm.capture(head)
        self.blank = is_placeholder(self.picture)
        self.first, self.unreadable = read_strip(self.picture)
        self.second: dict | None = None
        self.moved = False

    def look_again(self, vm: Machine):
        """Waits until the picture has changed; for a card, until the counter has."""
        until = time.monotonic() + ALIVE_SECONDS
        while not self.blank and not self.moved and time.monotonic() < until:
            picture = vm.capture(self.head)
            if self.first:
                self.second, _ = read_strip(picture)
                self.moved = bool(self.second) and self.second["frame"] != self.first["frame"]
            else:
                self.moved = differs(self.picture, picture)


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
    same("the size on the host", tile.picture.size, desk.size)
    same("the listed size", (row["width"], row["height"]), tile.picture.size)
    if not tile.moved:
        wrong.append(f"the picture on head {tile.head} stood still for {ALIVE_SECONDS} s")
    if desk.program:
        if not is_there(desk, tile.picture):
            wrong.append(f"head {tile.head} does not show its terminal")
        if desk.program.colour:
            # A head with a strip shows a card, of whatever colour: whose it is is checked there.
            wrong += [f"its terminal is on head {other.head} as well" for other in tiles
                      if other is not tile and not other.first
                      and share(other.picture, desk.program.colour) > 0.02]
        return wrong
    same("the scanout the container got", desk.told and desk.told["scanout"], row["id"])
    if tile.first is None:
        wrong.append(f"head {tile.head} shows {tile.unreadable}")
        return wrong
    for when, strip in (("", tile.first), (" later", tile.second)):
        if strip:
            same(f"the name's hash on head {tile.head}{when}", strip["hash"], name_hash(desk.name))
            same(f"the index on head {tile.head}{when}", strip["index"], row["index"])
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
        seen = (f"frame {tile.first['frame']}, later {tile.second['frame']}" if tile.first
                else f"{desk.title.strip()}, alive")
        print(f"ok      {desk.name:7} {row['id']:17} head {tile.head:<3} {width}x{height}  {seen}")
    leased = {row["index"] for row in rows.values()}
    for tile in tiles:
        if tile.head not in leased and not tile.blank:
            good = False
            print(f"failed  head {tile.head} shows something, but nobody has leased it")
    return good


def draw_sheet(desks: list[Desk], rows: dict[str, dict], tiles: list[Tile], path: Path):
    """The desktops first, in the order of their containers."""
    shown: list[tuple[Image.Image, list[str]]] = []
    for desk in desks:
        if desk.name not in rows:
            continue
        row = rows[desk.name]
        tile = tiles[row["index"]]
        width, height = tile.picture.size
        how = desk.program.seat if desk.program else "fd"
        shown.append((tile.picture, [
            f"{desk.title.strip()}\t{width} × {height}",
            f"{row['id']} · {row['holder']['container'][:12]}\t{how}"]))
    sheet(shown, f"scanoutd\n{len(shown)} unprivileged containers, each with a leased output of "
          "one virtio-gpu\tcaptured by the hypervisor", path)


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


def show(vm: Machine, clock: Clock, desks: list[Desk], out: Path) -> bool:
    clock.stage("start scanoutd")
    vm.run(["systemctl", "start", "scanoutd"], timeout=120)
    clock.stage(f"size {len(desks)} heads")
    size_heads(vm, len(desks), *SIZE)
    write_files(vm, desks)
    clock.stage(f"start {len(desks)} containers")
    for number, desk in enumerate(desks):
        start(vm, desk, number)
    wait_shown(vm, clock, desks)
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
    with Machine(out / "vm", stage=arguments.stage, set="desktops") as vm:
        try:
            clock.stage("boot the machine")
            vm.start()
            good = show(vm, clock, desks, out)
        except (AssertionError, GuestError, ImageError) as error:
            print(f"failed  {error}", flush=True)
        if vm.shell and not vm.why_dead():
            journal = vm.journal("scanoutd.service")
            (out / "journal.txt").write_text(journal)
            if not good:
                print(f"--- journal of scanoutd.service\n{journal}", end="")
    print(clock.summary())
    if good:
        print(f"{len(desks)} containers, each alone on its scanout: see {out / 'scanouts.png'}")
    else:
        print(f"the demo failed; logs are in {out}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""The containers of the demo."""

import re
import shlex
from dataclasses import dataclass

from demo_programs import FILES, SWAY, TEXT, WESTON, Program
from machine import Machine, Process
from picture import banner

TESTCARD = "/usr/lib/scanoutd-tests/testcard"
SIZE = (1920, 1080)
UID = 4711
CARD_FPS = 2  # all of them together leave the desktops their CPU time


@dataclass
class Desk:
    """A container, what it said of itself, and what the host saw of it."""

    name: str
    program: Program | None  # none: a test card
    process: Process | None = None
    container: str = ""  # its 64 digit id
    told: dict | None = None
    frame: int | None = None  # of a card: the number on its first picture
    is_alive: bool = False  # whether its picture was seen to change
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
        "--log-driver", "none", "--volume", "/run/scanoutd/guest:/run/scanoutd/guest:ro",
        "--device", "/dev/dri/card0:/dev/dri/card0:m",
        *(part for place in ("/run/systemd", "/run/udev", "/tmp")
          for part in ("--tmpfs", f"{place}:rw,mode=1777,notmpcopyup")),
        "--env", "HOME=/tmp", "--env", "LANG=C.UTF-8", *(program.options if program else []),
        "--rootfs", "/:O", *run])

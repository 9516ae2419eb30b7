"""scanout-host, as the tests in the VM's bed see it: on the real QEMU."""

import contextlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import PIL.Image

import machine
from pace import wait_until
from qemu import qemu

BUILD = Path(__file__).resolve().parents[2] / "build"
SCANOUT_HOST = os.environ.get("SCANOUT_HOST", str(BUILD / "scanout-host"))
PROBE_VIDEO = os.environ.get("PROBE_VIDEO", str(BUILD / "probe-video"))


def run(address: str, *arguments) -> str:
    """A command of scanout-host to its end, which is a good one; what it prints."""
    command = [SCANOUT_HOST, "--address", address, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (command, done)
    return done.stdout


def shot(address: str, head: int, path: Path) -> PIL.Image.Image:
    run(address, "shot", head, "-o", path)
    with PIL.Image.open(path) as picture:
        picture.load()
    return picture


@contextlib.contextmanager
def recording(address: str, heads: int | Iterable[int], path: Path, *options, stdout=None):
    """A recording that runs, of a head into a file, or of some into a folder; it is killed at the
    end if the test has not ended it."""
    if isinstance(heads, int):
        heads = [heads]
        path.write_bytes(b"")
    process = machine.start_child(
        [SCANOUT_HOST, "--address", address, "record", *heads, "-o", path, *options],
        stdout=stdout, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_recorded(path: Path, more_than: int) -> int:
    """Until the file has more bytes; how many."""
    wait_until(lambda: path.stat().st_size > more_than, 30, f"{path.name} grows")
    return path.stat().st_size


def frames(path: Path) -> list[tuple[int, ...]]:
    """What a player shows: µs, whether it is a key frame, width, height, and the middle's colour."""
    out = subprocess.run([PROBE_VIDEO, path], check=True, capture_output=True, text=True).stdout
    return [tuple(map(int, line.split())) for line in out.splitlines()]


class BareQemu:
    """The bed's QEMU with a GPU on a bus of its own, and nothing that could boot."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.address = f"unix:path={directory}/bus"
        (directory / "bus.conf").write_text(
            machine.BUS_CONFIG.format(path=directory / "bus"))
        self.bus = machine.start_child(
            ["dbus-daemon", f"--config-file={directory}/bus.conf", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE)
        self.bus.stdout.readline()
        self.qemu = None

    def start(self):
        arguments = run(self.address, "qemu-args", "-n", 2).split()
        emulator = qemu()
        self.qemu = machine.start_child(
            emulator.command("-machine", "pc", "-m", "64", "-nodefaults", "-no-user-config",
                             *arguments),
            stdin=subprocess.DEVNULL, env=emulator.environment(TMPDIR=str(self.directory)))

    def kill(self):
        self.qemu.kill()
        self.qemu.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.qemu:
            self.kill()
        self.bus.kill()
        self.bus.wait()
        self.bus.stdout.close()

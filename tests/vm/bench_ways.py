"""The ways in which a desktop's pictures reach the host, each as its consumer sees it."""

import json
import resource
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import host
from machine import GuestError, Machine, Process

SIZE = (1920, 1080)
PIXELS = SIZE[0] * SIZE[1]
PORT = 9000
SENDER = "/usr/lib/scanoutd-tests/sender"


@dataclass
class Taken:
    """What a way has brought of all its scanouts together."""

    frames: float
    seconds: float
    cpu: float       # seconds of the consumer's
    age_ms: float | None = None  # from its coming until it was read, p50
    late_ms: float | None = None  # and p99

    @property
    def per_second(self) -> float:
        return self.frames / self.seconds


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[float], float], seconds: float) -> Taken:
    """`work` takes pictures until this time, and returns how many."""
    cpu, began = own_cpu(), time.monotonic()
    frames = work(began + seconds)
    return Taken(frames, time.monotonic() - began, own_cpu() - cpu)


# By QEMU's D-Bus display

def by_dbus(vm: Machine, count: int, seconds: int, *options: str) -> Taken:
    said = json.loads(host.run(vm.bus_address, "measure", "--json", "--seconds", seconds,
                               *options, *range(count)))
    rows = said["scanouts"]
    kind = "messages" if options else "map"
    if any(row["capture"] != kind for row in rows):
        raise GuestError(f"not all pictures came by {kind}: {rows}")
    return Taken(sum(row["read"] for row in rows), said["seconds"], said["cpu_usec"] / 1e6,
                 max(row["age_p50_usec"] for row in rows) / 1e3,
                 max(row["age_p99_usec"] for row in rows) / 1e3)


def by_maps(vm: Machine, count: int, seconds: int) -> Taken:
    return by_dbus(vm, count, seconds)


def by_messages(vm: Machine, count: int, seconds: int) -> Taken:
    return by_dbus(vm, count, seconds, "--copies")


# By QEMU's monitor

def by_screendump(vm: Machine, count: int, seconds: int) -> Taken:
    """One picture after the other: a file, which is read."""
    file = vm.directory / "dump.ppm"

    def work(until: float) -> int:
        frames = 0
        while time.monotonic() < until:
            vm.qmp("screendump", filename=str(file), device="gpu0", head=frames % count)
            file.read_bytes()
            frames += 1
        return frames
    return timed(work, seconds)


# By VNC

class Viewer:
    """A client of RFC 6143 that takes pictures as they are, one request after the other."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.buffer = bytearray(4 * PIXELS)
        self.take(12)
        self.socket.sendall(b"RFB 003.008\n")
        self.take(self.take(1)[0])
        self.socket.sendall(b"\1")  # no authentication
        self.take(4)
        self.socket.sendall(b"\1")  # others may look, too
        self.size = struct.unpack(">HH", self.take(4))
        self.take(struct.unpack(">16xI", self.take(20))[0])
        self.socket.sendall(struct.pack(">BxHi", 2, 1, 0))  # raw pixels
        self.update(0)

    def take(self, size: int) -> memoryview:
        if size > len(self.buffer):
            self.buffer = bytearray(size)
        view, done = memoryview(self.buffer)[:size], 0
        while done < size:
            n = self.socket.recv_into(view[done:])
            if n == 0:
                raise GuestError("QEMU closed the connection of a VNC viewer")
            done += n
        return view

    def update(self, is_more: int = 1):
        """The next picture, or the part of it that has changed."""
        self.socket.sendall(struct.pack(">BBHHHH", 3, is_more, 0, 0, *self.size))
        kind, rectangles = struct.unpack(">BxH", self.take(4))
        if kind != 0:
            raise GuestError(f"QEMU sent a VNC message of type {kind}")
        for _ in range(rectangles):
            width, height, encoding = struct.unpack(">4xHHi", self.take(12))
            if encoding != 0:
                raise GuestError(f"QEMU sent VNC encoding {encoding}")
            self.take(4 * width * height)


def vnc_options(folder: Path, count: int) -> list[str]:
    return [part for head in range(count) for part in
            ("-vnc", f"unix:{folder}/vnc-{head},display=gpu0,head={head}")]


def by_vnc(folder: Path, count: int, seconds: int) -> Taken:
    viewers = [Viewer(folder / f"vnc-{head}") for head in range(count)]
    frames = [0] * count

    def look(number: int, until: float):
        while time.monotonic() < until:
            viewers[number].update()
            frames[number] += 1

    def work(until: float) -> int:
        threads = [threading.Thread(target=look, args=(number, until)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(frames)
    taken = timed(work, seconds)
    for viewer in viewers:
        viewer.socket.close()
    return taken


# By TCP, from a compositor without an output

class Sender:
    """The guest's program, and how the host reaches it."""

    def __init__(self, vm: Machine, kind: str):
        self.frame = PIXELS * 4 if kind == "bgra" else PIXELS * 3 // 2
        self.vm = vm
        self.process: Process = vm.spawn(
            f"exec {SENDER} {kind} {SIZE[0]}x{SIZE[1]} {PORT}")
        if self.process.readline(60).strip() != "ready":
            raise GuestError(f"the sender does not start: {self.process.err}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.forward("hostfwd_add", f"tcp:127.0.0.1:{self.port}-:{PORT}")

    def forward(self, command: str, what: str):
        told = self.vm.qmp("human-monitor-command",
                           **{"command-line": f"{command} net0 {what}"}).strip()
        if told and "removed" not in told:
            raise GuestError(told)

    def take(self, count: int, seconds: int) -> Taken:
        selector = selectors.DefaultSelector()
        for _ in range(count):
            selector.register(socket.create_connection(("127.0.0.1", self.port)),
                              selectors.EVENT_READ)
        buffer = bytearray(1 << 20)

        def work(until: float) -> float:
            n_bytes = 0
            while time.monotonic() < until:
                for key, _ in selector.select(1):
                    n_bytes += key.fileobj.recv_into(buffer)
            return n_bytes / self.frame
        work(time.monotonic() + 2)  # what is buffered is full then
        taken = timed(work, seconds)
        for key in list(selector.get_map().values()):
            key.fileobj.close()
        return taken

    def end(self):
        self.forward("hostfwd_remove", f"tcp:127.0.0.1:{self.port}")
        self.process.terminate()

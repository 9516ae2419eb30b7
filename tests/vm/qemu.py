#!/usr/bin/python3
"""QEMU of the bed's own, the same on every machine: Debian's, from a tree in the cache."""

import os
from dataclasses import dataclass
from pathlib import Path

import cache
import root

SUITE = "trixie"
PACKAGES = ["qemu-system-x86", "qemu-system-modules-opengl"]  # the latter has -display dbus
LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Qemu:
    """Its programs run on this machine as they are, and so see all of its files: by their own
    loader, with their own libraries."""

    directory: Path

    @property
    def libraries(self) -> Path:
        return self.directory / LIBRARIES

    def command(self, *arguments) -> list[str]:
        tree = self.directory / "usr"
        return [str(part) for part in (
            self.libraries / "ld-linux-x86-64.so.2", "--inhibit-cache",
            "--library-path", self.libraries, tree / "bin/qemu-system-x86_64",
            "-L", tree / "share/qemu", "-L", tree / "share/seabios", *arguments)]

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the machine's is to be loaded into it, modules and preloads neither."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LD_")}
        return {**ours, "QEMU_MODULE_DIR": str(self.libraries / "qemu"),
                "GIO_MODULE_DIR": str(self.libraries / "gio/modules"), **more}


def qemu() -> Qemu:
    """Unpacked now if no run before has done it."""
    def make(making: cache.Making):
        root.unpack(making, making.directory / "root", SUITE, PACKAGES, installed=False)

    key = root.key(SUITE, *PACKAGES)
    return Qemu(cache.made("qemu", SUITE, key, make) / "root")


if __name__ == "__main__":
    print(qemu().directory)

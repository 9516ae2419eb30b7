#!/usr/bin/python3
"""The guest's disk, kernel and initrd, of Debian packages of any suite."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cache
import guest_build
import root
import suites
from cache import ImageError
from guest_content import MARK

__all__ = ["MARK", "Image", "ImageError", "image"]

PACKAGES = Path(__file__).resolve().parent / "packages"


@dataclass(frozen=True)
class Image:
    """A finished guest: these files are shared by every run and never written again."""

    directory: Path

    @property
    def key(self) -> str:
        return self.directory.name

    @property
    def disk(self) -> Path:
        return self.directory / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.img"

    @property
    def ssh_key(self) -> Path:
        return self.directory / "ssh_key"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"


def packages(set: str, suite: str) -> list[str]:
    """A line is a package and, where it is not one of every suite, those that have it."""
    files = [PACKAGES / f"{name}.txt" for name in dict.fromkeys(["base", set])]
    for file in files:
        if not file.exists():
            known = ", ".join(sorted(f.stem for f in PACKAGES.glob("*.txt")))
            raise ImageError(f"no package set '{set}'; there are: {known}")
    lines = [line.split() for file in files for line in file.read_text().splitlines()]
    return [line[0] for line in lines
            if line and line[0] != "#" and (len(line) == 1 or suite in line[1:])]


def image(set: str = "base", suite: str = suites.DEFAULT) -> Image:
    """The image of a package set, built now if no run before has built the same one."""
    suites.checked(suite)
    names = packages(set, suite)
    key = root.key(suite, *names, files=("guest_build.py", "guest_content.py"))
    return Image(cache.made("guest", f"{suite}-{set}", key,
                            lambda making: guest_build.build(making, suite, names)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="base", help="package set (tests/vm/packages/*.txt)")
    parser.add_argument("--suite", default=suites.DEFAULT,
                        help=f"{', '.join(suites.SUITES)} (default: {suites.DEFAULT})")
    arguments = parser.parse_args()
    try:
        print(image(arguments.set, arguments.suite).directory)
    except ImageError as error:
        print(f"image.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Run a command in this tree as seen from a root of another suite that has what building needs."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import cache
import root
import suites

TREE = Path(__file__).resolve().parents[2]
# What every Debian has, but for a tree of no more than what is named and needed.
ESSENTIAL = ["bash", "coreutils", "dash", "diffutils", "findutils", "grep", "mawk", "sed"]

# The root is shared with others, so nothing is written there.
ENTER = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && mount --bind "$2" "$1/tree" &&
mount --rbind /dev "$1/dev" && mount -t tmpfs tmp "$1/tmp" || exit
root=$1
shift 2
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'cd /tree && exec "$@"' sh "$@"
"""


def buildroot(suite: str) -> Path:
    """Unpacked now if no run before has done it."""
    suites.checked(suite)
    listed = subprocess.run([TREE / "tests/deps.sh", "list"], check=True, capture_output=True,
                            text=True).stdout
    packages = [*ESSENTIAL, *listed.split()]

    def make(making: cache.Making):
        tree = making.directory / "root"
        root.unpack(making, tree, suite, packages, installed=False)
        for name in ("tree", "dev", "tmp"):
            (tree / name).mkdir(exist_ok=True)

    return cache.made("buildroot", suite, root.key(suite, *packages), make) / "root"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default=suites.DEFAULT,
                        help=f"{', '.join(suites.SUITES)} (default: {suites.DEFAULT})")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        place = buildroot(arguments.suite)
    except cache.ImageError as error:
        print(f"buildroot.py: {error}", file=sys.stderr)
        return 1
    # It ends when this process does, however it does.
    os.execvp("setpriv", ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                          "--kill-child", "sh", "-c", ENTER, "sh", str(place), str(TREE),
                          *arguments.command])


if __name__ == "__main__":
    sys.exit(main())

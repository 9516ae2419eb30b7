"""A tree of Debian packages of any suite, by mmdebstrap."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import suites
from cache import Making, remove

HERE = Path(__file__).resolve().parent
STEP = re.compile(r"I: (running apt-get update|downloading|extracting|installing)[^.]*")


def key(*parts: str, files: Iterable[str] = ()) -> str:
    """Of what is made from these words and by these files of ours, and by this one."""
    digest = hashlib.sha256("\n".join(parts).encode())
    for name in ("root.py", *files):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def unpack(making: Making, root: Path, suite: str, packages: list[str], *, installed: bool = True,
           left_out: Iterable[str] = ()):
    """Packages and their needs as a tree: installed, or else just unpacked, in a fraction of the
    time, with no script of theirs run and nothing but what is named and needed."""
    sources = making.directory / "sources"
    sources.mkdir()
    making.say(f"{len(packages)} packages of Debian {suite}, and their needs")
    # In namespaces of its own: however this ends, what runs in the root and what is mounted
    # there, /dev and /proc of this machine among it, is gone before the directory is removed.
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
             "--kill-child", "--mount-proc"]

    def heard(line: str):
        step = STEP.match(line)
        if step:
            making.say(step[0].removeprefix("I: "))

    # INITRD=No keeps the kernel package from making the general initrd we do not use.
    making.call(*alone, "mmdebstrap", "--mode=root", "--format=directory",
                f"--variant={'essential' if installed else 'extract'}",
                "--include=" + ",".join(packages),
                "--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Retries 3",
                *(f"--aptopt={setting}" for setting in suites.settings(suites.apt_config())),
                # One that a crash leaves half written is not used.
                "--dpkgopt=force-unsafe-io",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in left_out),
                "--skip=check/empty", suite, root, *suites.sources(suite, sources),
                env={**os.environ, "INITRD": "No", "TMPDIR": str(making.directory)}, heard=heard)
    remove(sources)

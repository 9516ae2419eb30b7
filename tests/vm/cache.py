"""What takes minutes to make: made once, cached by content, shared by all clones."""

import fcntl
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

UNUSED_DAYS = 14


class ImageError(Exception):
    """Something that the machines are made of cannot be made."""


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "scanoutd"


def remove(directory: Path):
    """Delete a tree, but never what something may have mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


class Making:
    """One thing that is being made, in a directory beside its final place."""

    def __init__(self, kind: str, name: str):
        cache = cache_directory()
        self.kind, self.name = kind, name
        self.directory = cache / f"making-{kind}-{name}-{os.getpid()}"
        self.log = cache / f"making-{kind}-{name}.log"
        self.started = time.monotonic()

    def say(self, what: str):
        print(f"{self.kind}: {time.monotonic() - self.started:4.0f} s  {self.name}: {what}",
              flush=True)

    def call(self, *command, env: dict | None = None, heard: Callable[[str], None] | None = None):
        """Run a command to its end, its output in the log; `heard` is told each line of it."""
        with open(self.log, "a") as log:
            child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, env=env,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     errors="replace")
            for line in child.stdout:
                log.write(line)
                if heard:
                    heard(line)
            code = child.wait()
        if code != 0:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise ImageError(f"{' '.join(map(str, command))[:60]}… failed with {code}; "
                             f"the end of {self.log}:\n{tail}")


def made(kind: str, name: str, key: str, make: Callable[[Making], None]) -> Path:
    """The finished directory with this key, made now if no run before has made the same one."""
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    finished = cache / f"{kind}-{key}"
    if finished.exists():
        os.utime(finished)
        return finished
    with open(cache / f"making-{kind}-{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{kind}: {name} is being made by somebody else, waiting for that", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            make_now(Making(kind, name), finished, make)
    return finished


def make_now(making: Making, finished: Path, make: Callable[[Making], None]):
    """The lock is held throughout."""
    if os.geteuid() != 0:
        raise ImageError(f"making the {making.kind} needs root: its files belong to many users. "
                         "Type the command again as root")
    # Whoever held the lock before and was killed could not clean up.
    for left_over in finished.parent.glob(f"making-{making.kind}-{making.name}-[0-9]*"):
        remove(left_over)
    making.directory.mkdir()
    making.log.write_text("")
    try:
        make(making)
        making.directory.rename(finished)
        # Each change of what such a thing is made from leaves one that nobody asks for any more.
        for old in finished.parent.glob(f"{making.kind}-*"):
            if time.time() - old.stat().st_mtime > UNUSED_DAYS * 86400:
                remove(old)
        making.say(f"done: {finished}")
    finally:
        remove(making.directory)

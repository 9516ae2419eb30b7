"""A container in the guest, whichever engine made it: what it has done so far."""

import time
import zlib
from collections.abc import Callable

from machine import GuestError, Machine, Process, wait_until
from pace import Movement

# A folder for the shaders that llvmpipe has compiled, which all containers of a machine share. To
# compile them is half of what Mutter's start costs under emulation (103 s of CPU time, then 51).
SHADERS = "/run/mesa"
SHADER_OPTIONS = f"-v {SHADERS}:{SHADERS} -e MESA_SHADER_CACHE_DIR={SHADERS}"

# The id of the container with this name, from the command line of podman's conmon or from docker's
# file, without a call to any engine.
ID = r"""
name={name}
id=$(pgrep -fa "^[^ ]*conmon .* -n $name " | sed -n 's/.* -c \([0-9a-f]\{{64\}}\) .*/\1/p')
[ -n "$id" ] || id=$(grep -ls "\"Name\":\"/$name\"" /var/lib/docker/containers/*/config.v2.json |
    cut -d/ -f6)
"""
# Its control group, or that of systemd's machine or service with this name.
GROUP = ID + r"""
group=$(find /sys/fs/cgroup -type d \( -name "libpod-$id.scope" -o -name "docker-$id.scope" \
    -o -name "machine-$name.scope" -o -name "$name.service" \) -prune | head -1)
"""
USED = GROUP + r"""
[ -z "$group" ] || sed -n 's/^usage_usec //p' $group/cpu.stat
"""
KILL = GROUP + "echo 1 > ${{group:?none}}/cgroup.kill"


class Container:
    """`process` started it and lives as long; `head` is where its picture is, when that is known."""

    def __init__(self, vm: Machine, name: str, process: Process):
        self.vm, self.name, self.process = vm, name, process
        self.head: int | None = None
        self.looked: tuple[float, Movement] | None = None

    @property
    def told(self) -> str:
        return f"{self.name}: {self.process.out}{self.process.err}"

    @property
    def id(self) -> str:
        return self.vm.run(ID.format(name=self.name) + "echo $id").out.strip()

    def used(self) -> float:
        """Seconds of CPU time, without those of the engine."""
        try:
            return int(self.vm.run(USED.format(name=self.name), timeout=20).out or 0) / 1e6
        except GuestError:
            return 0  # a guest that no longer answers does not move

    def movement(self) -> Movement:
        """Its CPU time and that of who starts it, what was said, and its picture."""
        process = self.process.movement()
        picture = None
        if self.head is not None:
            picture = zlib.crc32(self.vm.capture(self.head).tobytes())
        return Movement(self.used() + process.cpu, (process.signs, picture))

    def is_at_rest(self) -> bool:
        """Whether nothing of it has moved since this was asked before."""
        before, self.looked = self.looked, (time.monotonic(), self.movement())
        return before is not None and not self.looked[1].since(
            before[1], self.looked[0] - before[0])

    def wait(self, fn: Callable[[], object], seconds: float, what: str):
        """Return the first true value of `fn`; the container has to live, and to get on."""
        def look():
            assert self.process.poll() is None, f"it has ended, before {what}"
            return fn()
        try:
            return wait_until(look, seconds, what, self.movement, pause=0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told}") from None

    def kill(self):
        """By SIGKILL to all of its processes; returns when the engine has seen it."""
        self.vm.run(KILL.format(name=self.name))
        self.process.wait()

"""A compositor that ends in a container that does not."""

from collections.abc import Callable

from container import Container
from machine import Machine
from scanouts import rows, wait_blank, wait_state

FIFO = "/run/again"
# The container's command: starts the compositor once for each line of its input.
LOOP = "sh -c 'while read -r _; do {command}; echo ended with $?; done'"
# Goes behind `podman run -i`.
INPUT = f"0<>{FIFO}"


def prepare(vm: Machine):
    vm.run(f"rm -f {FIFO}; mkfifo {FIFO}")


def check_ends(vm: Machine, container: Container, program: str, mine: Callable[[dict], bool],
               is_shown: Callable[[int], bool]):
    """Start it, wait for its picture and end it: by SIGKILL, by a segmentation fault, and as it
    likes. Each time its scanout becomes free and blank, and it is on the same one again."""
    scanout = None
    for signal in ("KILL", "SEGV", "TERM"):
        vm.run(f"echo > {FIFO}")
        row = container.wait(lambda: next((row for row in rows(vm).values() if mine(row)), None),
                             60, f"{program} has a scanout")
        assert scanout in (None, row["id"]), (scanout, row)
        scanout, container.head = row["id"], row["index"]
        container.wait(lambda: is_shown(container.head), 90,
                       f"{program} is on head {container.head}")
        vm.run(f"pkill -{signal} -x {program}")
        line = container.process.readline()
        assert line.startswith("ended with ") and container.process.poll() is None, (
            line, container.told)
        wait_state(vm, scanout, "free")
        wait_blank(vm, container.head)

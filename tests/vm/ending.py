"""A compositor that ends in a container that does not."""

from collections.abc import Callable

from machine import Machine, Process, wait_until
from scanouts import rows, wait_blank, wait_state

FIFO = "/run/again"
# The container's command: starts the compositor once for each line of its input.
LOOP = "sh -c 'while read -r _; do {command}; echo ended with $?; done'"
# Goes behind `podman run -i`.
INPUT = f"0<>{FIFO}"


def prepare(vm: Machine):
    vm.run(f"rm -f {FIFO}; mkfifo {FIFO}")


def check_ends(vm: Machine, container: Process, program: str, mine: Callable[[dict], bool],
               is_shown: Callable[[int], bool]):
    """Start it, wait for its picture and end it: by SIGKILL, by a segmentation fault, and as it
    likes. Each time its scanout becomes free and blank, and it is on the same one again."""
    scanout = None
    for signal in ("KILL", "SEGV", "TERM"):
        vm.run(f"echo > {FIFO}")

        def leased() -> dict | None:
            assert container.poll() is None, container.out + container.err
            return next((row for row in rows(vm).values() if mine(row)), None)
        row = wait_until(leased, 60, f"{program} has a scanout")
        assert scanout in (None, row["id"]), (scanout, row)
        scanout, head = row["id"], row["index"]
        wait_until(lambda: is_shown(head), 90, f"{program} is on head {head}")
        ended = int(vm.run(f"ended=$(date +%s%6N); pkill -{signal} -x {program} && echo $ended").out)
        line = container.readline()
        assert line.startswith("ended with ") and container.poll() is None, (line, container.err)
        freed = wait_state(vm, scanout, "free")["since"]
        wait_blank(vm, head)
        print(f"     {program}, {signal}: {line}, free after {(freed - ended) / 1000:.0f} ms",
              flush=True)

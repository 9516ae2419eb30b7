"""Many lessees that flip at once, and one alone."""

import json
import os
from collections.abc import Callable
from statistics import median

from bench_figure import Clock, Figure, span
from machine import GuestError, Machine
from scanouts import COUNT, PROBE, wait_all_free

MODE = "--mode 1920x1080"
CROWD_SECONDS = 180  # until sixteen probes have allocated, filled and mode-set

# Many probes that share an input: it stays open until /run/start is written to.
CROWD = """
rm -f /run/hold /run/start; mkfifo /run/hold /run/start
for n in $(seq {count}); do {probe} {arguments} </run/hold & done
exec 9>/run/hold
read _ </run/start
exec 9>&-
wait
"""


class Crowd:
    """Probes that hold an output each, and begin or end together."""

    def __init__(self, vm: Machine, count: int, arguments: str):
        self.vm = vm
        self.count = count
        self.script = vm.spawn(CROWD.format(count=count, probe=PROBE, arguments=arguments))
        for _ in range(count):
            self._next("ready", CROWD_SECONDS)

    def _next(self, key: str, timeout: float) -> dict:
        line = self.script.readline(timeout)
        said = json.loads(line) if line else {}
        if key not in said:
            raise GuestError(f"one of {self.count} probes said {line or 'nothing'}\n"
                             + self.script.err)
        return said

    def start(self):
        self.vm.run("echo >/run/start")

    def flips(self, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> list[dict]:
        """What each reached in the same seconds."""
        self.start()
        meanwhile()
        said = [self._next("per_second", seconds + CROWD_SECONDS) for _ in range(self.count)]
        if any(one["errors"] for one in said):
            raise GuestError(f"flips failed: {said}")
        return said

    def end(self):
        self.script.wait(CROWD_SECONDS)
        wait_all_free(self.vm, 60)


def measure_crowds(vm: Machine, clock: Clock, count: int, seconds: int) -> list[dict]:
    """One alone and all sixteen, in turns."""
    found = []
    for number in range(count):
        rates = {}
        for size in (1, COUNT) if number % 2 == 0 else (COUNT, 1):
            crowd = Crowd(vm, size, f"flip-rate {seconds} --request {MODE} --await")
            rates[size] = [one["per_second"] for one in crowd.flips(seconds)]
            crowd.end()
        found.append({"load": os.getloadavg()[0], "one": rates[1][0], "each": rates[COUNT],
                      "total": sum(rates[COUNT])})
        clock.say(f"{COUNT} at once, {number + 1} of {count}: {found[-1]['total']:.1f}/s, "
                  f"one alone {rates[1][0]:.1f}/s")
    return found


def crowd_figure(crowds: list[dict]) -> Figure:
    ratios = [c["total"] / c["one"] for c in crowds]
    each = [rate for c in crowds for rate in c["each"]]
    return Figure(
        f"flips of {COUNT} lessees at once", median(c["total"] for c in crowds), "/s",
        median(c["one"] for c in crowds), "one alone", median(ratios),
        spread={"value": span(c["total"] for c in crowds),
                "baseline": span(c["one"] for c in crowds), "ratio": span(ratios),
                "each": span(each)},
        note=f"the slowest {min(each):.1f}/s, the fastest {max(each):.1f}/s")

"""What a restart of scanoutd costs those who flip meanwhile, beside what they see without one."""

import json
import random
from dataclasses import dataclass

from machine import GuestError, Machine, wait_until
from scanouts import COUNT, PROBE, override, rows, start_daemon, wait_all_free

# All but one: what blanks the last one at each start takes the same locks as they do.
DESKS = COUNT - 1
RATE = 10
NORMAL_MS = 1000 / RATE
WINDOW_SECONDS = 4
# Pairs of windows: one in which nothing happens, and one that begins with a restart. They follow
# each other at once, so that what the host does meanwhile weighs on both.
WINDOWS = """
uptime() {{ read up idle </proc/uptime; echo $up; }}
for n in $(seq {pairs}); do
    echo calm $(uptime); sleep {seconds}
    echo restart $(uptime)
    if [ $((n % 2)) = 0 ]; then systemctl restart scanoutd; else systemctl kill -s KILL scanoutd; fi &
    sleep {seconds}; wait
done
echo end $(uptime)
"""
SHUFFLES = 10000


@dataclass
class Window:
    kind: str
    late: int = 0  # flips after more than twice the normal interval
    longest_ms: float = 2 * NORMAL_MS  # or shorter


def measure(vm: Machine, pairs: int) -> list[Window]:
    override(vm, "[Service]\nRestartSec=100ms\n")
    desks = [vm.spawn(f"exec {PROBE} flip-rate 3600 --rate {RATE} --request --mode 640x480 "
                      f"--label desk{n}") for n in range(DESKS)]
    wait_until(lambda: sum(r["width"] == 640 for r in rows(vm).values()) == DESKS, 120,
               "all show their picture")
    said = vm.run(WINDOWS.format(pairs=pairs, seconds=WINDOW_SECONDS),
                  timeout=60 + 4 * pairs * WINDOW_SECONDS).out
    late = []
    for desk in desks:
        if desk.terminate() != 0:
            raise GuestError(f"a flip failed: {desk.out}{desk.err}")
        late += json.loads(desk.out.splitlines()[-1])["late"]
    wait_all_free(vm)
    override(vm, "")
    start_daemon(vm)

    marks = [(kind, float(at) * 1e6) for kind, at in (line.split() for line in said.splitlines())]
    windows = []
    for (kind, begun), (_, ended) in zip(marks, marks[1:]):
        inside = [usec / 1000 for at, usec in late if begun <= at < ended]
        windows.append(Window(kind, len(inside), max([*inside, 2 * NORMAL_MS])))
    return windows


def chance(differences: list[float]) -> float:
    """How often pairs would differ so much in this direction if the restart made no difference:
    then each pair might as well be the other way round."""
    lot = random.Random(1)
    total = sum(differences)
    as_much = sum(sum(d if lot.random() < 0.5 else -d for d in differences) >= total
                  for _ in range(SHUFFLES))
    return as_much / SHUFFLES


def summary(windows: list[Window]) -> dict:
    calm = [w for w in windows if w.kind == "calm"]
    restart = [w for w in windows if w.kind == "restart"]
    flips = DESKS * RATE * WINDOW_SECONDS * len(calm)
    pairs = list(zip(restart, calm, strict=True))
    return {
        "pairs": len(pairs), "flips_each": flips,
        "late": {"restart": sum(w.late for w in restart), "calm": sum(w.late for w in calm)},
        "longest_ms": {"restart": max(w.longest_ms for w in restart),
                       "calm": max(w.longest_ms for w in calm)},
        "chance": chance([a.late - b.late for a, b in pairs]),
    }


def figure(found: dict) -> dict:
    """The line of the table."""
    per_thousand = 1000 / found["flips_each"]
    late, longest = found["late"], found["longest_ms"]
    return dict(
        name="late flips with a restart", value=late["restart"] * per_thousand, unit="‰",
        baseline=late["calm"] * per_thousand, baseline_name="without",
        target="not more: chance ≥ 5 %", met=found["chance"] >= 0.05,
        note=f"later than twice the normal {NORMAL_MS:g} ms, of {found['flips_each']} flips each; "
             f"the longest {longest['restart']:.0f} ms, without {longest['calm']:.0f} ms; chance "
             f"of this if a restart made no difference: {found['chance']:.1%}")

"""How long it takes to keep what docs/reliability.md promises; that it is kept the tests prove."""

import json
from statistics import median

from bench_figure import Figure, span
from events import Events
from machine import GuestError, Machine
from scanouts import COUNT, OPEN, PROBE, hold, probe, rows, wait_all_free, wait_state

MODE = "1920x1080"
LAST = f"card0-Virtual-{COUNT}"


def ended_ms(vm: Machine, command: str) -> float:
    """From the command that ends a desk to the moment since when its scanout is free."""
    desk, ready = hold(vm, mode=MODE)
    events = Events(vm)
    begun = int(vm.run("date +%s%6N; " + command.format(pid=desk.pid, **ready)).out.split()[0])
    freed = events.wait(ready["scanout"], "free")["since"]
    desk.terminate("KILL")
    events.end()
    return (freed - begun) / 1000


def measure_ends(vm: Machine, count: int) -> dict[str, list[float]]:
    """A holder is killed, and one that lives is released, in turns."""
    found = {"killed": [], "released": []}
    for _ in range(count):
        found["killed"].append(ended_ms(vm, "kill -KILL {pid}"))
        found["released"].append(ended_ms(vm, "scanoutctl release {scanout}"))
    return found


def ends_figure(found: dict[str, list[float]]) -> Figure:
    killed, released = found["killed"], found["released"]
    ratios = [a / b for a, b in zip(killed, released)]
    return Figure("free after its holder is killed", median(killed), "ms", median(released),
                  "released", median(ratios),
                  spread={"value": span(killed), "baseline": span(released), "ratio": span(ratios)})


def measure_locked(vm: Machine) -> dict[str, dict]:
    """All calls, for other scanouts each time, without and while a commit holds modeset locks."""
    ids = " ".join(f"--scanout card0-Virtual-{n}" for n in range(2, COUNT))
    calls = f"calls {COUNT - 2} {ids}"
    found = {"free": probe(vm, calls)}
    desk = vm.spawn(f"exec {PROBE} hang --request --scanout {LAST} --mode {MODE} {OPEN}")
    if not json.loads(desk.readline()).get("hangs"):
        raise GuestError(f"no commit hangs: {desk.out}{desk.err}")
    found["held"] = probe(vm, calls)
    desk.terminate()
    wait_all_free(vm)
    return found


def locked_figure(found: dict[str, dict]) -> Figure:
    held, free = ({name: of["p50_us"] / 1000 for name, of in found[lock].items()}
                  for lock in ("held", "free"))
    slowest = max(held, key=lambda name: held[name] / free[name])
    ratio = held[slowest] / free[slowest]
    return Figure(
        f"{slowest} while a lock is held", held[slowest], "ms", free[slowest], "without", ratio,
        spread={"ratio": span(held[name] / free[name] for name in held)},
        note="; ".join(f"{name} {held[name]:.1f} ms, without {free[name]:.1f} ms" for name in held))


def measure_crowded(vm: Machine, requests: int) -> dict[str, float]:
    """A request when it is the only one, and when all other scanouts are leased; p50 in ms."""
    storm = f"storm {requests} --settle --scanout {LAST}"
    found = {"alone": probe(vm, storm, timeout=300)["p50_us"] / 1000}
    desks = [vm.spawn(f"exec scanoutctl request --scanout {id} -- sleep infinity")
             for id in rows(vm) if id != LAST]
    for n in range(1, COUNT):
        wait_state(vm, f"card0-Virtual-{n}", "leased", 60)
    found["crowded"] = probe(vm, storm, timeout=300)["p50_us"] / 1000
    for desk in desks:
        desk.terminate("KILL")
    wait_all_free(vm)
    return found


def crowded_figure(found: list[dict[str, float]]) -> Figure:
    ratios = [one["crowded"] / one["alone"] for one in found]
    return Figure(
        f"RequestScanout with {COUNT - 1} leased", median(one["crowded"] for one in found), "ms",
        median(one["alone"] for one in found), "with none", median(ratios), "ratio ≤ 1.5",
        median(ratios) <= 1.5,
        {"value": span(one["crowded"] for one in found),
         "baseline": span(one["alone"] for one in found), "ratio": span(ratios)})

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
SHUFFLES = 10000

# A restart takes CPU as that of any service does. What it does to flips beyond that is told by
# another one that is the same in all but the card: it sees none, and is on a bus of its own.
OTHER = """
cd /run/systemd/system
sed 's/^RuntimeDirectory=.*/RuntimeDirectory=other/' "$(systemctl show -p FragmentPath --value \
scanoutd)" >other.service
mkdir -p other.service.d
cat >other.service.d/bench.conf <<END
[Service]
RestartSec=100ms
PrivateDevices=yes
Environment=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/other-bus
END
systemctl daemon-reload
dbus-daemon --session --fork --address=unix:path=/run/other-bus
systemctl start other
"""
# Ends when the daemon answers; one that is not there yet is waited for.
WINDOW = """
set -e
uptime() {{ read up idle </proc/uptime; echo $up; }}
window() {{
    begun=$(uptime); $2 & sleep {seconds}; wait $!; scanoutctl list >/dev/null
    echo $1 $begun $(uptime) $(systemctl show -p MainPID --value scanoutd)
}}
"""
ENDS = ("systemctl restart", "systemctl kill -s KILL")
ACTIONS = {"calm": ":", "other": "{} other", "restart": "{} scanoutd"}


@dataclass
class Window:
    kind: str
    late: int = 0  # flips after more than twice the normal interval
    longest_ms: float = 2 * NORMAL_MS  # or shorter


def script(rounds: int) -> str:
    """Windows of each kind in turns, so that what the host does meanwhile weighs on all, each kind
    of them in each place with each way to end."""
    lines = [WINDOW.format(seconds=WINDOW_SECONDS)]
    for number in range(rounds):
        kinds = list(ACTIONS)
        first = number % len(kinds)
        end = ENDS[number // len(kinds) % 2]
        lines += [f"window {kind} '{ACTIONS[kind].format(end)}'"
                  for kind in kinds[first:] + kinds[:first]]
    return "\n".join(lines)


def read_windows(said: str, late: list[list[float]]) -> list[Window]:
    """What was late in which window, by the moment at which it was due."""
    windows, last = [], None
    for kind, begun, ended, pid in (line.split() for line in said.splitlines()):
        if last is not None and (pid != last) != (kind == "restart"):
            raise GuestError(f"a window that should be '{kind}' is not:\n{said}")
        inside = [usec / 1000 for at, usec in late
                  if float(begun) <= (at - usec) / 1e6 + 1 / RATE < float(ended)]
        windows.append(Window(kind, len(inside), max([*inside, 2 * NORMAL_MS])))
        last = pid
    return windows


def measure(vm: Machine, rounds: int) -> list[Window]:
    override(vm, "[Service]\nRestartSec=100ms\n")
    vm.run(f"set -e; {OTHER}")
    desks = [vm.spawn(f"exec {PROBE} flip-rate 86400 --rate {RATE} --request --mode 640x480 "
                      f"--label desk{n}") for n in range(DESKS)]
    wait_until(lambda: sum(r["width"] == 640 for r in rows(vm).values()) == DESKS, 120,
               "all show their picture")
    said = vm.run(script(rounds), timeout=60 + 6 * rounds * WINDOW_SECONDS).out
    late = []
    for desk in desks:
        if desk.terminate() != 0:
            raise GuestError(f"a flip failed: {desk.out}{desk.err}")
        late += json.loads(desk.out.splitlines()[-1])["late"]
    wait_all_free(vm)
    vm.run("systemctl stop other")
    override(vm, "")
    start_daemon(vm)
    return read_windows(said, late)


def chance(differences: list[float]) -> float:
    """How often pairs would differ so much in this direction if the restart made no difference:
    then each pair might as well be the other way round."""
    lot = random.Random(1)
    total = sum(differences)
    as_much = sum(sum(d if lot.random() < 0.5 else -d for d in differences) >= total
                  for _ in range(SHUFFLES))
    return as_much / SHUFFLES


def summary(windows: list[Window]) -> dict:
    by_kind = {kind: [w for w in windows if w.kind == kind] for kind in ACTIONS}
    late = {kind: [w.late for w in found] for kind, found in by_kind.items()}

    def beside(kind: str) -> float:
        return chance([a - b for a, b in zip(late["restart"], late[kind], strict=True)])

    return {
        "rounds": len(late["calm"]),
        "flips_each": DESKS * RATE * WINDOW_SECONDS * len(late["calm"]),
        "late": {kind: sum(counts) for kind, counts in late.items()},
        "longest_ms": {kind: max(w.longest_ms for w in found) for kind, found in by_kind.items()},
        "chance": {"calm": beside("calm"), "other": beside("other")},
    }


def figure(found: dict) -> dict:
    """The line of the table."""
    late = {kind: 1000 * count / found["flips_each"] for kind, count in found["late"].items()}
    longest, chances = found["longest_ms"], found["chance"]
    return dict(
        name="late flips with a restart", value=late["restart"], unit="‰",
        baseline=late["calm"], baseline_name="without",
        target="not more: chance ≥ 5 %", met=chances["calm"] >= 0.05,
        note=f"later than twice the normal {NORMAL_MS:g} ms, of {found['flips_each']} flips each; "
             f"chance of this if a restart made no difference: {chances['calm']:.1%}\n"
             f"  with a restart of the same service without a card {late['other']:.2f} ‰, chance "
             f"{chances['other']:.1%}; longest {longest['restart']:.0f} ms, without "
             f"{longest['calm']:.0f} ms, without a card {longest['other']:.0f} ms")

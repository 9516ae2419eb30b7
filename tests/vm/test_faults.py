"""scanoutd dies at each step of its work while fifteen desks flip: none of them notices.

The daemon is the one with the failure points of src/daemon/util/failpoint.h compiled in.
"""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from machine import wait_until
from pace import pace
from scanouts import (COUNT, FAILING, OPEN, PROBE, call, override, row, rows, start_daemon,
                      wait_all_free, wait_blank, wait_shown, wait_state)

MACHINE: dict = {}
SOURCE = Path(__file__).resolve().parents[2] / "src" / "daemon"
DROP_IN = f"""
[Service]
ExecStart=
ExecStart={FAILING}
RestartSec=100ms
"""

# In place of minutes.
IMPATIENT = """
TimeoutStartSec={0:.0f}s
WatchdogSec={0:.0f}s
"""

GRANT = ["grant-allowed", "grant-create", "grant-created", "grant-entered", "grant-saved",
         "grant-reply", "grant-replied"]
END = ["end-revoke", "end-revoked", "end-removed", "end-saved", "end-blank", "end-settle"]
START = ["start-passed", "start-adopt", "start-ready"]

FREE = "card0-Virtual-16"  # the one that is asked for, while the desks have all others
HEAD = 15
MODE = "--mode 640x480"
RATE = 4
KEPT = ("state", "label", "holder", "lessee", "generation", "since")


def setup(vm):
    start_daemon(vm)
    override(vm, DROP_IN)


def arm(vm, point: str, action: str) -> int:
    """What is to fail next; how often systemd has started the daemon again until now."""
    return int(vm.run(f"echo {point} {action} > /run/scanoutd/failpoint; "
                      "systemctl show -p NRestarts --value scanoutd").out)


def wait_restarts(vm, n: int):
    """Until systemd has started the daemon again for the n-th time, what was to fail has, and the
    daemon is ready."""
    vm.run(f'until [ "$(systemctl show -p NRestarts --value scanoutd)" -ge {n} ] && '
           "[ ! -e /run/scanoutd/failpoint ] && systemctl -q is-active scanoutd; do sleep 0.05; done",
           timeout=30)


class Desks:
    """All scanouts but one, with somebody on each who flips RATE times a second."""

    def __init__(self, vm):
        self.vm = vm
        self.flipping = [
            vm.spawn(f"exec {PROBE} flip-rate 86400 --rate {RATE} {MODE} --request --label desk{n} "
                     f"--scanout card0-Virtual-{n + 1}") for n in range(COUNT - 1)]
        wait_until(lambda: sum(r["width"] == 640 for r in rows(vm).values()) == COUNT - 1, 60,
                   "all desks show their picture")
        self.rows = rows(vm)

    def look(self, state: str, what: str) -> dict:
        """The row of the one that is asked for, once it is in this state and the kernel has no
        lessee that is not listed. All desks have their leases, with their names, and go on."""
        for desk in self.flipping:
            assert desk.poll() is None, (what, desk.out, desk.err)

        def settled():
            said = self.vm.run("scanoutctl list --json; grep -c . /sys/kernel/debug/dri/0/clients")
            text, files = said.out.rsplit("\n}\n", 1)
            now = {row["id"]: row for row in json.loads(text + "}")["scanouts"]}
            # A heading, the master and the lessees.
            known = 2 + sum(row["state"] == "leased" for row in now.values())
            return now if now[FREE]["state"] == state and int(files) == known else None

        now = wait_until(settled, 10, f"{what}: {state}, and nothing else in the kernel")
        for id, before in self.rows.items():
            if id != FREE:
                assert {k: now[id][k] for k in KEPT} == {k: before[k] for k in KEPT}, (
                    what, now[id], before)
        return now[FREE]

    def end(self):
        """No flip failed, and each can flip once more: nobody hangs, as behind a lock that is never
        given back. How much later they may come is bench.py's."""
        said = []
        for desk in self.flipping:
            assert desk.terminate() == 0, (desk.out, desk.err)
            said.append(json.loads(desk.out.splitlines()[-1]))
        wait_all_free(self.vm)
        assert all(one["errors"] == 0 for one in said), said
        print(f"    {sum(one['flips'] for one in said)} flips")


def ask(vm):
    """Somebody who asks for the free one; and what was said about it."""
    caller = vm.spawn(f"exec {PROBE} hold --request --label asked --scanout {FREE} {MODE} {OPEN}")
    return caller, json.loads(caller.readline(30))


def is_theirs(vm, row: dict, said: dict):
    """The lease is listed as what the caller was told, and its picture is there."""
    assert (row["label"], row["lessee"]) == ("asked", said["lessee"]), (row, said)
    wait_shown(vm, HEAD)


def fail_grant(vm, desks: Desks, point: str, action: str):
    """Either the caller has the lease, and it is listed, or there is none and the head is blank."""
    n = arm(vm, point, action)
    caller, said = ask(vm)
    wait_restarts(vm, n + 1)
    if said.get("ready"):
        is_theirs(vm, desks.look("leased", f"{point} {action}"), said)
        caller.terminate("KILL")
    else:
        assert "NoReply" in said["error"], said
        caller.wait(10)
    desks.look("free", f"{point} {action}")
    wait_blank(vm, HEAD)


def fail_end(vm, desks: Desks, point: str, action: str):
    """Either the lease goes on, is listed and can be released, or it has ended and is blank, even
    while its holder keeps the file."""
    holder, said = ask(vm)
    assert said.get("ready"), said
    n = arm(vm, point, action)
    vm.run("scanoutctl release asked", check=False)
    wait_restarts(vm, n + 1)
    now = wait_until(lambda: row(vm, FREE) if row(vm, FREE)["state"] != "draining" else None, 10,
                     "it is not being blanked")
    if now["state"] == "leased":
        is_theirs(vm, now, said)
        vm.run("scanoutctl release asked")
        wait_state(vm, FREE, "free")
    wait_blank(vm, HEAD)
    holder.terminate("KILL")
    desks.look("free", f"{point} {action}")


def fail_start(vm, desks: Desks, point: str, action: str):
    """The daemon is killed, and the one that is to follow fails as well: the one after that has
    everything."""
    n = arm(vm, point, action)
    vm.run("systemctl kill -s KILL scanoutd")
    wait_restarts(vm, n + 2)
    desks.look("free", f"{point} {action}")


def cases() -> list[tuple[Callable, str, str]]:
    """SIGKILL at each step. The other two are as a rule the same thing later: SIGTERM is heard when
    the step is over, and of a daemon that hangs as little is left as of one that was killed. So
    they are tried once for each kind of step, and everywhere with STEPS=all."""
    found = []
    for points, few, fail in ((GRANT, ("grant-created", "grant-replied"), fail_grant),
                              (END, ("end-revoked", "end-blank"), fail_end),
                              (START, ("start-passed", "start-adopt"), fail_start)):
        for point in points:
            for action in ("kill", "term", "stop"):
                if action == "kill" or point in few or os.environ.get("STEPS") == "all":
                    found.append((fail, point, action))
    return found


def test_every_step(vm):
    """SIGKILL, SIGTERM, and SIGSTOP until systemd's watchdog ends it, at the steps of a grant, of
    an end and of the start, while fifteen desks flip: no flip fails, and all leases are there
    afterwards with their names. The request in flight has its lease, and it is listed, or the
    scanout is free and blank. Nothing else is left in the kernel."""
    desks = Desks(vm)
    hanging = [case for case in cases() if case[2] == "stop"]
    for fail, point, action in cases():
        if action != "stop":
            fail(vm, desks, point, action)
    override(vm, DROP_IN + IMPATIENT.format(pace.limit(1)))
    for fail, point, action in hanging:
        fail(vm, desks, point, action)
    desks.end()
    setup(vm)


def fail_once(vm, point: str, error: int):
    vm.run(f"echo {point} {error} > /run/scanoutd/failpoint")


def test_errors(vm):
    """The kernel or the memory fails at a step, once: the caller is refused by name, and whatever
    was begun ends; a lease that cannot be revoked goes on; a head that cannot be blanked is stuck
    until it is."""
    fail_once(vm, "grant-create", errno.ENOMEM)
    caller, said = ask(vm)
    assert said["error"].endswith(".DeviceBusy") and "Cannot allocate" in said["message"], said
    caller.wait(10)
    assert row(vm, FREE)["state"] == "free"
    fail_once(vm, "grant-reply", errno.ENOMEM)
    caller, said = ask(vm)
    assert said["error"].endswith(".DeviceBusy") and "hand over" in said["message"], said
    caller.wait(10)
    wait_state(vm, FREE, "free")

    holder, said = ask(vm)
    fail_once(vm, "end-revoke", errno.EIO)
    rc, refused = call(vm, f"ReleaseScanout s {FREE}")
    assert rc == 1 and "does not revoke" in refused and "error" in refused, refused
    assert row(vm, FREE)["lessee"] == said["lessee"]
    wait_shown(vm, HEAD)
    fail_once(vm, "end-blank", errno.EIO)
    rc, refused = call(vm, f"ReleaseScanout s {FREE}")
    assert rc == 0, refused
    stuck = wait_state(vm, FREE, "stuck")
    assert "Input/output error" in stuck["reason"], stuck
    wait_state(vm, FREE, "free")
    wait_blank(vm, HEAD)
    holder.terminate("KILL")


def test_production(vm):
    """Each failure point in the source is one of those tried here; the installed daemon has none,
    nor the file's name."""
    in_source = set()
    for file in SOURCE.rglob("*.c"):
        in_source |= set(re.findall(r'FAILPOINT\("([a-z-]+)"\)', file.read_text()))
    assert in_source == {*GRANT, *END, *START}
    for program, names in ((FAILING, in_source), ("/usr/sbin/scanoutd", set())):
        found = vm.run(f"grep -aoE '(grant|end|start)-[a-z]+|/run/scanoutd/failpoint' {program}",
                       check=False).out.split()
        assert names <= set(found), (program, names - set(found))
        assert names or not found, (program, found)

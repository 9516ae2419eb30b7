"""A lessee's commit hangs in the kernel: nobody else is held up.

A blocking atomic mode-set waits with the connection mutex, its CRTC and its plane locked. What it
waits for is a fence in real life. Here it is memory, for as long as a test needs (probe hang).

Compositors commit without blocking. Then nobody holds a lock while the fence is awaited, until
somebody else works on the same CRTC: whoever blanks it waits for that commit, with locks that it
has taken, and scanoutd takes care that it is that CRTC's alone. `detached` is such a commit, behind
a fence of vgem's, which the kernel signals after 10 s by itself.
"""

import json
from collections.abc import Callable

from machine import Machine, wait_until
from scanouts import (OPEN, PROBE, hold, probe, row, rows, start_daemon, wait_all_free, wait_blank,
                      wait_state)
from test_restart import service
from worker import tidy

KEPT = ("state", "label", "holder", "lessee", "generation", "since")
SCANOUT = "card0-Virtual-3"


def setup(vm):
    vm.run("modprobe vgem")
    start_daemon(vm)


class TooEarly(Exception):
    """The commit came back before the test had seen what it looks at meanwhile."""


class Hanging:
    """A lessee whose commit hangs from now on."""

    def __init__(self, vm: Machine, command: str, said: str):
        self.vm = vm
        self.desk = vm.spawn(f"exec {PROBE} {command} --request --scanout {SCANOUT} "
                             f"--mode 1920x1080 {OPEN}")
        self.ready = json.loads(self.desk.readline(30))
        assert self.ready.get(said), self.ready

    def check(self):
        """It still hangs."""
        if self.desk.poll() is not None or self.desk.out.count("\n") > 1:
            raise TooEarly(self.desk.out)

    def wait(self, fn: Callable[[], object], seconds: float, what: str):
        """Until that is so, while it hangs."""
        def look():
            self.check()
            return fn()
        return wait_until(look, seconds, what)

    def release(self, *states: str) -> dict:
        """By root. It is not free but in one of these states then."""
        self.vm.run(f"scanoutctl release {SCANOUT}")

        def look():
            now = row(self.vm, SCANOUT)
            return now if now["state"] in states else None
        return self.wait(look, 10, f"{SCANOUT} is {' or '.join(states)}")

    def go_on(self):
        """One that waits for memory is told to, one behind a fence does by itself."""
        if "hangs" in self.ready:
            self.desk.terminate()
        else:
            self.desk.wait(20)
        said = json.loads(self.desk.out.splitlines()[-1])
        assert said["commit"] == "OK", said


def hang(vm) -> Hanging:
    return Hanging(vm, "hang", "hangs")


def wedge(vm) -> Hanging:
    """For as long as a fence may."""
    hanging = Hanging(vm, "wedge 10", "ready")
    hanging.wait(lambda: waits_for_fence(vm, hanging.desk.pid), 10, "it waits for its fence")
    return hanging


def detached(vm) -> Hanging:
    """The same, while the lessee itself goes on."""
    hanging = Hanging(vm, "wedge 10 --atomic", "ready")
    hanging.wait(lambda: waits_for_fence(vm, "[0-9]*"), 10, "a worker of the kernel's waits for it")
    return hanging


def waits_for_fence(vm, pid: int | str) -> bool:
    stack = vm.run(f"cat /proc/{pid}/stack", check=False).out
    return "drm_atomic_helper_wait_for_fences" in stack or "dma_fence_default_wait" in stack


def while_it_hangs(vm, scenario: Callable, begin: Callable[[Machine], Hanging]):
    """A fence does not last for ever: where that was too short for what there is to see, all of it
    once more."""
    def seen() -> bool:
        try:
            scenario(vm, begin)
        except TooEarly as early:
            print(f"    too early: {early}", end="")
            tidy(vm)
            return False
        return True
    wait_until(seen, 60, "all is seen while a commit hangs")


def calls_answer(vm, begin):
    hanging = begin(vm)
    if begin is detached:
        hanging.release("draining", "stuck")  # the daemon itself takes a lock
    prober = vm.spawn("echo detect > /sys/class/drm/card0-Virtual-1/status")
    if begin is detached:
        hanging.wait(lambda: prober.poll() is not None, 10, "a connector is probed")
    ids = " ".join(f"--scanout card0-Virtual-{n}" for n in (5, 6, 7, 8))
    told = probe(vm, f"calls 4 {ids}")
    was_probed = prober.poll() is not None
    hanging.check()
    assert was_probed == (begin is detached), "whether the connectors' lock is held"
    print("    while a commit hangs:", {name: f"{of['max_us']:.0f} µs" for name, of in told.items()})
    hanging.go_on()
    assert prober.wait(20) == 0
    wait_all_free(vm)


def test_calls_answer(vm):
    """A lessee's mode-set hangs: meanwhile a connector cannot be probed, so the lock is held; but
    every call to the daemon is answered."""
    calls_answer(vm, hang)


def test_calls_answer_detached(vm):
    """A lessee's last commit hangs, and its scanout is to be blanked: the daemon waits for that,
    without the connectors' lock, and every call is answered."""
    while_it_hangs(vm, calls_answer, detached)


def stuck_and_back(vm, begin):
    hanging = begin(vm)
    begun = row(vm, SCANOUT)["since"]
    now = hanging.release("stuck")
    assert "modeset lock" in now["reason"] and now["since"] > begun, now
    refused = vm.run(f"scanoutctl request --json --scanout {SCANOUT} -- true", check=False)
    hanging.check()
    error = json.loads(refused.err)
    assert error["error"] == "ScanoutBusy" and "stuck" in error["message"], error
    other = vm.spawn("exec scanoutctl request --label other -- sleep infinity")
    hanging.wait(lambda: any(r["label"] == "other" for r in rows(vm).values()), 10,
                 "another is leased")
    state = row(vm, SCANOUT)["state"]
    hanging.check()
    assert state == "stuck", state
    hanging.go_on()
    freed = wait_state(vm, SCANOUT, "free")
    assert freed["reason"] == "" and freed["since"] > now["since"], freed
    wait_blank(vm, hanging.ready["index"])
    other.terminate("KILL")
    wait_all_free(vm)


def test_stuck_and_back(vm):
    """The hanging one is released: its scanout is stuck, with a reason and since when, and is given
    to nobody. Others are leased, and their names are told. When the commit comes back the scanout
    is blanked and free, without anybody's help."""
    stuck_and_back(vm, hang)


def test_stuck_and_back_detached(vm):
    """The same of one whose last commit hangs."""
    while_it_hangs(vm, stuck_and_back, detached)


def test_killed(vm):
    """The hanging one is killed: the kernel gives up its wait, so its scanout is free and blank
    though nobody has ended what it waited for; the same where that is a fence."""
    for begin in (hang, wedge):
        hanging = begin(vm)
        hanging.desk.terminate("KILL")
        wait_state(vm, SCANOUT, "free")
        wait_blank(vm, hanging.ready["index"])


def killed_detached(vm, begin):
    hanging = begin(vm)
    vm.run(f"kill -KILL {hanging.desk.pid}")
    probe(vm, "calls 1 --scanout card0-Virtual-5")
    state = row(vm, SCANOUT)["state"]
    hanging.check()
    assert state != "free", "the fence is not signalled yet"
    hanging.desk.wait(20)
    wait_state(vm, SCANOUT, "free", 20)
    wait_blank(vm, hanging.ready["index"])
    wait_all_free(vm)


def test_killed_detached(vm):
    """One whose last commit hangs is killed: the kernel does not let it go before the fence is
    signalled. Until then everybody else is served, and then its scanout is free and blank."""
    while_it_hangs(vm, killed_detached, detached)


def others_flip(vm, begin):
    vm.run("rm -f /run/go; mkfifo /run/go")
    opener = vm.spawn("exec sleep infinity >/run/go")
    # Small ones, since a fence does not wait for a slow machine.
    desks = [vm.spawn(f"exec {PROBE} flip 10 --await --request --mode 640x480 --scanout "
                      f"card0-Virtual-{n} </run/go") for n in (1, 2)]
    for desk in desks:
        assert json.loads(desk.readline())["ready"], desk.out
    hanging = begin(vm)
    hanging.release("draining", "stuck")
    opener.terminate("KILL")
    for desk in desks:
        flipped = json.loads(desk.readline())
        assert flipped["flips"] == 10 and flipped["errors"] == 0, flipped
    hanging.check()
    hanging.go_on()
    for desk in desks:
        assert desk.wait() == 0, desk.err
    wait_all_free(vm)


def test_others_flip(vm):
    """Two desks flip while the hanging one is released and goes on hanging: all of their flips are
    done before it ends."""
    others_flip(vm, hang)


def test_others_flip_detached(vm):
    """The same beside one whose last commit hangs."""
    while_it_hangs(vm, others_flip, detached)


def kept(row: dict) -> dict:
    return {key: row[key] for key in KEPT}


def test_restart(vm):
    """The daemon is restarted while the lock is held: it is ready all the same, and when the lock
    comes back it has all leases, with their names, and the hanging one's too."""
    desk, shown = hold(vm, "--label keeps")
    before = row(vm, shown["scanout"])
    hanging = hang(vm)
    since = vm.now()
    vm.run("systemctl restart scanoutd")
    hanging.check()
    assert "Does not answer" in vm.journal("scanoutd", since)
    hanging.go_on()
    after = wait_until(lambda: rows(vm).get(shown["scanout"]), 20, "the scanouts are back")
    assert kept(after) == kept(before)
    assert desk.poll() is None
    desk.terminate()
    wait_all_free(vm)


def stop(vm, begin):
    desk, shown = hold(vm, "--label keeps --scanout card0-Virtual-1")
    before = row(vm, shown["scanout"])
    hanging = begin(vm)
    hanging.release("stuck")
    restarting = vm.spawn("exec systemctl restart scanoutd")
    hanging.wait(lambda: service(vm)["ActiveState"] == "deactivating", 10, "it is being stopped")
    hanging.go_on()
    assert restarting.wait(60) == 0, restarting.err
    wait_state(vm, SCANOUT, "free", 20)
    assert kept(row(vm, shown["scanout"])) == kept(before)
    desk.terminate()
    wait_all_free(vm)


def test_stop(vm):
    """The daemon is stopped while its own worker waits for the lock: nothing can end that wait,
    but the next daemon has the leases."""
    stop(vm, hang)


def test_stop_detached(vm):
    """The same while it waits for the last commit of one that was released."""
    while_it_hangs(vm, stop, detached)

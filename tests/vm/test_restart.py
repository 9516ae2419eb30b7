"""The daemon goes and comes back: no desktop notices."""

import json

from machine import wait_until
from scanouts import (COUNT, configure, daemon_status, hold, row, rows, start_daemon,
                      wait_all_free, wait_blank, wait_state)

setup = start_daemon
TESTCARD = "/usr/lib/scanoutd-tests/testcard"
STATE = "/run/scanoutd/leases.json"


def restart(vm):
    vm.run("systemctl restart scanoutd")


def main_pid(vm) -> str:
    return vm.run("systemctl show -p MainPID --value scanoutd").out.strip()


def crash(vm, meanwhile: str = ":"):
    """SIGSTOP, something happens, SIGKILL; systemd starts it again."""
    pid = main_pid(vm)
    vm.run(f"kill -STOP {pid}; {meanwhile}; kill -KILL {pid}")
    wait_until(lambda: main_pid(vm) not in ("0", pid) and
               vm.run("systemctl is-active scanoutd", check=False).out.strip() == "active",
               20, "systemd starts it again")


def flipping(vm, label: str):
    """A desk that flips a moving card until it is told to stop; a flip that fails ends it."""
    return vm.spawn(["scanoutctl", "request", "--label", label, "--", TESTCARD, "--name", label,
                     "--mode", "1920x1080"])


def test_restart_keeps_leases(vm):
    """Fifteen desks flip while the daemon is restarted, and again while it is killed: no flip
    fails, the same leases are listed afterwards, with their holders, and end as ever."""
    desks = [flipping(vm, f"desk{n}") for n in range(COUNT - 1)]
    def all_there():
        found = rows(vm)
        return found if sum(r["state"] == "leased" for r in found.values()) == len(desks) else None
    before = wait_until(all_there, 60, "all desks have a scanout")
    for end in (restart, crash):
        end(vm)
        after = rows(vm)
        for id, now in after.items():
            if before[id]["state"] == "leased":
                for key in ("label", "holder", "lessee", "generation", "since"):
                    assert now[key] == before[id][key], (id, key, now, before[id])
    for desk in desks:
        assert desk.poll() is None, desk.err
    for desk in desks:
        assert desk.terminate() == 0, desk.err
        assert json.loads(desk.out.splitlines()[-1])["flips"] > 10, desk.out
    wait_all_free(vm)


test_restart_keeps_leases.deadline = 240


def test_death_during_restart(vm):
    """A desk dies while no daemon runs: the next one finds its scanout, blanks it and gives it to
    the next who asks; generations go on."""
    desk, ready = hold(vm, "--label gone")
    generation = row(vm, ready["scanout"])["generation"]
    crash(vm, f"kill -KILL {desk.pid}")
    wait_state(vm, ready["scanout"], "free")
    wait_blank(vm, ready["index"])
    following, now = hold(vm, f"--scanout {ready['scanout']}")
    assert row(vm, now["scanout"])["generation"] > generation
    following.terminate()
    wait_all_free(vm)


def test_torn_state(vm):
    """leases.json is torn, foreign or gone: the desks go on, only their names are lost; their
    scanouts are not given away, and are free when they end."""
    for spoil in (f"truncate -s 100 {STATE}", f"rm {STATE}", f"echo '{{\"version\":99}}' > {STATE}",
                  f"head -c 5000 /dev/urandom > {STATE}"):
        desks = [hold(vm, f"--label d{n}") for n in range(3)]
        crash(vm, spoil)
        found = rows(vm)
        for desk, ready in desks:
            assert desk.poll() is None
            now = found[ready["scanout"]]
            assert now["state"] == "leased" and now["label"] == "", now
        others = [hold(vm)[0] for _ in range(3)]
        for process in [*others, *(desk for desk, _ in desks)]:
            process.terminate("KILL")
        wait_all_free(vm)
        vm.run("systemctl reset-failed scanoutd")


test_torn_state.deadline = 180


def test_stop_releases(vm):
    """With OnStop=release a stop ends all leases and blanks them; with the default a restart does
    not."""
    configure(vm, "[Card]\nOnStop=release\n")
    desk, ready = hold(vm)
    vm.run("systemctl stop scanoutd")
    wait_blank(vm, ready["index"])
    vm.run("systemctl start scanoutd")
    assert row(vm, ready["scanout"])["state"] == "free"
    desk.terminate("KILL")
    start_daemon(vm)


def test_guests_wait(vm):
    """A guest that asks while the daemon is being restarted waits on the socket, which systemd
    keeps, and is answered."""
    vm.run("systemctl stop scanoutd")
    asked = vm.spawn("exec gdbus call --address unix:path=/run/scanoutd/guest/bus "
                     "-d org.scanoutd.Scanout1 -o /org/scanoutd/Scanout1 "
                     "-m org.scanoutd.Scanout1.Manager.ListScanouts")
    assert asked.wait(30) == 0, asked.err
    assert daemon_status(vm)["pid"] > 0

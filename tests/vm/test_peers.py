"""Where other lease managers break, as far as only the real kernel and systemd can show it. The
rest is in tests/unit/test_peers.c."""

import contextlib

from machine import wait_until
from scanouts import (FAILING, OPEN, PROBE, daemon_status, fronts, hold, kernel_clients, override, row, rows,
                      start_daemon, wait_all_free, wait_state, wait_stopped)

setup = start_daemon
# It fails where it is told to, for as long as it takes.
DROP_IN = f"""
[Service]
ExecStart=
ExecStart={FAILING}
WatchdogSec=0
"""
GUEST_SOCKET = "UNIX-CONNECT:/run/scanoutd/guest/bus"


@contextlib.contextmanager
def failing(vm):
    override(vm, DROP_IN)
    try:
        yield daemon_status(vm)["pid"]
    finally:
        override(vm, "")


def stop_at(vm, pid: int, point: str, command: str):
    """Starts what brings the daemon to this point; returns when it has stopped there."""
    vm.run(f"echo {point} stop > /run/scanoutd/failpoint")
    process = vm.spawn(f"exec {command}")
    wait_stopped(vm, pid, point)
    return process


def test_reused_lessee(vm):
    """A desk dies when the daemon has looked who lives and is about to grant another a lease, which
    gets the dead one's lessee number from the kernel: the old lease has ended, its release does not
    end the new one."""
    with failing(vm) as pid:
        old, _ = hold(vm, "--scanout card0-Virtual-1")
        was = row(vm, "card0-Virtual-1")
        new = stop_at(vm, pid, "grant-allowed",
                      f"{PROBE} hold --request --scanout card0-Virtual-2 {OPEN}")
        old.terminate("KILL")
        vm.run(f"kill -CONT {pid}")
        assert new.readline(30), new.err
        now = row(vm, "card0-Virtual-2")
        assert now["lessee"] == was["lessee"], (now, was)
        said = vm.run(f"scanoutctl release 'card0-Virtual-1#{was['generation']}'", check=False)
        assert said.rc == 1 and "already" in said.err, said
        wait_state(vm, "card0-Virtual-1", "free")
        assert row(vm, "card0-Virtual-2")["generation"] == now["generation"]
        assert new.poll() is None, new.err
        assert new.terminate() == 0, new.err
        wait_all_free(vm)


def test_close_races_with_revoke(vm):
    """A holder is killed when the daemon has seen that the lease lives, and has not revoked it yet:
    the kernel's ENOENT is no failure, and the scanout is free afterwards."""
    with failing(vm) as pid:
        since = vm.now()
        desk, ready = hold(vm)
        release = stop_at(vm, pid, "end-revoke", f"scanoutctl release {ready['scanout']}")
        desk.terminate("KILL")
        vm.run(f"kill -CONT {pid}")
        assert release.wait(30) == 0, release.err
        wait_state(vm, ready["scanout"], "free")
        assert "Cannot revoke" not in vm.journal("scanoutd", since)


def test_crtcs_read_while_revoked(vm):
    """CRTCs are read for lists while their leases are granted and revoked, by three callers at
    once: AGL's manager reads NULL then and dies with all its leases."""
    before, clients = daemon_status(vm), kernel_clients(vm)
    callers = [vm.spawn(f"exec {PROBE} calls 60 --timeout 86400") for _ in range(3)]
    for caller in callers:
        assert caller.wait(120) == 0, caller.out + caller.err
    wait_all_free(vm)
    assert daemon_status(vm)["pid"] == before["pid"]
    assert kernel_clients(vm) == clients


def test_no_file_survives_an_exec(vm):
    """Every file of the daemon closes on exec, also the card that systemd kept for it."""
    vm.run("systemctl restart scanoutd")
    desk, _ = hold(vm)
    pid = daemon_status(vm)["pid"]
    found = vm.run(f"cd /proc/{pid}/fdinfo && for fd in *; do "
                   f"echo $fd $(sed -n 's/^flags:\\t//p' $fd) $(readlink ../fd/$fd); done").out
    files = [line.split(None, 2) for line in found.splitlines() if int(line.split()[0]) > 2]
    assert any("dri/card" in target for _, _, target in files), found
    survivors = [f for f in files if not int(f[1], 8) & 0o2000000]
    assert not survivors, survivors
    desk.terminate()
    wait_all_free(vm)


def test_idle_guest_does_not_delay_a_restart(vm):
    """Guests that connect and say nothing: the daemon stops all the same, and is not killed for
    being late."""
    since = vm.now()
    idle = vm.spawn(f"for i in 1 2 3; do sleep infinity | socat - {GUEST_SOCKET} & done; wait")
    wait_until(lambda: fronts(vm), 10, "they are connected")
    vm.run("systemctl restart scanoutd", timeout=60)
    said = vm.journal("scanoutd", since)
    assert "timed out" not in said and "Killing" not in said, said
    assert len(rows(vm)) > 0
    idle.terminate("KILL")

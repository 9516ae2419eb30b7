"""Hostile containers: scanoutd, its admin and other containers do not notice."""

import json

from machine import wait_until
from scanouts import (COUNT, GUEST, OPEN, PROBE, daemon_status, fronts, hold, row, rows, start_daemon,
                      wait_all_free)

setup = start_daemon
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
ADDRESS = "unix:path=/run/scanoutd/guest/bus"
OTHER_GUEST = f"{GUEST} env DBUS_SYSTEM_BUS_ADDRESS={ADDRESS}"
ROUNDS = 100
# What an attack may make of the time that a call takes. One that makes calls wait does so each time;
# the host's own hiccups come and go.
FACTOR, TRIES = 5, 5


def measure(vm) -> dict[str, float]:
    """p99 in microseconds of each call, of the admin and of another container."""
    found = {}
    for who, prefix in (("admin", ""), ("guest", OTHER_GUEST)):
        told = json.loads(vm.run(f"{prefix} {PROBE} calls {ROUNDS} --timeout 60", timeout=240).out)
        found |= {f"{who} {method}": told[method]["p99_us"]
                  for method in ("list", "request", "release")}
    return found


def check_unnoticed(vm, attack: str):
    """While it goes on: nobody else waits, root's files and memory stay. Afterwards: nothing."""
    wait_until(lambda: not fronts(vm), 20, "the fronts of before have ended")
    quiet, before = measure(vm), daemon_status(vm)
    attacker = vm.spawn(f"exec {NOBODY} {PROBE} attack 100000 --name {attack}")
    assert attacker.readline(60) == "true", attacker.err
    late, tries = {"all": "not measured yet"}, 0
    while late and tries < TRIES:
        busy, during = measure(vm), daemon_status(vm)
        assert attacker.poll() is None, attacker.err
        late = {name: (quiet[name], busy[name]) for name in quiet
                if busy[name] > FACTOR * quiet[name]}
        tries += 1
    attacker.terminate("KILL")
    assert during["pid"] == before["pid"]
    # 32 connections of the attacker, if they call something; each has two files there.
    assert during["fds"] <= before["fds"] + 2 * 32 + 4, (before, during)
    assert during["anon"] <= before["anon"] + 4096, (before, during)
    assert not late, late
    wait_until(lambda: not fronts(vm), 90, "its front has ended")
    wait_until(lambda: daemon_status(vm)["fds"] <= before["fds"], 20, "root has its files again")
    wait_all_free(vm)


def test_leaked_fds(vm):
    """Invalid messages with 253 fds each, which sd-bus loses."""
    check_unnoticed(vm, "leak")


def test_held_fds(vm):
    """A message that never ends, with ever more fds."""
    check_unnoticed(vm, "hold")


def test_slow_close(vm):
    """Files whose last close waits for an hour, in a message and in a connection that is gone."""
    check_unnoticed(vm, "slow")


def test_memory(vm):
    """12,800 answers of 100 KB, which nobody reads."""
    check_unnoticed(vm, "memory")


def test_crowd(vm):
    """Connections without end."""
    check_unnoticed(vm, "accept")


def n_refused(vm) -> int:
    return vm.journal("scanout-front").count("Refused a client")


def test_flood(vm):
    """Three processes connect as fast as they can: who asks is served all the same, and the journal does
    not grow with it."""
    before = n_refused(vm)
    attackers = [vm.spawn(f"exec {NOBODY} {PROBE} attack 100000 --name flood") for _ in range(3)]
    for attacker in attackers:
        assert attacker.readline(60) == "true", attacker.err
    vm.run(f"{OTHER_GUEST} {PROBE} calls 20", timeout=240)
    vm.run(f"{OTHER_GUEST} scanoutctl list", timeout=240)
    for attacker in attackers:
        assert attacker.poll() is None, attacker.err
        attacker.terminate("KILL")
    wait_until(lambda: not fronts(vm), 90, "its front has ended")
    # One in ten seconds, of the door and of each front.
    assert n_refused(vm) < before + 50


# They measure time.
for test in (test_leaked_fds, test_held_fds, test_slow_close, test_memory, test_crowd):
    test.alone = True
del test


def test_ghost_lease(vm):
    """A holder puts its lease where only its front has it, and ends: so does the lease, as often as
    there are scanouts."""
    for _ in range(COUNT + 2):
        vm.run(f"{NOBODY} {PROBE} attack 1 --name ghost")
    wait_all_free(vm, 90)
    assert not fronts(vm)


def test_places(vm):
    """A user who connects as many others, with uids of the own range, has 16 places: the rest is for
    everybody else."""
    vm.run("for i in $(seq 20); do systemd-run --quiet --slice=user-4711.slice --unit=crowd-$i "
           "setpriv --reuid=$((600000 + i)) --clear-groups sh -c "
           "'sleep infinity | socat - UNIX-CONNECT:/run/scanoutd/guest/bus'; done", timeout=120)
    wait_until(lambda: len(fronts(vm)) == 16, 30, "16 of them have a front")
    assert "Refused a client: Too many users" in vm.journal("scanout-front")
    vm.run(f"{OTHER_GUEST} {PROBE} calls 1")
    assert len(fronts(vm)) == 16
    vm.run("systemctl stop 'crowd-*'")
    wait_until(lambda: not fronts(vm), 30, "their fronts have ended")


def test_killed_front(vm):
    """All fronts are killed while guests hold leases and wait for some: leases go on, calls end, and
    the next guest is served."""
    desk = vm.spawn(f"exec {OTHER_GUEST} {PROBE} hold --request --mode 640x480 --scanout "
                    f"card0-Virtual-1 {OPEN}")
    assert json.loads(desk.readline(30))["ready"], desk.err
    waiting = vm.spawn(f"exec {NOBODY} env DBUS_SYSTEM_BUS_ADDRESS={ADDRESS} {PROBE} sit --request "
                       f"--scanout card0-Virtual-1 --timeout 600 {OPEN}")
    wait_until(lambda: len(fronts(vm)) >= 1, 20, "one waits")
    vm.run("pkill -KILL -f '[s]canout-front --instance'")
    assert waiting.wait(30) != 0, waiting.out
    assert row(vm, "card0-Virtual-1")["state"] == "leased"
    assert desk.poll() is None, desk.err
    vm.run(f"{OTHER_GUEST} {PROBE} calls 1")
    desk.terminate()
    wait_all_free(vm)


def test_killed_service(vm):
    """The whole service is killed: leases go on, and who connects afterwards is served."""
    desk, ready = hold(vm, "", prefix=OTHER_GUEST)
    vm.run("systemctl kill -s KILL scanout-front")
    vm.run(f"{OTHER_GUEST} {PROBE} calls 1", timeout=60)
    assert row(vm, ready["scanout"])["state"] == "leased"
    assert desk.poll() is None, desk.err
    desk.terminate()
    wait_all_free(vm)


def test_restart(vm):
    """scanoutd is restarted while a guest waits for a scanout: it is answered when that is free."""
    desk, ready = hold(vm)
    waiting = vm.spawn(f"exec {OTHER_GUEST} {PROBE} sit --request --scanout {ready['scanout']} "
                       f"--timeout 600 {OPEN}")
    wait_until(lambda: fronts(vm), 20, "one waits")
    vm.run("systemctl restart scanoutd")
    vm.run("systemctl kill -s KILL scanoutd")
    wait_until(lambda: len(rows(vm)) == COUNT, 30, "scanoutd is back")
    assert row(vm, ready["scanout"])["state"] == "leased"
    desk.terminate()
    assert json.loads(waiting.readline(60)), waiting.err
    waiting.terminate("KILL")
    wait_all_free(vm)


def test_unprivileged(vm):
    """Front and door are no root, and have no capability."""
    desk, _ = hold(vm, "", prefix=OTHER_GUEST)
    door = int(vm.run("systemctl show -p MainPID --value scanout-front").out)
    guest = vm.spawn("sleep infinity | socat - UNIX-CONNECT:/run/scanoutd/guest/bus")
    wait_until(lambda: fronts(vm), 20, "one is connected")
    for pid in [door, *fronts(vm)]:
        status = vm.run(f"cat /proc/{pid}/status").out
        assert "\nUid:\t0" not in status and "\nCapEff:\t0000000000000000\n" in status, status
    guest.terminate("KILL")
    desk.terminate()
    wait_all_free(vm)

"""Daemons started by hand, without a service: one replaces the other, and no desktop notices."""

import json

from machine import wait_until
from scanouts import (COUNT, OPEN, PROBE, daemon_status, hold, row, rows, start_daemon,
                      wait_all_free, wait_state)
from test_restart import flipping

setup = start_daemon
CONFIG = "/run/hand.conf"
LOG = "/run/hand.log"
SCANOUTD = f"scanoutd --config {CONFIG}"
GUEST_BUS = "/run/scanoutd/guest/bus"
KEPT = ("label", "holder", "lessee", "generation", "since")


def by_hand(vm):
    """The first daemon, in the place of the service."""
    vm.run(f"systemctl stop scanoutd.socket scanoutd; rm -rf /etc/scanoutd/scanoutd.conf.d {LOG}; "
           f"printf '[Card]\\nSeat=none\\n[Guest]\\nSocket={GUEST_BUS}\\n' > {CONFIG}")
    return start(vm, "")


def start(vm, arguments: str):
    daemon = vm.spawn(f"exec {SCANOUTD} {arguments} 2>>{LOG}")
    wait_ready(vm, daemon)
    return daemon


def wait_ready(vm, daemon):
    def ready():
        assert daemon.poll() is None, vm.run(f"cat {LOG}").out
        return owner(vm) == daemon.pid
    wait_until(ready, 30, "the daemon has the name")


def owner(vm) -> int:
    """Who has the bus name; 0 if nobody has. Starts nothing."""
    said = vm.run("busctl call org.freedesktop.DBus / org.freedesktop.DBus "
                  "GetConnectionUnixProcessID s org.scanoutd.Scanout1", check=False)
    return int(said.out.split()[1]) if said.rc == 0 else 0


def replace(vm, daemon):
    following = start(vm, "--replace")
    assert daemon.wait(20) == 0
    return following


def at_handover(vm, then: str, daemon) -> tuple[int, str]:
    """Starts a daemon that replaces and does something in the very moment in which it has all
    files and has not taken over: `$new` and `$old` are the two. Its exit status and log."""
    said = vm.run(f"{SCANOUTD} --replace 2>/run/new.log & new=$!; old={daemon.pid}; "
                  f"until [[ $(<{LOG}) == *\"Handing over to scanoutd (pid $new)\"* ]]; do :; done; "
                  f"{then}; wait $new; echo $?; cat /run/new.log", timeout=90)
    status, _, log = said.out.partition("\n")
    return int(status), log


def leases(vm) -> dict:
    """What must not change; all else must be free."""
    found = rows(vm)
    assert all(r["state"] in ("free", "leased") for r in found.values()), found
    return {id: {key: r[key] for key in KEPT}
            for id, r in found.items() if r["state"] == "leased"}


def test_leases_go_over(vm):
    """Fifteen desks flip while one daemon replaces the other, ten times in a row: no flip fails,
    the same leases are listed, and guests reach each of them on the same socket."""
    daemon = by_hand(vm)
    desks = [flipping(vm, f"desk{n}") for n in range(COUNT - 1)]
    wait_until(lambda: sum(r["state"] == "leased" for r in rows(vm).values()) == len(desks), 60,
               "all desks have a scanout")
    before = leases(vm)
    inode = vm.run(f"stat -c %i {GUEST_BUS}").out
    for _ in range(10):
        daemon = replace(vm, daemon)
        assert leases(vm) == before
    assert vm.run(f"stat -c %i {GUEST_BUS}").out == inode
    vm.run(f"gdbus call --address unix:path={GUEST_BUS} -d org.scanoutd.Scanout1 "
           "-o /org/scanoutd/Scanout1 -m org.scanoutd.Scanout1.Manager.ListScanouts")
    for desk in desks:
        assert desk.poll() is None, desk.err
    for desk in desks:
        assert desk.terminate() == 0, desk.err
        assert json.loads(desk.out.splitlines()[-1])["flips"] > 10, desk.out
    wait_all_free(vm)
    assert daemon.terminate() == 0


test_leases_go_over.deadline = 240


def test_new_one_is_killed(vm):
    """The new daemon is killed when it has everything and has not confirmed: the old one goes on
    as before, several times, and one that lives replaces it afterwards."""
    daemon = by_hand(vm)
    desks = [flipping(vm, f"desk{n}") for n in range(4)]
    wait_until(lambda: sum(r["state"] == "leased" for r in rows(vm).values()) == len(desks), 60,
               "all desks have a scanout")
    before = leases(vm)
    for _ in range(5):
        status, log = at_handover(vm, "kill -KILL $new", daemon)
        assert status == 128 + 9, log
        assert leases(vm) == before
        other, ready = hold(vm, "--label other")
        other.terminate()
        wait_state(vm, ready["scanout"], "free")
    assert owner(vm) == daemon.pid
    daemon = replace(vm, daemon)
    assert leases(vm) == before
    for desk in desks:
        assert desk.terminate() == 0, desk.err
    wait_all_free(vm)
    daemon.terminate()


test_new_one_is_killed.deadline = 120


def test_old_one_is_killed(vm):
    """The old daemon is killed, or told to stop, in the same moment: the new one has it all."""
    for signal in ("KILL", "TERM"):
        daemon = by_hand(vm)
        desks = [flipping(vm, f"desk{n}") for n in range(4)]
        wait_until(lambda: sum(r["state"] == "leased" for r in rows(vm).values()) == len(desks),
                   60, "all desks have a scanout")
        before = leases(vm)
        following = vm.spawn(
            f"{SCANOUTD} --replace 2>/run/new.log & new=$!; "
            f"until [[ $(<{LOG}) == *\"Handing over to scanoutd (pid $new)\"* ]]; do :; done; "
            f"kill -STOP $new; kill -{signal} {daemon.pid}; "
            f"while kill -0 {daemon.pid} 2>/dev/null; do :; done; kill -CONT $new; "
            "echo $new; wait $new")
        new = int(following.readline(30))
        wait_until(lambda: owner(vm) == new, 30, "the new one has the name")
        assert leases(vm) == before
        third = start(vm, "--replace")  # the socket was not lost with the old one
        assert leases(vm) == before
        for desk in desks:
            assert desk.terminate() == 0, desk.err
        wait_all_free(vm)
        third.terminate()


test_old_one_is_killed.deadline = 150


def test_new_one_hangs(vm):
    """The new daemon stops when it has everything: after its time the old one kills it, and goes
    on."""
    daemon = by_hand(vm)
    desk, ready = hold(vm, "--label desk")
    before = leases(vm)
    status, log = at_handover(vm, "kill -STOP $new", daemon)
    assert status == 128 + 9, log
    assert "does not get ready: killing it" in vm.run(f"cat {LOG}").out
    assert owner(vm) == daemon.pid and leases(vm) == before
    vm.run(f"scanoutctl release {ready['scanout']}")
    wait_state(vm, ready["scanout"], "free")
    desk.terminate("KILL")
    daemon.terminate()


test_new_one_hangs.deadline = 120


def test_linger_goes_over(vm):
    """A desk whose last picture is to linger: it does so after the daemon was replaced, and goes on
    to when it is replaced again."""
    daemon = by_hand(vm)
    desk = vm.spawn("exec scanoutctl request --label desk --linger 60s -- "
                    f"{PROBE} hold --mode 1920x1080 --fill ff8800 {OPEN}")
    def shown():
        return next((r for r in rows(vm).values() if r["label"] == "desk" and r["width"]), None)
    scanout = wait_until(shown, 30, "the desk shows")["id"]
    daemon = replace(vm, daemon)
    assert row(vm, scanout)["linger"] == 60_000_000
    desk.terminate("KILL")
    before = wait_state(vm, scanout, "draining")
    daemon = replace(vm, daemon)
    after = wait_state(vm, scanout, "draining")
    for key in ("since", "generation", "linger", "reason"):
        assert after[key] == before[key], (key, before, after)
    vm.run(f"scanoutctl release {scanout}")
    wait_state(vm, scanout, "free")
    daemon.terminate()


def test_one_without_a_socket(vm):
    """A daemon that cannot be asked, as older ones cannot: the new one is refused, names it and
    says what to do; the leases go on."""
    daemon = by_hand(vm)
    desk, ready = hold(vm, "--label desk")
    vm.run("rm /run/scanoutd/control")
    said = vm.run(f"{SCANOUTD} --replace", check=False)
    assert said.rc == 75, said
    assert f"in the hands of scanoutd (pid {daemon.pid})" in said.err, said
    assert "it is too old for --replace: stop it" in said.err, said
    assert row(vm, ready["scanout"])["label"] == "desk"
    desk.terminate()
    daemon.terminate()


def test_service(vm):
    """By hand the service is not replaced but named; the service with --replace takes over from
    one started by hand, and its restart then keeps the leases."""
    start_daemon(vm)
    before = daemon_status(vm)["pid"]
    said = vm.run("scanoutd --replace", check=False)
    assert said.rc == 75 and "'systemctl restart scanoutd.service'" in said.err, said
    assert daemon_status(vm)["pid"] == before

    daemon = by_hand(vm)
    desk, ready = hold(vm, "--label desk")
    kept = leases(vm)
    vm.run("mkdir -p /run/systemd/system/scanoutd.service.d && printf '[Service]\\nExecStart=\\n"
           "ExecStart=/usr/sbin/scanoutd --replace\\n' > "
           "/run/systemd/system/scanoutd.service.d/test.conf && systemctl daemon-reload")
    try:
        vm.run("systemctl start scanoutd")
        assert daemon.wait(20) == 0
        assert leases(vm) == kept
        for _ in range(2):
            vm.run("systemctl restart scanoutd")
            assert leases(vm) == kept
            stored = vm.run("systemctl show -p NFileDescriptorStore --value scanoutd").out
            assert stored.strip() == "1", stored
    finally:
        vm.run("rm -r /run/systemd/system/scanoutd.service.d; systemctl daemon-reload")
    desk.terminate()
    start_daemon(vm)


def test_no_store(vm):
    """Where nothing keeps the card, the daemon says at start what a restart costs and what to do;
    where systemd does, it says nothing."""
    said = "a restart ends"
    remedy = "Set NotifyAccess=main and FileDescriptorStoreMax=512 in its unit"
    drop_in = "/run/systemd/system/scanoutd.service.d"
    since = vm.now()
    start_daemon(vm)
    # systemd answers, and the daemon hears it, in this order.
    vm.run("busctl get-property org.freedesktop.systemd1 "
           "/org/freedesktop/systemd1/unit/scanoutd_2eservice org.freedesktop.systemd1.Service "
           "NFileDescriptorStore")
    rows(vm)
    assert said not in vm.journal("scanoutd", since)
    try:
        for text, line in (
                ("FileDescriptorStoreMax=0", "systemd keeps 0 of 1 cards: a restart ends the "
                 f"leases on the others. {remedy}"),
                ("Type=exec\\nNotifyAccess=none\\nFileDescriptorStoreMax=0\\nWatchdogSec=0", "systemd does not keep the cards: a restart of "
                 f"this service ends all leases. {remedy}")):
            since = vm.now()
            vm.run(f"mkdir -p {drop_in} && printf '[Service]\\n{text}\\n' > {drop_in}/test.conf && "
                   "systemctl daemon-reload && systemctl restart scanoutd")
            wait_until(lambda: line in vm.journal("scanoutd", since), 20, line)
    finally:
        vm.run(f"rm -r {drop_in}; systemctl daemon-reload")
    daemon = by_hand(vm)
    remedy = "Start the next scanoutd with --replace, and they go on"
    wait_until(lambda: remedy in vm.run(f"cat {LOG}").out, 20, remedy)
    daemon.terminate()
    start_daemon(vm)

"""The daemon goes and comes back: no desktop notices."""

import json

from machine import wait_until
from pace import Movement
from scanouts import (COUNT, PROBE, configure, daemon_status, hold, row, rows, start_daemon,
                      wait_all_free, wait_blank, wait_state)

setup = start_daemon
STATE = "/run/scanoutd/leases.json"


def restart(vm):
    vm.run("systemctl restart scanoutd")


def service(vm) -> dict[str, str]:
    """What systemd says of it, with the pid of the daemon, 0 if there is none."""
    told = vm.run("systemctl show -p MainPID -p ActiveState scanoutd").out.split()
    return dict(line.split("=") for line in told)


def crash(vm, meanwhile: str = ":"):
    """SIGSTOP, something happens, SIGKILL; systemd starts it again."""
    pid = service(vm)["MainPID"]
    vm.run(f"kill -STOP {pid}; {meanwhile}; kill -KILL {pid}")

    def again():
        now = service(vm)
        return now["MainPID"] not in ("0", pid) and now["ActiveState"] == "active"

    def movement() -> Movement:
        return Movement(0, (service(vm), vm.journal("scanoutd").count("\n")))
    wait_until(again, 20, "systemd starts it again", movement)


def flipping(vm, label: str):
    """A desk that flips until it is told to stop, and once more then; a flip that fails ends it."""
    return vm.spawn(f"exec scanoutctl request --label {label} -- {PROBE} flip-rate 86400 --rate 4 "
                    "--mode 640x480")


def end_flipping(desks: list):
    """They could flip to the last, after all that has happened."""
    for desk in desks:
        assert desk.poll() is None, desk.err
    for desk in desks:
        assert desk.terminate() == 0, desk.err
        flipped = json.loads(desk.out.splitlines()[-1])
        assert flipped["flips"] > 1 and flipped["errors"] == 0, flipped


def test_restart_keeps_leases(vm):
    """Fifteen desks flip while the daemon is restarted, and again while it is killed: no flip
    fails, the same leases are listed afterwards, with their holders, and end as ever."""
    desks = [flipping(vm, f"desk{n}") for n in range(COUNT - 1)]
    def all_there():
        found = rows(vm)
        return found if sum(r["width"] == 640 for r in found.values()) == len(desks) else None
    before = wait_until(all_there, 60, "all desks show their picture")
    for end in (restart, crash):
        end(vm)
        after = rows(vm)
        for id, now in after.items():
            if before[id]["state"] == "leased":
                for key in ("label", "holder", "lessee", "generation", "since"):
                    assert now[key] == before[id][key], (id, key, now, before[id])
    end_flipping(desks)
    wait_all_free(vm)


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
                ("Type=exec\\nNotifyAccess=none\\nFileDescriptorStoreMax=0\\nWatchdogSec=0",
                 "systemd does not keep the cards: a restart of this service ends all leases. "
                 f"{remedy}")):
            since = vm.now()
            vm.run(f"mkdir -p {drop_in} && printf '[Service]\\n{text}\\n' > {drop_in}/test.conf && "
                   "systemctl daemon-reload && systemctl restart scanoutd")
            wait_until(lambda: line in vm.journal("scanoutd", since), 20, line)
    finally:
        vm.run(f"rm -r {drop_in}; systemctl daemon-reload")
    vm.run("systemctl stop scanoutd.socket scanoutd; printf '[Card]\\nSeat=none\\n' > /run/hand.conf")
    daemon = vm.spawn("exec scanoutd --config /run/hand.conf 2>/run/hand.log")
    remedy = "As a service ('systemctl start scanoutd') it is restarted without that"
    wait_until(lambda: remedy in vm.run("cat /run/hand.log", check=False).out, 20, remedy)
    daemon.terminate()
    start_daemon(vm)

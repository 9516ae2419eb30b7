"""What the daemon stands on gives way: its disk, its files, its memory, the bus, the clock."""

import json

from machine import wait_until
from pace import Movement, pace
from scanouts import (COUNT, PROBE, daemon_status, fronts, hold, override, row, rows, start_daemon,
                      wait_all_free, wait_state)
from test_faults import MACHINE  # noqa: F401  the same machine

MODE = "640x480"
KEPT = ("state", "label", "holder", "lessee", "generation", "since")
GUEST_LIST = ("gdbus call --address unix:path=/run/scanoutd/guest/bus -d org.scanoutd.Scanout1 "
              "-o /org/scanoutd/Scanout1 -m org.scanoutd.Scanout1.Manager.ListScanouts")


def setup(vm):
    start_daemon(vm)
    override(vm, "")


def kept(now: dict) -> dict:
    return {key: now[key] for key in KEPT}


def uptime(vm) -> float:
    return float(vm.run("cat /proc/uptime").out.split()[0])


def tiny_disk(vm):
    """The daemon's directory becomes a file system of two pages: the table of a few leases, and
    the next one."""
    vm.run("mkdir -p /run/tiny; umount /run/tiny 2>/dev/null; "
           "mount -t tmpfs -o size=8k tmpfs /run/tiny")
    override(vm, "[Service]\nEnvironment=RUNTIME_DIRECTORY=/run/tiny\nReadWritePaths=/run/tiny\n")


def test_disk_is_full(vm):
    """/run is full: requests are granted as ever, and the table of leases is written in the place
    of the old one. When even that does not fit, the journal says so, and nothing is lost in a
    restart but the names: no lease gets the name of another that had its number before."""
    tiny_disk(vm)
    first, ready = hold(vm, "--label first --scanout card0-Virtual-1", mode=MODE)
    vm.run("cat /dev/zero > /run/tiny/filler", check=False)
    first.terminate("KILL")
    wait_all_free(vm)
    second, again = hold(vm, "--label second --scanout card0-Virtual-2", mode=MODE)
    assert again["lessee"] == ready["lessee"], "the kernel did not use the number again"
    before = row(vm, "card0-Virtual-2")
    vm.run("systemctl restart scanoutd")
    assert kept(row(vm, "card0-Virtual-2")) == kept(before)
    assert row(vm, "card0-Virtual-1")["state"] == "free"

    since = vm.now()
    long = "x" * 60
    others = [vm.spawn(f"exec scanoutctl request --label {long}{n} -- sleep infinity")
              for n in range(COUNT - 2)]
    wait_until(lambda: sum(r["state"] == "leased" for r in rows(vm).values()) == COUNT - 1, 60,
               "all but one are leased")
    assert "leases.json: Cannot be written: No space left" in vm.journal("scanoutd", since)
    leased = {id for id, r in rows(vm).items() if r["state"] == "leased"}
    vm.run("systemctl restart scanoutd")
    assert {id for id, r in rows(vm).items() if r["state"] == "leased"} == leased
    assert all(r["label"] == "" for r in rows(vm).values()), rows(vm)
    vm.run("rm /run/tiny/filler")
    for process in [second, *others]:
        assert process.poll() is None
        process.terminate("KILL")
    wait_all_free(vm)
    override(vm, "")
    vm.run("umount /run/tiny")


# The first number that is free in its table of files, N more, as its limit.
LIMIT = """
pid=$(systemctl show -p MainPID --value scanoutd); n=0
while [ -e /proc/$pid/fd/$n ] || [ -L /proc/$pid/fd/$n ]; do n=$((n + 1)); done
prlimit --pid $pid --nofile=$((n + {more}))
"""


def test_no_more_files(vm):
    """The daemon may have few files open. Guests who connect take none of them. With none left, one,
    two and so on a request is refused by name, wherever it fails, and leaves nothing; with enough it
    is granted. Nobody's lease ends."""
    desk, ready = hold(vm, "--label desk", mode=MODE)
    before = row(vm, ready["scanout"])
    status = daemon_status(vm)
    pid = status["pid"]
    crowd = vm.spawn("for i in $(seq 20); do sleep infinity | socat - "
                     "UNIX-CONNECT:/run/scanoutd/guest/bus & done; wait")
    wait_until(lambda: fronts(vm), 20, "guests are connected")
    assert daemon_status(vm)["fds"] == status["fds"]
    refusals = []
    for more in range(8):
        vm.run(LIMIT.format(more=more))
        # Of two leases in the reply, the first may still find room.
        refused = vm.run("scanoutctl request --json --spare -- true", check=False)
        if refused.rc == 0:
            break
        refusals.append(json.loads(refused.err))
        assert refusals[-1]["error"] == "DeviceBusy", refusals
        assert "Too many open files" in refusals[-1]["message"], refusals
        wait_until(lambda: sum(r["state"] == "free" for r in rows(vm).values()) == COUNT - 1, 10,
                   "nothing is left of it")
    assert refused.rc == 0, refusals
    # Before it is known who asks, and when all but the answer is done.
    assert "who you are" in refusals[0]["message"], refusals
    assert "hand over" in refusals[-1]["message"], refusals
    assert kept(row(vm, ready["scanout"])) == kept(before)
    crowd.terminate("KILL")
    assert daemon_status(vm)["pid"] == pid
    desk.terminate()
    wait_all_free(vm)
    vm.run(f"prlimit --pid {pid} --nofile=16384")


def test_no_memory(vm):
    """The kernel ends the daemon for want of memory, and each that follows, more often than systemd
    starts a service by default: once there is memory, the next one has all leases."""
    desks = [hold(vm, f"--label desk{n}", mode=MODE) for n in range(3)]
    before = rows(vm)
    since = vm.now()
    vm.run("systemctl set-property --runtime scanoutd.service MemoryMax=512K MemorySwapMax=0")
    try:
        def ends() -> int:
            return vm.journal("scanoutd", since).count("'oom-kill'")
        wait_until(lambda: ends() >= 7, 40, "it is ended for want of memory, again and again",
                   lambda: Movement(0, ends()))
    finally:
        vm.run("systemctl set-property --runtime scanoutd.service MemoryMax=infinity")
    wait_until(lambda: vm.run("systemctl is-active scanoutd", check=False).out == "active\n", 20,
               "it is back")
    after = rows(vm)
    for desk, ready in desks:
        assert kept(after[ready["scanout"]]) == kept(before[ready["scanout"]])
        desk.terminate()
    wait_all_free(vm)


def test_bus_is_gone(vm):
    """The system bus dies while a desk flips and a guest asks: the desk flips on, the guest is
    answered. When the bus is back, so is the daemon, the same one, with the lease."""
    desk = vm.spawn(f"exec {PROBE} flip-rate 86400 --rate 10 --mode {MODE} --request --label desk")
    wait_until(lambda: any(r["width"] == 640 for r in rows(vm).values()), 20, "it shows")
    before = next(r for r in rows(vm).values() if r["label"] == "desk")
    pid, since = daemon_status(vm)["pid"], vm.now()
    vm.run("systemctl stop dbus.socket; systemctl kill -s KILL dbus.service")
    wait_until(lambda: "bus is gone" in vm.journal("scanoutd", since), 20, "the daemon notices")
    assert "desk" in vm.run(GUEST_LIST).out
    vm.run("systemctl start dbus.socket dbus.service")
    vm.run("until busctl status org.scanoutd.Scanout1 >/dev/null 2>&1; do sleep 0.1; done")
    assert daemon_status(vm)["pid"] == pid
    assert kept(row(vm, before["id"])) == kept(before)
    assert vm.run("scanoutctl request -- true").rc == 0
    assert desk.terminate() == 0, desk.err
    flipped = json.loads(desk.out.splitlines()[-1])
    assert flipped["errors"] == 0 and flipped["flips"] > 1, flipped
    wait_all_free(vm)


def test_clock_jumps(vm):
    """The clock jumps by a day, forwards and back: a request that waits is refused after the time
    that it gave, neither earlier nor a day later; leases begin when they began; the watchdog, which
    looks meanwhile, does not bite."""
    watchdog = round(pace.limit(1))
    override(vm, f"[Service]\nWatchdogSec={watchdog}s\n")
    pid = daemon_status(vm)["pid"]
    desk, ready = hold(vm, f"--label desk", mode=MODE)
    before = row(vm, ready["scanout"])
    for jump in ("+1 day", "-2 days", "+1 day"):
        begun = uptime(vm)
        waiting = vm.spawn(f"exec scanoutctl request --json --scanout {ready['scanout']} "
                           f"--timeout {watchdog + 1}s -- true")
        wait_until(lambda: "scanoutctl" in vm.run(f"cat /proc/{waiting.pid}/comm").out, 5, "waits")
        vm.run(f"date -s '{jump}'")
        assert waiting.wait(watchdog + 20) == 1
        assert json.loads(waiting.err)["error"] == "Timeout", waiting.err
        assert uptime(vm) - begun >= watchdog + 1
        assert kept(row(vm, ready["scanout"])) == kept(before)
        assert "days" not in vm.run("scanoutctl list").out
        other, now = hold(vm, "", mode=MODE)
        began = row(vm, now["scanout"])["since"] / 1e6
        other.terminate("KILL")
        wait_state(vm, now["scanout"], "free")
        assert abs(began - float(vm.run("date +%s").out)) < 3600
    assert daemon_status(vm)["pid"] == pid
    desk.terminate()
    wait_all_free(vm)
    override(vm, "")

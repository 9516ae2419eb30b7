"""Cards that come and go while the machine runs, and outputs that the host changes."""

import json

from machine import wait_until
from scanouts import (COUNT, configure, daemon_status, hold, row, rows, size_heads, start_daemon,
                      wait_all_free, wait_state)

MACHINE = dict(devices=["virtio-gpu-pci,id=gpu1,addr=0x10,max_outputs=4"])
SECOND = "/sys/bus/pci/devices/0000:00:10.0"
OTHERS = 4


def setup(vm):
    start_daemon(vm)
    wait_until(lambda: len(rows(vm)) == COUNT + OTHERS, 20, "both cards are there")


def of_second(vm) -> list[str]:
    return [r["id"] for r in rows(vm).values() if r["device"] != "/dev/dri/card0"]


def unplug(vm):
    """QEMU's virtio-gpu cannot be unplugged by the host ('does not support hotplugging'). What
    its driver sees when the guest removes the PCI device is the same."""
    vm.run(f"echo 1 > {SECOND}/remove")


def plug(vm):
    vm.run("echo 1 > /sys/bus/pci/rescan")


def test_unplug_and_plug(vm):
    """A card goes while one of its scanouts and one of the other card's are leased: its objects
    vanish, the holder is told `device-gone`, the other lease goes on. It comes back, several times
    over: its objects appear, can be leased, generations go on, and the daemon has as many fds as
    before."""
    monitor = vm.spawn("exec scanoutctl monitor --json")
    other, kept = hold(vm, "--scanout card0-Virtual-2")
    fds = daemon_status(vm)["fds"]
    pid = daemon_status(vm)["pid"]
    last = 0
    for _ in range(3):
        scanout = of_second(vm)[1]
        desk, ready = hold(vm, f"--scanout {scanout}", mode="640x480")
        assert ready["generation"] > last, (ready, last)
        last = ready["generation"]
        told = len(monitor.out)
        unplug(vm)
        wait_until(lambda: not of_second(vm), 10, "its scanouts are gone")
        wait_until(lambda: "device-gone" in monitor.out[told:], 10, "the holder is told")
        refused = vm.run(f"scanoutctl request --json --scanout {scanout} -- true", check=False)
        assert json.loads(refused.err)["error"] == "NoSuchScanout", refused
        refused = vm.run(f"scanoutctl release {scanout}", check=False)
        assert refused.rc == 1, refused
        assert row(vm, kept["scanout"])["state"] == "leased"
        assert other.poll() is None

        # While somebody has the old card open, its number is not used again: nor are its ids.
        told = len(monitor.out)
        plug(vm)
        wait_until(lambda: len(of_second(vm)) == OTHERS, 20, "its scanouts are back")
        assert scanout not in of_second(vm), "an id that the old holder still may name"
        wait_until(lambda: of_second(vm)[0] in monitor.out[told:], 10, "monitor tells of it")
        desk.terminate("KILL")
        unplug(vm)
        wait_until(lambda: not of_second(vm), 10, "its scanouts are gone")
        plug(vm)
        wait_until(lambda: len(of_second(vm)) == OTHERS, 20, "its scanouts are back")
    wait_until(lambda: daemon_status(vm)["fds"] == fds, 10, f"the daemon has {fds} fds again")
    assert daemon_status(vm)["pid"] == pid
    assert other.poll() is None and row(vm, kept["scanout"])["state"] == "leased"
    other.terminate()
    monitor.terminate()
    wait_all_free(vm)


def preferred(vm, scanout: str) -> list[int]:
    """The mode that a request for it is answered with."""
    out = vm.run("gdbus call --system -d org.scanoutd.Scanout1 -o /org/scanoutd/Scanout1 "
                 "-m org.scanoutd.Scanout1.Manager.RequestScanout "
                 f"\"{{'scanout': <'{scanout}'>, 'timeout': <uint64 86400000000>}}\"").out
    mode = out.split("'mode': <(", 1)[1].split(")", 1)[0]
    return [int(number.split()[-1]) for number in mode.split(",")]


def test_resize(vm):
    """The host resizes a head that is free, then one that is leased: the next request is told the
    new size as its preferred mode, and the lease goes on."""
    scanout, head = "card0-Virtual-3", 2
    for width, height in ((1280, 720), (1600, 900)):
        vm.size_head(head, width, height)
        wait_until(lambda: preferred(vm, scanout)[:2] == [width, height], 10,
                   f"{scanout} prefers {width}x{height}")
    wait_all_free(vm)
    desk, ready = hold(vm, f"--scanout {scanout}", mode="1600x900")
    vm.size_head(head, 1024, 768)
    status = "/sys/class/drm/card0-Virtual-3/modes"
    wait_until(lambda: vm.run(["head", "-1", status]).out.strip() == "1024x768", 10,
               "the guest's kernel knows the new size")
    assert row(vm, scanout)["state"] == "leased" and desk.poll() is None
    desk.terminate()
    wait_all_free(vm)
    wait_until(lambda: preferred(vm, scanout)[:2] == [1024, 768], 10, "the new size is told")
    wait_all_free(vm)


def test_disconnect(vm):
    """With ForceConnect=no, an output that the host disconnects is absent and cannot be had; one
    that is leased stays leased, and is absent afterwards; connected again, both are free."""
    size_heads(vm, 4)
    vm.run("systemctl stop scanoutd; for c in /sys/class/drm/card*-Virtual-*/status; do "
           "echo detect > $c; done")
    configure(vm, "[Card]\nForceConnect=no\n")
    free, leased = "card0-Virtual-2", "card0-Virtual-3"
    found = rows(vm)
    assert found[free]["state"] == "free" and found["card0-Virtual-16"]["state"] == "absent", found
    desk, ready = hold(vm, f"--scanout {leased}")
    vm.size_head(1, 0, 0)
    wait_state(vm, free, "absent")
    vm.size_head(2, 0, 0)
    wait_until(lambda: vm.run(["cat", f"/sys/class/drm/{leased}/status"]).out == "disconnected\n",
               10, "the guest's kernel knows that it is disconnected")
    refused = vm.run(f"scanoutctl request --json --scanout {free} -- true", check=False)
    assert json.loads(refused.err)["error"] == "NoSuchScanout", refused
    assert row(vm, leased)["state"] == "leased" and desk.poll() is None
    desk.terminate()
    wait_state(vm, leased, "absent")
    for head, scanout in ((1, free), (2, leased)):
        vm.size_head(head, 1920, 1080)
        wait_state(vm, scanout, "free")
    start_daemon(vm)

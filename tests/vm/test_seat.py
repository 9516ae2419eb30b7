"""A real seat with virtual terminals: another session gets the card and gives it back."""

import contextlib
import json

from machine import wait_until
from scanouts import (PROBE, call, configure, probe, row, rows, start_daemon, wait_all_free,
                      wait_blank, wait_state)

ORANGE = (0xff, 0x88, 0x00)
SIZES = {"desk0": (1920, 1080), "desk1": (1024, 768)}

setup = start_daemon


def activate(vm, terminal: int):
    """What chvt does: VT_ACTIVATE of linux/vt.h."""
    vm.run(f"perl -e 'open(my $tty, \"+<\", \"/dev/tty0\") or die; "
           f"ioctl($tty, 0x5606, {terminal}) or die'")


@contextlib.contextmanager
def seat(vm):
    """scanoutd on the seat of the VM's terminals, with the first one in front."""
    vm.run("systemctl stop scanoutd; systemctl mask --runtime --now getty@tty1 getty@tty2")
    activate(vm, 1)
    seatd = vm.spawn("exec seatd -l debug")
    try:
        wait_until(lambda: vm.run("test -S /run/seatd.sock", check=False).rc == 0, 20,
                   "seatd listens")
        configure(vm, "[Card]\nSeat=libseat\n")
        yield
    finally:
        activate(vm, 1)
        vm.run("systemctl stop scanoutd; systemctl unmask --runtime getty@tty1 getty@tty2",
               check=False)
        seatd.terminate()
        start_daemon(vm)


def paused(vm) -> bool:
    return json.loads(vm.run("scanoutctl list --json").out)["paused"]


def switch(vm, terminal: int, to_pause: bool):
    activate(vm, terminal)
    wait_until(lambda: paused(vm) == to_pause, 20, f"paused is {to_pause}")


def desk(vm, label: str, mode: str = "1920x1080"):
    """Flips for as long as it may, and tells when it may not."""
    process = vm.spawn(f"exec scanoutctl request --label {label} -- {PROBE} flip-on "
                       f"--mode {mode} --fill ff8800")
    assert json.loads(process.readline(60))["flip"] == "OK"
    return process


def shown(vm, head: int):
    """The colour in the middle of a head, and its size."""
    picture = vm.capture(head)
    return picture.getpixel((picture.width // 2, picture.height // 2)), picture.size


def switch_and_back(vm):
    monitor = vm.spawn("exec scanoutctl monitor")
    desks = [desk(vm, label, f"{width}x{height}") for label, (width, height) in SIZES.items()]
    before = rows(vm)
    switch(vm, 2, True)
    free = next(r["index"] for r in before.values() if r["state"] == "free")
    wait_until(lambda: not vm.is_blank(free), 30, "the console has the other heads")
    assert vm.run("cat /sys/class/tty/tty0/active").out.strip() == "tty2"
    for each in desks:
        assert json.loads(each.readline(30))["flip"] == "EACCES"
    for id, now in rows(vm).items():
        assert (now["state"], now["generation"]) == (before[id]["state"], before[id]["generation"])
    listed = vm.run("scanoutctl list")
    assert "Paused" in listed.err, listed
    doctor = vm.run("scanoutctl doctor", check=False)
    assert "Paused: another session has the seat" in doctor.out, doctor
    refused = vm.run("scanoutctl request --json -- true", check=False)
    assert refused.rc == 1 and json.loads(refused.err)["error"] == "DeviceBusy", refused
    rc, said = call(vm, f"ReleaseScanout s {next(iter(rows(vm)))}")
    assert rc == 1 and "The seat is disabled" in said, said
    waiting = vm.spawn("exec scanoutctl request --timeout infinity -- sh -c 'echo $SCANOUT_ID'")
    wait_until(lambda: vm.run("pgrep -xc scanoutctl || true").out.strip() == "2", 20, "it waits")

    switch(vm, 1, False)
    for each in desks:
        while (outcome := json.loads(each.readline(30))["flip"]) != "OK":
            print(f"    a flip after the switch: {outcome}")
    assert waiting.readline(30) in before
    wait_until(lambda: "paused=true" in monitor.out and "paused=false" in monitor.out, 10,
               "monitor told of both")
    for id, was in before.items():
        if was["state"] == "leased":
            now = row(vm, id)
            assert (now["state"], now["lessee"]) == ("leased", was["lessee"]), now
            size = SIZES[was["label"]]
            wait_until(lambda: shown(vm, now["index"]) == (ORANGE, size), 10, f"{id} shows its desk")
    for each in desks:
        assert each.terminate() == 0, each.err
    waiting.wait()
    monitor.terminate()
    wait_all_free(vm)


def end_meanwhile(vm):
    gone = desk(vm, "gone")
    scanout = next(r for r in rows(vm).values() if r["label"] == "gone")
    switch(vm, 2, True)
    gone.terminate("KILL")
    switch(vm, 1, False)
    wait_state(vm, scanout["id"], "free")
    wait_all_free(vm)
    wait_blank(vm, scanout["index"])
    for other in list(rows(vm))[:3]:
        seen = probe(vm, f"peek --request --scanout {other}")
        assert (seen["buffer_id"], seen["primary_fb"], seen["cursor_fb"]) == (0, 0, 0), seen
    wait_all_free(vm)


def test_switch(vm):
    """Two desks flip, and the VT is switched: their flips fail with EACCES, the leases are kept,
    the state says that it is paused, the switch is not held up. Who asks is refused by name, or
    waits. Switched back, the same desks flip on once they have set their modes again, each in its
    own size, and who waited has a scanout."""
    with seat(vm):
        switch_and_back(vm)


def test_ends_meanwhile(vm):
    """A desk dies while another session has the card: when that gives it back, the scanout is free
    and blank, and whoever gets one sees nothing of the console that was there."""
    with seat(vm):
        end_meanwhile(vm)

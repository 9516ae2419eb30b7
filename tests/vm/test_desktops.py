"""Unpatched desktops from Debian's packages, in containers, as a uid that nobody knows, each on a
scanout of its own.

A container sees the guest socket and a card node that it may look at but not open. What a
desktop's client draws has a colour of its own, by which the host tells the heads apart.
"""

import ending
import isolation
from desktop import PODMAN, Desktop, check_alone, share
from machine import wait_until
from scanouts import (row, rows, size_heads, start_daemon, wait_all_free, wait_blank,
                      wait_state)
from test_seat import seat, switch

MACHINE = dict(set="desktops", deadline=1500)
# Not one of the standard sizes, which QEMU's displays list beside any preferred one.
HOST_SIZE = (1280, 800)


def setup(vm):
    start_daemon(vm)
    size_heads(vm, vm.head_count, *HOST_SIZE)
    wait_until(lambda: all(preferred(r) == HOST_SIZE for r in rows(vm).values()), 30,
               "all heads have their size")


def preferred(scanout: dict) -> tuple[int, int]:
    return scanout["preferred_width"], scanout["preferred_height"]


def one(vm, name: str) -> Desktop:
    desktop = Desktop(vm, name)
    desktop.wait_picture()
    check_alone(vm, [desktop])
    desktop.kill()
    wait_state(vm, desktop.row["id"], "free")
    wait_blank(vm, desktop.row["index"])
    return desktop


def test_mutter(vm):
    """mutter 43: takes its scanout, mode-sets the asked size, a client's window is on the head."""
    one(vm, "mutter")


def test_sway(vm):
    """sway 1.7 through the seatd protocol, software rendering."""
    one(vm, "sway")


def test_sway_logind(vm):
    """sway 1.7 through logind's interface."""
    one(vm, "swaylogind")


def test_sway_gles2(vm):
    """sway 1.7 with wlroots' GLES2 renderer, on a virtio-gpu without 3D: llvmpipe draws."""
    desktop = one(vm, "swaygles")
    assert "GL renderer: llvmpipe" in desktop.told(), desktop.told()


def test_weston(vm):
    """weston 10 through the weston-launch protocol."""
    one(vm, "weston")


def test_weston_logind(vm):
    """weston 10 through logind's interface."""
    one(vm, "westonlogind")


def test_cage(vm):
    """cage 0.1 with a client."""
    one(vm, "cage")


def test_xorg(vm):
    """Xorg's modesetting driver on -masterfd."""
    one(vm, "xorg")


def test_kmscube(vm):
    """kmscube, which only opens a path, by the preloaded library: its cube turns on the head."""
    one(vm, "kmscube")


def test_modetest(vm):
    """modetest, the same way: its pattern is on the head in the asked mode."""
    one(vm, "modetest")


def test_gnome_shell(vm):
    """gnome-shell 43 in a bare root, with a session bus and nothing else: it draws, and it is still
    there a while later (it used to die within seconds where services were missing)."""
    desktop = Desktop(vm, "gnome")
    desktop.wait_picture(150)
    vm.run("timeout 20 scanoutctl monitor > /dev/null || true")
    assert desktop.process.poll() is None, desktop.told()
    desktop.kill()
    wait_all_free(vm)


def test_kwin(vm):
    """kwin_wayland 5.27 through logind's interface. Debian's binary has a file capability, so the
    container needs that in its bounding set."""
    one(vm, "kwin")


def resized(vm, name: str):
    """A running desktop follows the sizes that the host gives its head, one of them a standard
    one, and so back to the one it began with."""
    desktop = Desktop(vm, name)
    desktop.wait_picture()
    head = desktop.row["index"]
    assert vm.capture(head).size == HOST_SIZE, vm.capture(head).size
    for size in ((1600, 900), (1024, 768), HOST_SIZE):
        vm.size_head(head, *size)

        def follows():
            assert desktop.process.poll() is None, desktop.told()
            picture = vm.capture(head)
            return picture.size == size and share(picture, desktop.colour) > 0.02
        try:
            wait_until(follows, 60, f"{name} fills head {head} in {size}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {vm.capture(head).size}\n"
                                 f"{desktop.told()}") from None
        now = row(vm, desktop.row["id"])
        assert preferred(now) == size, now
        assert (now["width"], now["height"]) == size, now
    desktop.kill()
    wait_state(vm, desktop.row["id"], "free")


def test_resize_mutter(vm):
    """mutter 43 looks at its output again when its session is paused and resumed."""
    resized(vm, "mutterhost")


def test_resize_kwin(vm):
    """kwin_wayland 5.27 does as well."""
    resized(vm, "kwin")


def test_resize_sway(vm):
    """sway 1.7 does not look by itself: scanout-run tells it."""
    resized(vm, "swayhost")


def test_seat_switch(vm):
    """scanoutd has its card from a seat, and the VT is switched to the console and back. Desktops
    are told so, each by its own seat, stay, and draw on with the leases that they had."""
    with seat(vm):
        desktops = [Desktop(vm, name) for name in ("mutter", "sway", "swaylogind", "westonlogind")]
        for desktop in desktops:
            desktop.wait_picture(240)
        before = rows(vm)
        switch(vm, 2, True)
        for desktop in desktops:
            wait_until(lambda: not desktop.is_shown(), 30, f"the console has {desktop.name}'s head")
        switch(vm, 1, False)
        for desktop in desktops:
            wait_until(desktop.is_shown, 60, f"{desktop.name} draws again")
            assert desktop.process.poll() is None, desktop.told()
            id = desktop.row["id"]
            assert row(vm, id)["generation"] == before[id]["generation"], (row(vm, id), before[id])
        check_alone(vm, desktops)
        for desktop in desktops:
            desktop.kill()
        wait_all_free(vm)


def test_six_at_once(vm):
    """Six desktops at the same time: each picture is on its own head and nowhere else. One that
    is killed leaves a free, blank scanout and the others alone, and the same label gets the same
    scanout again."""
    desktops = [Desktop(vm, name) for name in
                ("mutter", "sway", "weston", "westonlogind", "cage", "xorg")]
    for desktop in desktops:
        desktop.wait_picture(240)
    check_alone(vm, desktops)
    victim = desktops.pop(1)
    victim.kill()
    wait_state(vm, victim.row["id"], "free")
    wait_blank(vm, victim.row["index"])
    again = Desktop(vm, victim.name)
    again.wait_picture(240)
    assert again.row["id"] == victim.row["id"], (again.row, victim.row)
    check_alone(vm, [*desktops, again])
    for desktop in [*desktops, again]:
        desktop.kill()
    wait_all_free(vm)


def check_ends(vm, program: str, command: str, is_shown):
    ending.prepare(vm)
    container = vm.spawn("exec " + PODMAN.format(
        name="desk", options="-i", run="", command=ending.LOOP.format(command=command))
        + " " + ending.INPUT)
    ending.check_ends(vm, container, program, lambda row: row["label"] == "desk", is_shown)
    vm.run("podman kill -s KILL desk")
    container.wait()


def test_sway_ends(vm):
    """sway, which has its lease by seatd, is killed, crashes or exits, in a container that goes on:
    its scanout is free and blank, and it can be started there again."""
    vm.run("mkdir -p /etc/sway.test && echo 'output * bg #c04060 solid_color' > /etc/sway.test/ends")
    check_ends(vm, "sway", "sway -c /etc/sway.test/ends",
               lambda head: share(vm.capture(head), "c04060") > 0.5)


def test_weston_ends(vm):
    """weston, which has its lease by weston-launch: the same."""
    check_ends(vm, "weston", "weston --idle-time=0 --use-pixman --continue-without-input",
               lambda head: not vm.is_blank(head))


def test_isolated(vm):
    """A desktop by logind: neither its user nor root in its container sees anything of the VM's
    logind, udev or system bus, or can open a card, and these know nothing of the desktop."""
    before = isolation.state(vm)
    assert any("seat0" in line for line in before), before
    desktop = Desktop(vm, "westonlogind")
    desktop.wait_picture()
    isolation.check_inside(vm, desktop.name, f"scanout{desktop.row['index']}")
    isolation.check_state(vm, before)
    desktop.kill()
    wait_state(vm, desktop.row["id"], "free")
    isolation.check_state(vm, before)


def test_not_found(vm):
    """A command that is not there: 127, and no lease stays. One with a file capability that the
    container lacks: 126, and what to do about it."""
    said = vm.run(PODMAN.format(name="none", options="", run="", command="/no/such/desktop"),
                  check=False, timeout=90)
    assert said.rc == 127, said
    said = vm.run(PODMAN.format(name="none", options="", run="", command="kwin_wayland"),
                  check=False, timeout=90)
    assert said.rc == 126 and said.err == (
        "scanout-run: Command 'kwin_wayland' has file capabilities that this container lacks: "
        "start it with --cap-add, or type 'setcap -r' on it in the image\n"), said
    assert all(r["state"] == "free" for r in rows(vm).values())


for test in (test_mutter, test_sway, test_sway_gles2, test_sway_logind, test_weston,
             test_weston_logind, test_cage,
             test_xorg, test_resize_mutter, test_resize_kwin, test_resize_sway, test_kmscube,
             test_modetest, test_gnome_shell, test_kwin, test_sway_ends, test_weston_ends,
             test_isolated, test_not_found):
    test.deadline = 240
test_six_at_once.deadline = test_seat_switch.deadline = 600

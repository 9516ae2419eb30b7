"""Unpatched desktops from Debian's packages, in containers, as a uid that nobody knows, each on a
scanout of its own.

A container sees the guest socket and a card node that it may look at but not open. What a
desktop's client draws has a colour of its own, by which the host tells the heads apart.
"""

import ending
import isolation
from container import Container
from desktop import PODMAN, Desktop, check_alone, kwin_capability
from machine import wait_until
from picture import share
from scanouts import (row, rows, size_heads, start_daemon, wait_all_free, wait_blank, wait_mode,
                      wait_state)
from test_seat import seat, switch

MACHINE = dict(set="desktops")
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
    wait_blank(vm, desktop.head)
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
    assert "GL renderer: llvmpipe" in desktop.told, desktop.told


def test_weston(vm):
    """weston 10 through the weston-launch protocol."""
    one(vm, "weston")


# weston has no launcher of its own from 12 on.
test_weston.suites = ("bookworm",)


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
    """gnome-shell 43 in a bare root, with a session bus and nothing else: it draws, tells that it has
    started, and is still there when it has come to rest (it used to die within seconds where
    services were missing)."""
    desktop = Desktop(vm, "gnome")
    desktop.wait_picture()
    desktop.wait(lambda: "GNOME Shell started" in desktop.told, 90, "gnome-shell has started")
    desktop.wait(desktop.is_at_rest, 90, "gnome-shell has come to rest")
    assert desktop.is_shown() and desktop.process.poll() is None, desktop.told
    desktop.kill()
    wait_all_free(vm)


def test_kwin(vm):
    """kwin_wayland through logind's interface, with what scanout-run says that it needs: Debian's
    binary has a file capability, and from KWin 6 on it opens the card by itself."""
    one(vm, "kwin")


def resized(vm, name: str):
    """A running desktop follows the sizes that the host gives its head, one of them a standard
    one, and so back to the one it began with."""
    desktop = Desktop(vm, name)
    desktop.wait_picture()
    check_alone(vm, [desktop])
    head = desktop.head
    assert vm.capture(head).size == HOST_SIZE, vm.capture(head).size
    for size in ((1600, 900), (1024, 768), HOST_SIZE):
        vm.size_head(head, *size)

        def follows():
            picture = vm.capture(head)
            return picture.size == size and share(picture, desktop.colour) > 0.02
        desktop.wait(follows, 60, f"{name} fills head {head} in {size}")
        now = wait_mode(vm, desktop.row["id"], size)
        assert preferred(now) == size, now
    desktop.kill()
    wait_state(vm, desktop.row["id"], "free")
    wait_blank(vm, head)


def test_resize_mutter(vm):
    """mutter 43 looks at its output again when its session is paused and resumed."""
    resized(vm, "mutterhost")


def test_resize_kwin(vm):
    """kwin_wayland does as well."""
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
            desktop.wait_picture()
        before = rows(vm)
        switch(vm, 2, True)
        for desktop in desktops:
            wait_until(lambda: not desktop.is_shown(), 30, f"the console has {desktop.name}'s head")
        switch(vm, 1, False)
        for desktop in desktops:
            desktop.wait(desktop.is_shown, 60, f"{desktop.name} draws again")
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
                ("mutter", "sway", "swaylogind", "westonlogind", "cage", "xorg")]
    for desktop in desktops:
        desktop.wait_picture()
    check_alone(vm, desktops)
    victim = desktops.pop(1)
    victim.kill()
    wait_state(vm, victim.row["id"], "free")
    wait_blank(vm, victim.head)
    again = Desktop(vm, victim.name)
    again.wait_picture()
    assert again.row["id"] == victim.row["id"], (again.row, victim.row)
    desktops.append(again)
    check_alone(vm, desktops)
    for desktop in desktops:
        desktop.kill()
    wait_all_free(vm)
    for desktop in desktops:
        wait_blank(vm, desktop.head)


# Who mends one of them starts it alone.
for test in (test_mutter, test_sway, test_sway_logind, test_weston_logind, test_cage, test_xorg):
    test.within = "six_at_once"
test_kwin.within = "resize_kwin"
del test


def check_ends(vm, program: str, command: str, is_shown):
    ending.prepare(vm)
    container = Container(vm, "desk", vm.spawn("exec " + PODMAN.format(
        name="desk", options="-i", beside="", run="",
        command=ending.LOOP.format(command=command)) + " " + ending.INPUT))
    ending.check_ends(vm, container, program, lambda row: row["label"] == "desk", is_shown)
    container.kill()


def test_sway_ends(vm):
    """sway, which has its lease by seatd, is killed, crashes or exits, in a container that goes on:
    its scanout is free and blank, and it can be started there again."""
    vm.run("mkdir -p /etc/sway.test && echo 'output * bg #c04060 solid_color' > /etc/sway.test/ends")
    check_ends(vm, "sway", "sway -c /etc/sway.test/ends",
               lambda head: share(vm.capture(head), "c04060") > 0.5)


def test_weston_ends(vm):
    """weston, which has its lease by weston-launch or, from 12 on, by seatd: the same."""
    check_ends(vm, "weston", "weston --idle-time=0 --use-pixman --continue-without-input",
               lambda head: not vm.is_blank(head))


def test_isolated(vm):
    """A desktop by logind: neither its user nor root in its container sees anything of the VM's
    logind, udev or system bus, or can open a card, and these know nothing of the desktop."""
    before = isolation.state(vm)
    assert any("seat0" in line for line in before), before
    desktop = Desktop(vm, "westonlogind")
    desktop.wait_picture()
    isolation.check_inside(vm, desktop.name, f"scanout{desktop.head}")
    isolation.check_state(vm, before)
    desktop.kill()
    wait_state(vm, desktop.row["id"], "free")
    isolation.check_state(vm, before)


def test_not_found(vm):
    """A command that is not there: 127, and no lease stays. One with a file capability that the
    container lacks: 126, and what to do about it."""
    said = vm.run(PODMAN.format(name="none", options="", beside="", run="", command="/no/such/desktop"),
                  check=False, timeout=90)
    assert said.rc == 127, said
    said = vm.run(PODMAN.format(name="none", options="", beside="", run="", command="kwin_wayland"),
                  check=False, timeout=90)
    cap = kwin_capability(vm)
    assert said.rc == 126 and said.err == (
        "scanout-run: '/usr/bin/kwin_wayland' has a file capability that this container lacks, "
        f"{cap}: start it with --cap-add {cap}, or type 'setcap -r /usr/bin/kwin_wayland' in the "
        "image\n"), said
    assert all(r["state"] == "free" for r in rows(vm).values())

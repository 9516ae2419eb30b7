"""Sizes of all kinds that a host may give a head: each compositor of docs/containers.md starts in an
odd one and goes through the others. None dies of one, and those that follow fill their head.
"""

from desktop import OWN_PICTURE, Desktop, share
from machine import wait_until
from scanouts import row, size_heads, size_until, start_daemon, wait_mode, wait_state
from test_desktops import MACHINE, preferred  # noqa: F401  the same machine

# No multiple of 8, which wlroots makes of widths by itself, nor of 2.
START = (1437, 901)
# The kernel makes no mode of the first; the last is nearly the largest that the card can show.
SIZES = ((16, 16), (1366, 768), (1080, 1920), (5120, 2160), (7680, 4320), START)


def setup(vm):
    start_daemon(vm)
    size_heads(vm, vm.head_count, *START)
    wait_until(lambda: all(preferred(row(vm, f"card0-Virtual-{n + 1}")) == START
                           for n in range(vm.head_count)), 30, "all heads have their size")


def fills(desktop: Desktop, size: tuple[int, int]) -> bool:
    """Whether its picture is as large as this. A window is the smaller for a large one."""
    picture = desktop.vm.capture(desktop.head)
    return picture.size == size and (desktop.name in OWN_PICTURE or
                                     share(picture, desktop.colour) > 0.004)


def resize(vm, desktop: Desktop, size: tuple[int, int]):
    """Until the kernel has seen it, and scanoutd has, which takes no size of which no mode is made."""
    file = f"/sys/class/drm/{desktop.row['id']}/edid"
    before = vm.run(f"md5sum {file}").out
    size_until(vm, desktop.head, size, lambda: vm.run(f"md5sum {file}").out != before)
    if size[1] >= 200:
        desktop.wait(lambda: preferred(row(vm, desktop.row["id"])) == size, 30,
                     f"scanoutd tells {size}")


def goes_through(vm, name: str, *, follows: bool):
    desktop = Desktop(vm, name)
    desktop.wait_leased()
    now = START
    desktop.wait(lambda: fills(desktop, now), 90, f"{name} starts in {now}")
    for size in SIZES:
        resize(vm, desktop, size)
        if follows and size[1] >= 200:
            now = size
        desktop.wait(lambda: fills(desktop, now), 90, f"{name} has {now}, its head {size}")
        wait_mode(vm, desktop.row["id"], now)
    desktop.wait(desktop.is_at_rest if name != "kmscube" else desktop.is_shown, 60, "all is done")
    assert desktop.process.poll() is None and fills(desktop, now), desktop.told
    desktop.kill()
    wait_state(vm, desktop.row["id"], "free")


def test_mutter(vm):
    """Mutter follows."""
    goes_through(vm, "mutterhost", follows=True)


def test_kwin(vm):
    """KWin follows."""
    goes_through(vm, "kwin", follows=True)


def test_sway(vm):
    """sway follows, as scanout-run tells it modelines."""
    goes_through(vm, "swayhost", follows=True)


def test_sway_logind(vm):
    """By logind as well."""
    goes_through(vm, "swaylogind", follows=True)


def test_cage(vm):
    """cage keeps the size that it started in."""
    goes_through(vm, "cage", follows=False)


def test_weston(vm):
    """weston keeps the size that it started in."""
    goes_through(vm, "westonlogind", follows=False)


def test_xorg(vm):
    """Xorg keeps the size that it started in."""
    goes_through(vm, "xorghost", follows=False)


def test_kmscube(vm):
    """kmscube keeps the size that it started in, and turns on."""
    goes_through(vm, "kmscube", follows=False)

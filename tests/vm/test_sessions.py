"""A whole session, as gnome-session starts it, in a container with no other service: a program that
the session starts by itself is on the head.

The guest is large, so this is not one of `make check-vm`'s by itself: name it, as T=sessions.
"""

from desktop import COLOURS, FOOT, Desktop, check_alone
from scanouts import size_heads, start_daemon, wait_all_free

MACHINE = dict(set="sessions")
ONLY_NAMED = True
AUTOSTART = "[Desktop Entry]\nType=Application\nName=foot\nExec={}\n"


def setup(vm):
    start_daemon(vm)
    size_heads(vm, vm.head_count, 1280, 800)


def test_gnome(vm):
    """gnome-session with all that GNOME 48 starts: the shell, its settings daemons, and foot."""
    foot = FOOT.format(colour=COLOURS["gnomesession"])
    vm.run("mkdir -p /etc/xdg/autostart && cat > /etc/xdg/autostart/foot.desktop",
           input=AUTOSTART.format(foot).encode())
    desktop = Desktop(vm, "gnomesession")
    desktop.wait_picture()
    check_alone(vm, [desktop])
    desktop.wait(desktop.is_at_rest, 90, "GNOME has come to rest")
    assert desktop.is_shown() and desktop.process.poll() is None, desktop.told
    desktop.kill()
    wait_all_free(vm)


test_gnome.suites = ("trixie",)

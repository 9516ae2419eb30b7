"""Compositors of wlroots that are less in use than sway and cage, each in a container by scanout-run.

Not one of `make check-vm`'s by itself: name it, as T=wlroots.
"""

from desktop import Desktop, check_alone
from scanouts import size_heads, start_daemon, wait_all_free

MACHINE = dict(set="wlroots")
ONLY_NAMED = True


def setup(vm):
    start_daemon(vm)
    size_heads(vm, vm.head_count, 1280, 800)


def check(vm, name: str):
    desktop = Desktop(vm, name)
    desktop.wait_picture()
    check_alone(vm, [desktop])
    desktop.kill()
    wait_all_free(vm)


def test_labwc(vm):
    """labwc, with pixman."""
    check(vm, "labwc")


def test_phoc(vm):
    """phoc, with pixman."""
    check(vm, "phoc")


def test_wayfire(vm):
    """wayfire, which draws with GLES2 only, in software."""
    check(vm, "wayfire")


for test in (test_labwc, test_phoc, test_wayfire):
    test.suites = ("trixie",)
del test

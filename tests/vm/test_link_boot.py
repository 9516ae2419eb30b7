"""The link after a boot of the VM. Two boots: name it, as T=link_boot."""

from linked import told, wait_told
from machine import wait_until
from scanouts import hold, start_daemon
from test_link import setup

__all__ = ["setup"]
MACHINE = dict(heads=8)
ONLY_NAMED = True


def test_reboot(vm):
    """A VM that is rebooted while the host looks forgets its desktops, and answers by itself when
    it is back: udev starts the link."""
    hold(vm, "--label before")
    assert [label for label, *_ in wait_told(vm).values()] == ["before"]
    vm.run("systemctl enable scanoutd")
    vm.reboot()
    wait_until(lambda: told(vm) == {}, 60, "the link answers")
    vm.prepared = False
    start_daemon(vm)
    hold(vm, "--label after")
    assert [label for label, *_ in wait_told(vm).values()] == ["after"]

"""The link to the VM, as scanout-host has it."""

import json
import subprocess

import host
from machine import Machine, wait_until
from scanouts import rows

SERVICE = "scanout-link.service"


def start_link(vm: Machine):
    """The service, started by udev as at boot."""
    vm.run(f"systemctl reset-failed {SERVICE} 2>/dev/null; udevadm control --reload && "
           "udevadm trigger --subsystem-match=virtio-ports && udevadm settle")
    wait_until(lambda: vm.run(f"systemctl is-active {SERVICE}", check=False).out == "active\n", 20,
               "udev has started the link")


def run_host(vm: Machine, *arguments) -> str:
    return host.run(vm.bus_address, "--link", vm.link, *arguments)


def told(vm: Machine) -> dict[int, tuple[str, str, str]] | None:
    """Label, container and name of each leased head, as scanout-host lists them; None if the VM does
    not answer."""
    done = subprocess.run([host.SCANOUT_HOST, "--address", vm.bus_address, "--link", vm.link, "list",
                           "--json"], capture_output=True, text=True)
    if done.returncode == 3:
        assert "LinkSilent" in done.stderr, done
        return None
    assert done.returncode == 0, done
    return {row["head"]: (row["label"], row["container"], row["scanout"])
            for row in json.loads(done.stdout)["scanouts"] if row["scanout"]}


def known(vm: Machine) -> dict[int, tuple[str, str, str]]:
    """The same as scanoutd lists them."""
    return {row["index"]: (row["label"], row["holder"].get("container", ""), row["id"])
            for row in rows(vm).values() if row["state"] == "leased"}


def wait_told(vm: Machine) -> dict[int, tuple[str, str, str]]:
    """Until the host is told what scanoutd knows; what that is."""
    def look():
        there = known(vm)
        return (there,) if told(vm) == there else None
    return wait_until(look, 30, "the host is told what scanoutd knows")[0]

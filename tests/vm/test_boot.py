"""Containers that their engine starts by itself, as the VM boots.

Two boots and two engines take minutes under emulation, so this is not one of `make check-vm`'s by
itself: name it, as T=boot.
"""

from machine import wait_until
from picture import share
from scanouts import wait_state
from test_engines import MACHINE, OPTIONS, ROOT, block, prepared, setup

__all__ = ["MACHINE", "setup"]
ONLY_NAMED = True


def test_reboot(vm):
    """The VM is rebooted: a container with --restart=always, of docker by a seat's mounts and of podman by
    CDI, has its scanout and its colour again."""
    always = f"-d --restart=always {OPTIONS}".replace("--rm --name desk ", "")
    desks = {"card0-Virtual-3": ("c04040", f"docker run {always} --name boot3 --user 1000:1000 "
                                 f"{block('docker', 2)}", block("docker", 1), "docker run"),
             "card0-Virtual-4": ("c04040", f"podman run {always} --name boot4",
                                 block("podman, by CDI", 2), "podman run")}
    vm.run("cat > /etc/sway/config", input=b"output * bg #c04040 solid_color\n")
    vm.run("systemctl unmask podman-restart; "
           "systemctl enable podman-restart docker scanoutd scanout-cdi; "
           f"cd {ROOT} && tar c . | podman import - image")
    for colour, command, page, program in desks.values():
        vm.run(prepared(page.replace("--rm ", ""), program, command.removeprefix(program)))

    def check():
        for scanout, (colour, *_) in desks.items():
            row = wait_state(vm, scanout, "leased", 60)
            wait_until(lambda: share(vm.capture(row["index"]), colour) > 0.9, 90,
                       f"#{colour} is on head {row['index']}")
    check()
    vm.reboot()
    check()
    vm.run("docker rm -f boot3; podman rm -f boot4")

"""Leases in podman containers."""

from events import Events
from machine import wait_until
from scanouts import OPEN, PROBE, hold, rows, start_daemon, wait_all_free, wait_blank, wait_shown

setup = start_daemon
# The container's root is the guest's own with a throw-away layer; it sees the bus, not the card.
PODMAN = ("podman run --rm -i --rootfs --network none --log-driver none --cgroups=enabled "
          "-v /run/dbus:/run/dbus --name {name} {user} /:O {command}")


def desk(vm, name: str, user: str = ""):
    """A container that shows a picture on a lease of its own."""
    command = f"{PROBE} hold --request --label {name} --mode 1920x1080"
    process = vm.spawn("exec " + PODMAN.format(name=name, user=user, command=command) + " " + OPEN)
    assert process.readline(60), f"{name}: {process.out}{process.err}"
    wait_until(lambda: by_label(vm, name), 20, f"{name} has a scanout")
    return process, by_label(vm, name)


def by_label(vm, label: str) -> dict | None:
    return next((r for r in rows(vm).values() if r["label"] == label), None)


def ended(vm, end: str, name: str):
    """A container is ended by this command: nobody asks scanoutd anything, and the scanout is told
    to be free, and its head is blank."""
    process, row = desk(vm, name)
    assert row["holder"]["engine"] == "podman" and len(row["holder"]["container"]) == 64, row
    wait_shown(vm, row["index"])
    events = Events(vm)
    vm.run(f"{end} {name}")
    events.wait(row["id"], "free")
    wait_blank(vm, row["index"])
    process.wait(30)
    events.end()


def test_killed(vm):
    """`podman kill -s KILL`: the scanout is free and its head blank, as scanoutd tells by itself."""
    ended(vm, "podman kill -s KILL", "victim")


def test_stopped(vm):
    """`podman stop`: the same."""
    ended(vm, "podman stop", "guest")


def test_root_in_container(vm):
    """root inside a container is uid 0 in the VM as well, and yet no admin: it cannot release what
    another container has."""
    process, row = desk(vm, "owner")
    said = vm.run(PODMAN.format(name="rival", user="--user 0",
                                command=f"scanoutctl release {row['id']}"), check=False, timeout=90)
    assert said.rc == 1 and "NotHolder" in said.err, said
    assert by_label(vm, "owner")
    process.terminate()
    wait_all_free(vm)


def test_no_cgroup(vm):
    """A container without a cgroup of its own, on the VM's system bus, and what is in a pid or user
    namespace by other means: its root is no admin, and not the root of the VM that holds a scanout. A
    service of the VM with mounts of its own is one."""
    process, ready = hold(vm, "--label owner")
    release = f"scanoutctl release {ready['scanout']}"
    contained = PODMAN.replace("--cgroups=enabled", "--cgroups=disabled")
    for command in (contained.format(name="rival", user="--user 0", command=release),
                    f"unshare --pid --fork {release}", f"unshare --map-root-user {release}"):
        said = vm.run(command, check=False, timeout=90)
        assert said.rc == 1 and "NotHolder" in said.err, (command, said)
    assert by_label(vm, "owner")
    vm.run(f"systemd-run --wait -p PrivateMounts=yes -p PrivateTmp=yes {release}")
    wait_all_free(vm)
    process.terminate()


def test_no_card_in_container(vm):
    """A container that got its lease by D-Bus has no card node to open: the lease is all it has."""
    said = vm.run(PODMAN.format(name="bare", user="", command="ls /dev/dri"), check=False)
    assert said.rc != 0 and "No such file" in said.err, said

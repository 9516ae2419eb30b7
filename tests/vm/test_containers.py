"""Leases in podman containers."""

from scanouts import OPEN, PROBE, rows, start_daemon, wait_all_free, wait_blank, wait_state
from machine import wait_until

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


def test_killed(vm):
    """`podman kill -s KILL`: the scanout is free within 500 ms of the signal, its head blank."""
    process, row = desk(vm, "victim")
    assert row["holder"]["engine"] == "podman" and len(row["holder"]["container"]) == 64, row
    assert not vm.is_blank(row["index"])
    # The kernel's own time of death: podman itself takes longer to send the signal.
    pid = vm.run("podman inspect -f '{{.State.Pid}}' victim").out.strip()
    assert int(pid) > 0
    killed = int(vm.run("podman kill -s KILL victim >/dev/null; date +%s%6N").out)
    freed = wait_state(vm, row["id"], "free")["since"]
    assert freed <= killed + 500_000, f"{freed - killed} µs after the kill"
    wait_blank(vm, row["index"])
    process.wait(30)


def test_stopped(vm):
    """`podman stop`: the same."""
    process, row = desk(vm, "guest")
    vm.run("podman stop -t 5 guest")
    stopped = int(vm.run("date +%s%6N").out)
    freed = wait_state(vm, row["id"], "free")["since"]
    assert freed <= stopped + 500_000, f"{freed - stopped} µs after the stop"
    wait_blank(vm, row["index"])
    process.wait(30)


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


def test_no_card_in_container(vm):
    """A container that got its lease by D-Bus has no card node to open: the lease is all it has."""
    said = vm.run(PODMAN.format(name="bare", user="", command="ls /dev/dri"), check=False)
    assert said.rc != 0 and "No such file" in said.err, said


for test in (test_killed, test_stopped, test_root_in_container, test_no_card_in_container):
    test.deadline = 150
test_killed.alone = test_stopped.alone = True

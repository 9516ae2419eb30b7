"""The guest socket: the contract without a bus daemon, with a guest's rights."""

import shlex

from machine import wait_until
from scanouts import (COUNT, GUEST, OPEN, OTHER, daemon_status, fronts, hold, peak_memory, row, rows,
                      send_huge, start_daemon, wait_all_free)

setup = start_daemon
ADDRESS = "unix:path=/run/scanoutd/guest/bus"


def ask(vm, method: str, argument: str = "", *, prefix: str = "") -> tuple[int, str]:
    """A method call over the guest socket: exit status and what was printed."""
    said = vm.run(f"{prefix} gdbus call --address {ADDRESS} -d org.scanoutd.Scanout1 -o /org/scanoutd/Scanout1 "
                  f"-m org.scanoutd.Scanout1.Manager.{method} {shlex.quote(argument) if argument else ''}",
                  check=False)
    return said.rc, said.out + said.err


def test_sees_its_own_alone(vm):
    """A guest without any right on the system bus lists no scanout of others, and cannot release
    one; the VM's admin sees all."""
    desk, ready = hold(vm, "--label secret")
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    assert ask(vm, "ListScanouts", prefix=nobody) == (0, "(@aa{sv} [],)\n")
    rc, said = ask(vm, "ReleaseScanout", f"'{ready['scanout']}'", prefix=nobody)
    assert rc == 1 and "org.scanoutd.Scanout1.Error.NotHolder" in said, said
    path = "/org/scanoutd/Scanout1/" + ready["scanout"].replace("-", "_2d")
    said = vm.run(f"{nobody} gdbus call --address {ADDRESS} -d org.scanoutd.Scanout1 -o {path} -m "
                  "org.freedesktop.DBus.Properties.GetAll org.scanoutd.Scanout1.Scanout",
                  check=False)
    assert said.rc == 1 and "secret" not in said.out + said.err, said
    said = vm.run(f"{nobody} gdbus introspect --address {ADDRESS} -d org.scanoutd.Scanout1 -o /org/scanoutd/Scanout1 -r")
    assert "Virtual" not in said.out, said.out
    assert row(vm, ready["scanout"])["label"] == "secret"
    desk.terminate()
    wait_all_free(vm)


def test_root_is_a_guest(vm):
    """uid 0 over the guest socket is a guest as well: no admin's rights."""
    desk, ready = hold(vm, "", prefix=GUEST)
    rc, said = ask(vm, "ReleaseScanout", f"'{ready['scanout']}'")
    assert rc == 1 and "org.scanoutd.Scanout1.Error.NotHolder" in said, said
    desk.terminate()
    wait_all_free(vm)


def test_own_is_released(vm):
    """What a guest asked for over the bus, the same user may list and release over the socket."""
    desk, ready = hold(vm, "--label own", prefix=GUEST)
    rc, said = ask(vm, "ListScanouts", prefix=GUEST)
    assert rc == 0 and ready["scanout"] in said, said
    rc, said = ask(vm, "ListScanouts", prefix=OTHER)
    assert rc == 0 and ready["scanout"] not in said, said
    rc, said = ask(vm, "ReleaseScanout", f"'{ready['scanout']}'", prefix=GUEST)
    assert rc == 0, said
    wait_all_free(vm)
    desk.terminate("KILL")


def test_request(vm):
    """A request over the socket is answered with a lease; when the caller is gone so is that."""
    rc, said = ask(vm, "RequestScanout", "{'label': <'quick'>}", prefix=OTHER)
    assert rc == 0 and "card0-Virtual-" in said, said
    wait_all_free(vm)
    rc, said = ask(vm, "RequestScanout", "{'label': <''>}", prefix=OTHER)
    assert rc == 1 and "org.scanoutd.Scanout1.Error.InvalidOption" in said, said


def test_bus_clients(vm):
    """In a container, as a user that nobody knows: the tools of a bus find it to be one, and hear
    of the container's own lease."""
    container = vm.spawn("exec podman run --rm -i --name bus --network none --log-driver none "
                         "--user 4711:4711 --mount type=bind,src=/run/scanoutd/guest,"
                         f"dst=/run/scanoutd/guest,ro --rootfs /:O sh -c 'echo up; cat' {OPEN}")
    assert container.readline(60) == "up", container.err

    def inside(command: str):
        return vm.run(["podman", "exec", "bus", "sh", "-c", command], check=False)
    busctl = f"busctl --address={ADDRESS} --no-pager"
    said = inside(f"{busctl} list --no-legend")
    assert said.rc == 0 and "org.scanoutd.Scanout1 " in said.out, said
    said = inside(f"{busctl} tree org.scanoutd.Scanout1")
    assert said.rc == 0 and "/org/scanoutd/Scanout1" in said.out, said
    said = inside(f"{busctl} call org.freedesktop.login1 / org.freedesktop.DBus.Peer Ping")
    assert said.rc == 1 and "leads to org.scanoutd.Scanout1 alone" in said.err, said
    monitors = [vm.spawn(["podman", "exec", "bus", "sh", "-c", command]) for command in (
        f"exec gdbus monitor --address {ADDRESS} -d org.scanoutd.Scanout1",
        f"exec {busctl} monitor", f"exec dbus-monitor --address {ADDRESS}")]

    def heard() -> bool:
        assert all(monitor.poll() is None for monitor in monitors), [m.err for m in monitors]
        inside(f"gdbus call --address {ADDRESS} -d org.scanoutd.Scanout1 -o "
               "/org/scanoutd/Scanout1 -m org.scanoutd.Scanout1.Manager.RequestScanout '{}'")
        return all("ScanoutLeased" in m.out and "ScanoutEnded" in m.out for m in monitors)
    wait_until(heard, 30, "all of them have heard of a lease")
    for monitor in monitors:
        monitor.terminate("KILL")
    vm.run("podman kill -s KILL bus")
    container.wait()
    wait_all_free(vm)


def test_mount_is_read_only(vm):
    """root in a container cannot remove the socket that all containers use, or put its own there."""
    said = vm.run("podman run --rm --network none --log-driver none --mount type=bind,"
                  "src=/run/scanoutd/guest,dst=/run/scanoutd/guest,ro --rootfs /:O sh -c "
                  "'rm /run/scanoutd/guest/bus; touch /run/scanoutd/guest/x; "
                  f"gdbus call --address {ADDRESS} -d org.scanoutd.Scanout1 -o "
                  "/org/scanoutd/Scanout1 -m org.scanoutd.Scanout1.Manager.ListScanouts'",
                  timeout=90)
    assert said.err.count("Read-only file system") == 2 and said.out == "(@aa{sv} [],)\n", said
    assert vm.run("ls /run/scanoutd/guest").out == "bus\n"


def test_garbage(vm):
    """Garbage, half a handshake, connections that are left open and floods: everybody else is
    served as before, nothing of it reaches scanoutd, and nothing of it stays."""
    before = daemon_status(vm)
    # -t0: it leaves at the end of its input.
    for garbage in ("head -c 100000 /dev/urandom", "printf '\\0AUTH EXTERNAL 30\\r\\n'"):
        vm.run(f"{garbage} | socat -t0 - UNIX-CONNECT:/run/scanoutd/guest/bus", check=False)
    crowd = vm.spawn("for i in $(seq 60); do sleep infinity | socat - "
                     "UNIX-CONNECT:/run/scanoutd/guest/bus & done; wait")
    wait_until(lambda: vm.run("pgrep -cx socat", check=False).out.strip() == "32", 30,
               "one holder has 32, and all others of the crowd are hung up on")
    assert daemon_status(vm)["fds"] == before["fds"]
    assert len(fronts(vm)) == 1
    assert len(rows(vm)) == COUNT
    rc, said = ask(vm, "ListScanouts", prefix=GUEST)
    assert rc == 0, said
    crowd.terminate("KILL")
    wait_until(lambda: not fronts(vm), 40, "their front has ended")
    wait_until(lambda: daemon_status(vm)["fds"] == before["fds"], 40, "their fds are gone")
    assert daemon_status(vm)["pid"] == before["pid"]


def test_huge_messages(vm):
    """Messages of 96 MiB from many guests: no room is made for them, each is hung up on and named,
    and the others are served as before."""
    before = daemon_status(vm)
    since = vm.now()
    send_huge(vm, "/run/scanoutd/guest/bus", 16)
    assert peak_memory(vm, "scanoutd") < 64
    said = vm.journal("scanout-front", since)
    assert "Guest uid 65534, pid" in said and "sends more than its front has memory for" in said, said
    rc, said = ask(vm, "ListScanouts", prefix=GUEST)
    assert rc == 0, said
    assert daemon_status(vm)["pid"] == before["pid"]

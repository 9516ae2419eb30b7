"""The guest socket: the contract without a bus daemon, with a guest's rights."""

import shlex

from machine import wait_until
from scanouts import (COUNT, GUEST, OTHER, daemon_status, hold, peak_memory, row, rows, send_huge,
                      start_daemon, wait_all_free)

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


def test_garbage(vm):
    """Garbage, half a handshake, connections that are left open and floods: everybody else is
    served as before, and nothing of it stays."""
    before = daemon_status(vm)
    vm.run("head -c 100000 /dev/urandom | timeout 5 socat -t0 - UNIX-CONNECT:/run/scanoutd/guest/bus; "
           "printf '\\0AUTH EXTERNAL 30\\r\\n' | timeout 1 socat -t0 - UNIX-CONNECT:/run/scanoutd/guest/bus; "
           "true")
    crowd = vm.spawn("for i in $(seq 60); do sleep 1000 | socat - "
                     "UNIX-CONNECT:/run/scanoutd/guest/bus & done; wait")
    wait_until(lambda: daemon_status(vm)["fds"] >= before["fds"] + 32, 30, "the crowd is there")
    assert daemon_status(vm)["fds"] <= before["fds"] + 34, "one holder has at most 32"
    assert len(rows(vm)) == COUNT
    rc, said = ask(vm, "ListScanouts", prefix=GUEST)
    assert rc == 0, said
    crowd.terminate("KILL")
    wait_until(lambda: daemon_status(vm)["fds"] == before["fds"], 40, "their fds are gone")
    assert daemon_status(vm)["pid"] == before["pid"]


def test_huge_messages(vm):
    """Messages of 96 MiB from many guests: no room is made for them, each is hung up on and named,
    and the others are served as before."""
    before = daemon_status(vm)
    since = vm.now()
    send_huge(vm, "/run/scanoutd/guest/bus", 16)
    assert peak_memory(vm, "scanoutd") < 64
    said = vm.journal("scanoutd", since)
    assert "Guest uid 65534, pid" in said and "sends a message of more than 256 KiB" in said, said
    rc, said = ask(vm, "ListScanouts", prefix=GUEST)
    assert rc == 0, said
    assert daemon_status(vm)["pid"] == before["pid"]


test_garbage.deadline = test_huge_messages.deadline = 120

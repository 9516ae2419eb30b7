"""The link: the host knows whose desktop is on which head, whatever is restarted."""

import itertools
import json
import socket

import host
from linked import SERVICE, known, run_host, start_link, told, wait_told
from machine import wait_until
from PIL import ImageChops
from scanouts import hold, rows, start_daemon, wait_all_free, wait_shown
from test_containers import desk


def setup(vm):
    start_daemon(vm)
    start_link(vm)


def test_list(vm):
    """Desktops of the VM and of a container: the host's list has the label, the container and the
    VM's name of each, on its head, and forgets them as they end."""
    held = [hold(vm, f"--label desk{n}") for n in range(3)]
    process, row = desk(vm, "pod")
    there = wait_told(vm)
    assert len(there) == 4, there
    assert there[row["index"]] == ("pod", row["holder"]["container"], row["id"]), there
    assert len(row["holder"]["container"]) == 64, row
    for each, _ in held[:2]:
        each.terminate()
    wait_until(lambda: len(known(vm)) == 2, 20, "two are left")
    assert len(wait_told(vm)) == 2
    process.terminate()
    held[2][0].terminate()
    wait_all_free(vm)
    assert wait_told(vm) == {}


def test_shot(vm):
    """A picture by the label is that of the head; one by the label of a desktop that is no more is
    refused."""
    held, ready = hold(vm, "--label mail --fill 20c060")
    wait_shown(vm, ready["index"])
    wait_told(vm)
    run_host(vm, "shot", "mail", "-o", vm.workdir / "label.png")
    by_label = host.PIL.Image.open(vm.workdir / "label.png")
    by_head = host.shot(vm.bus_address, ready["index"], vm.workdir / "head.png")
    assert by_label.size == (1920, 1080)
    assert ImageChops.difference(by_label, by_head).getbbox() is None
    held.terminate()
    wait_all_free(vm)
    wait_told(vm)
    try:
        run_host(vm, "shot", "mail", "-o", vm.workdir / "label.png")
    except AssertionError as error:
        assert "NoSuchScanout" in str(error), error
    else:
        raise AssertionError("there is no such desktop")


def test_rights(vm):
    """It is a user of its own without capabilities, sees no device, and may not even ask scanoutd
    for a scanout."""
    pid = vm.run(f"systemctl show -p MainPID --value {SERVICE}").out.strip()
    status = dict(line.split(":\t", 1) for line in vm.run(f"cat /proc/{pid}/status").out.splitlines()
                  if ":\t" in line)
    uid = vm.run("id -u scanout-link").out.strip()
    assert set(status["Uid"].split()) == {uid} != {"0"}, status
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}, status
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    inside = f"nsenter -t {pid} -m -- setpriv --reuid=scanout-link --regid=scanout-link --clear-groups"
    assert "vport" not in vm.run(f"{inside} ls /dev").out
    for member, arguments in (("ListScanouts", ""), ("RequestScanout", "a{sv} 0"),
                              ("ReleaseScanout", "s card0-Virtual-1")):
        asked = vm.run(f"{inside} busctl call org.scanoutd.Scanout1 /org/scanoutd/Scanout1 "
                       f"org.scanoutd.Scanout1.Manager {member} {arguments}", check=False)
        assert asked.rc != 0 and "Access denied" in asked.err, asked


def test_restarts(vm):
    """scanoutd, the link and the host's side are restarted in any order, one after the other and at
    once, while desktops come and go: the host is told what is right by itself."""
    stays, _ = hold(vm, "--label stays")
    restart = {"daemon": lambda: vm.run("systemctl restart scanoutd"),
               "link": lambda: vm.run(f"systemctl kill -s KILL {SERVICE}"),
               "host": lambda: told(vm)}
    for order in itertools.permutations(restart):
        mover, _ = hold(vm, f"--label {'-'.join(order)}")
        for what in order:
            restart[what]()
        assert len(wait_told(vm)) == 2, order
        mover.terminate()
        wait_until(lambda: len(known(vm)) == 1, 20, "one desktop is left")
        wait_told(vm)
    vm.run(f"systemctl restart scanoutd {SERVICE}")
    assert [label for label, *_ in wait_told(vm).values()] == ["stays"]
    stays.terminate()
    wait_all_free(vm)


HELLO = b'\n{"hello":{"version":1,"program":"test"}}\n'


def connect(vm) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.connect(str(vm.link))
    link.sendall(HELLO)
    return link


def test_end_while_daemon_is_away(vm):
    """A desktop that ends while scanoutd is away is told as ended by the next one, to a host that
    was there all the time."""
    gone, ready = hold(vm, "--label gone")
    wait_told(vm)
    with connect(vm) as link, link.makefile("r") as file:
        heard = map(json.loads, filter(str.strip, file))
        def wait(message):
            return next(m for m in heard if m == message)
        wait({"ready": {"daemon": True}})
        pid = vm.run("systemctl show -p MainPID --value scanoutd").out.strip()
        vm.run(f"kill -STOP {pid}; kill -KILL {gone.pid}; kill -KILL {pid}")
        wait({"ready": {"daemon": False}})
        wait({"end": {"scanout": ready["scanout"], "reason": ""}})
        wait({"ready": {"daemon": True}})
    wait_all_free(vm)


def test_host_does_not_read(vm):
    """A host that asks without end and does not read an answer: leases begin and end as ever, the
    link keeps its memory, and all is told anew once the host reads."""
    held = [hold(vm, f"--label desk{n}")[0] for n in range(6)]
    with connect(vm) as link, link.makefile("rb") as file:
        for _ in range(300):
            link.sendall(HELLO * 100)
        last, ready = hold(vm, "--label last")
        held.pop().terminate()
        wait_until(lambda: len(known(vm)) == 6, 20, "one begins and one ends")
        assert known(vm)[ready["index"]][0] == "last"
        size = int(vm.run(f"systemctl show -p MemoryCurrent --value {SERVICE}").out)
        print(f"    the link has {size >> 10} KiB")
        assert size < 8 << 20
        while b'"label":"last"' not in file.readline():
            pass
    assert len(wait_told(vm)) == 6
    for process in (*held, last):
        process.terminate()
    wait_all_free(vm)


def test_garbage(vm):
    """A host that sends garbage without end harms nothing: the next one is answered."""
    pid = vm.run(f"systemctl show -p MainPID --value {SERVICE}").out
    with connect(vm) as link:
        link.sendall(b'{"hello":5}\n' + bytes(range(256)) * 4096 + b"[" * 1000000)
    assert told(vm) == {}
    assert vm.run(f"systemctl show -p MainPID --value {SERVICE}").out == pid
    assert "is refused" in vm.journal(SERVICE)


def test_idle(vm):
    """Without a host, and without leases, it uses no processor at all: a virtio port that nobody has
    open is readable all the time."""
    def used() -> int:
        pid = vm.run(f"systemctl show -p MainPID --value {SERVICE}").out.strip()
        return int(vm.run(f"awk '{{print $14 + $15}}' /proc/{pid}/stat").out)
    assert told(vm) == {}
    before = used()
    vm.run("sleep 3")
    assert used() - before <= 1, f"{used() - before} ticks"
    assert all(row["state"] == "free" for row in rows(vm).values())

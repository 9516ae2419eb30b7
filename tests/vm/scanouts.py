"""The daemon, as the VM tests see it."""

import itertools
import json
from collections.abc import Callable

import picture
from container import SHADERS
from heads import DPI
from machine import Machine, Process, wait_until

PROBE = "/usr/lib/scanoutd-tests/probe"
# The daemon with the failure points of src/daemon/util/failpoint.h.
FAILING = "/usr/lib/scanoutd-tests/scanoutd"
COUNT = 16
# Half of the heads are connected by the host, the other half by ForceConnect=.
SIZED = COUNT // 2
# The probe holds until its input ends. A FIFO that it has open for writing itself never does.
OPEN = "0<>/run/open"
CALL = ("busctl call org.scanoutd.Scanout1 /org/scanoutd/Scanout1 "
        "org.scanoutd.Scanout1.Manager")
# Two callers that are no admins. dbus-daemon looks their groups up in the VM's user database.
GUEST = "setpriv --reuid=guest --regid=scanout --init-groups"
OTHER = "setpriv --reuid=other --regid=scanout --init-groups"
USERS = b"u guest - -\nm guest scanout\nu other - -\nm other scanout\n"


def size_until(vm: Machine, head: int, size: tuple[int, int], is_seen: Callable[[], object]):
    """Sizes a head until the guest has seen it. The driver can miss one: it clears the device's event
    when it has read all heads, also one that has come meanwhile (Linux 6.1 and 6.12). QEMU tells again
    of what has changed, were it a millimetre."""
    width_mm = round(size[0] * 25.4 / DPI)
    vm.size_head(head, *size, width_mm)
    looks = itertools.count(1)

    def look():
        if is_seen():
            return True
        turn = next(looks)
        if turn % 10 == 0:
            vm.size_head(head, *size, width_mm + turn // 10 % 2)
        return False
    wait_until(look, 20, f"the guest sees head {head} in its size, {size}", pause=0.1)


def size_heads(vm: Machine, count: int, width: int = 1920, height: int = 1080):
    """Gives the first heads this size, one after the other. What has been probed tells that it was
    seen; an EDID does not: that of a head without a size has 1280x800 in it.

    Only while scanoutd holds the card: without a master, the kernel's text console takes every
    head that appears, and does so in the work item that also reads the device's replies. With many
    heads its commands fill the queue that nobody empties then, and the guest's card hangs for good
    (seen with Debian's 6.1).
    """
    for head in range(count):
        first = f"head -n 1 /sys/class/drm/card0-Virtual-{head + 1}/modes"
        size_until(vm, head, (width, height),
                   lambda: vm.run(first).out.strip() == f"{width}x{height}")


def start_daemon(vm: Machine):
    """The service with its default configuration, in a machine where the host has connected half
    of the heads."""
    vm.run("rm -rf /etc/scanoutd/scanoutd.conf.d; systemctl reset-failed scanoutd 2>/dev/null; "
           "systemctl restart scanoutd")
    if not getattr(vm, "prepared", False):
        vm.run(f"mkfifo -m 666 /run/open; mkdir -m 1777 {SHADERS}")
        vm.run("systemd-sysusers -", input=USERS)
        size_heads(vm, SIZED)
        vm.prepared = True


def override(vm: Machine, text: str):
    """Restart the service with this drop-in of systemd's; with '' as it was installed."""
    vm.run("cd /run/systemd/system && mkdir -p scanoutd.service.d && "
           "cat > scanoutd.service.d/test.conf && systemctl daemon-reload && "
           "systemctl reset-failed scanoutd; systemctl restart scanoutd", input=text.encode())


def configure(vm: Machine, text: str):
    """Restart the service with this drop-in. Fails if it does not start."""
    vm.run("mkdir -p /etc/scanoutd/scanoutd.conf.d && "
           "cat > /etc/scanoutd/scanoutd.conf.d/test.conf", input=text.encode())
    vm.run("systemctl restart scanoutd")


def rows(vm: Machine) -> dict[str, dict]:
    """`scanoutctl list --json`, by id."""
    found = json.loads(vm.run("scanoutctl list --json").out)["scanouts"]
    return {row["id"]: row for row in found}


def row(vm: Machine, scanout: str) -> dict:
    return rows(vm)[scanout]


def wait_state(vm: Machine, scanout: str, state: str, timeout: float = 10) -> dict:
    """The row of a scanout once it is in this state."""
    def look():
        now = row(vm, scanout)
        return now if now["state"] == state else None
    return wait_until(look, timeout, f"{scanout} is {state}")


def wait_mode(vm: Machine, scanout: str, size: tuple[int, int]) -> dict:
    """Its row once that tells this mode: an answer waits for the modes for a moment only."""
    def look():
        now = row(vm, scanout)
        return now if (now["width"], now["height"]) == size else None
    return wait_until(look, 10, f"{scanout} is listed in {size}")


def wait_all_free(vm: Machine, timeout: float = 20):
    wait_until(lambda: all(r["state"] == "free" for r in rows(vm).values()), timeout,
               "all scanouts are free")


def wait_blank(vm: Machine, head: int):
    """QEMU hears of the switched-off CRTC through its queue, a moment after the guest."""
    wait_until(lambda: vm.is_blank(head), 2, f"head {head} is blank on the host")


def wait_shown(vm: Machine, head: int):
    """And so it hears of a picture."""
    wait_until(lambda: not vm.is_blank(head), 5, f"head {head} shows something on the host")


def wait_strip(vm: Machine, head: int, name: str, *, gpu: str = "gpu0") -> dict[str, int]:
    """What the strip on a head says, once it is that of this name."""
    def look():
        strip, _ = picture.read_strip(vm.capture(head, gpu=gpu))
        return strip if strip and strip["hash"] == picture.name_hash(name) else None
    return wait_until(look, 5, f"head {head} of {gpu} has the strip of {name}")


def probe(vm: Machine, arguments: str, *, prefix: str = "", timeout: float = 60) -> dict:
    """Run the probe to its end; what it says in its last line."""
    result = vm.run(f"{prefix} {PROBE} {arguments}", timeout=timeout)
    return json.loads(result.out.splitlines()[-1])


def hold(vm: Machine, arguments: str = "", *, prefix: str = "",
         mode: str = "1920x1080") -> tuple[Process, dict]:
    """A probe that shows a picture on a lease of its own until it is ended."""
    process = vm.spawn(f"exec {prefix} {PROBE} hold --request --mode {mode} {arguments} {OPEN}")
    line = process.readline(30)
    assert line, f"probe hold {arguments}: {process.out}{process.err}"
    ready = json.loads(line)
    assert ready.get("ready"), ready
    return process, ready


def call(vm: Machine, arguments: str, *, prefix: str = "") -> tuple[int, str]:
    """A method call by busctl: exit status and what it printed."""
    result = vm.run(f"{prefix} {CALL} {arguments}", check=False)
    return result.rc, (result.out + result.err).strip()


def wait_stopped(vm: Machine, pid: int, where: str):
    """A process that is stopped by SIGSTOP, as a failure point of the daemon does it."""
    wait_until(lambda: "\nState:\tT" in vm.run(f"cat /proc/{pid}/status").out, 30,
               f"the daemon has stopped at {where}")


def kernel_clients(vm: Machine) -> int:
    """How many open files the kernel counts on the card: the master's and the lessees'."""
    return int(vm.run("grep -c . /sys/kernel/debug/dri/0/clients").out)


def daemon_status(vm: Machine) -> dict[str, int]:
    """pid, open fds and memory in KiB of the daemon. Not from `status`: before Linux 6.2 its
    numbers are off by as much as 64 pages for each thread."""
    out = vm.run("p=$(systemctl show -p MainPID --value scanoutd); echo $p; ls /proc/$p/fd | wc -l; "
                 "awk '/^(Rss|Anonymous):/ {print $2}' /proc/$p/smaps_rollup").out.split()
    return dict(zip(("pid", "fds", "rss", "anon"), map(int, out)))


def fronts(vm: Machine) -> list[int]:
    """The processes of scanout-front that serve containers."""
    return [int(pid) for pid in vm.run("pgrep -f '[s]canout-front --instance' || true").out.split()]


# The beginning of a D-Bus connection, and of a message of 96 MiB.
HUGE = r"\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\1\0\1\0\0\0\006\1\0\0\0\0\0\0\0"


def send_huge(vm: Machine, socket: str, count: int):
    """Messages of 96 MiB each, at the same time, by a user without rights. Returns when all were
    sent, or hung up on."""
    vm.run(f"for i in $(seq {count}); do (printf '{HUGE}'; head -c 100663296 /dev/zero) | "
           f"setpriv --reuid=65534 --clear-groups socat -u - UNIX-CONNECT:{socket} 2>/dev/null & "
           "done; wait", timeout=90)


def peak_memory(vm: Machine, unit: str) -> int:
    """The most memory that the unit's process has had, in MiB."""
    return int(vm.run(f"awk '/VmHWM/ {{print $2}}' /proc/$(systemctl show -p MainPID --value {unit})"
                      "/status").out) >> 10

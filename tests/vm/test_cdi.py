"""Desktops in podman containers that have nothing of scanoutd's in them: all comes by CDI."""

import errno
import json
import shlex

import ending
import isolation
from container import SHADER_OPTIONS, Container
from desktop import FOOT, WESTON, kwin_capability, kwin_version
from machine import wait_until
from picture import share
from scanouts import (peak_memory, rows, send_huge, start_daemon, wait_all_free, wait_blank,
                      wait_state)

MACHINE = dict(set="desktops")

# The guest's own root without our files: what an image from elsewhere looks like.
IMAGE = "/run/image/root"
MAKE_IMAGE = f"""
set -e
mkdir -p /run/image && mount -t tmpfs tmpfs /run/image
mkdir /run/image/upper /run/image/work {IMAGE}
mount -t overlay overlay -o lowerdir=/,upperdir=/run/image/upper,workdir=/run/image/work {IMAGE}
cd {IMAGE}
rm -rf usr/bin/scanout* usr/sbin/scanout* usr/lib/libscanout* usr/lib/scanoutd* etc/scanoutd \
    usr/lib/systemd/system/scanout*
mkdir -p etc/sway.test
"""
# Not one option that has to do with the desktop but the device, and a folder that makes it start
# sooner; a uid that nobody knows.
PODMAN = ("podman run --rm --network none --log-driver none --user 4711:4711 "
          f"{SHADER_OPTIONS} "
          "--device scanoutd.org/scanout={device} {options} --name {name} --rootfs {image} "
          "{command}")
# DRM_IOCTL_SET_MASTER, and what it is refused with.
MASTER = """perl -e 'open(F, "+<", "/dev/dri/card0") or die $!; ioctl(F, 0x641e, 0); print $! + 0'"""
MUTTER = "dbus-run-session -- mutter --wayland --display-server --no-x11"


def setup(vm):
    start_daemon(vm)
    vm.run(MAKE_IMAGE)
    assert vm.run(f"ls {IMAGE}/usr/bin/scanout-run", check=False).rc != 0
    vm.run("systemctl start scanout-cdi.service")


def start(vm, name: str, device: str, command: str, options: str = "") -> Container:
    return Container(vm, name, vm.spawn("exec " + PODMAN.format(
        name=name, device=device, command=command, options=options, image=IMAGE)))


def leased(vm) -> list[dict]:
    return [r for r in rows(vm).values() if r["state"] == "leased"]


def wait_leased(desk: Container, scanout: str | None = None) -> dict:
    """The row of that scanout, or of the only one that is leased."""
    def look():
        return next((r for r in leased(desk.vm) if scanout in (None, r["id"])), None)
    row = desk.wait(look, 60, f"{scanout or 'a scanout'} is leased")
    desk.head = row["index"]
    return row


def wait_picture(desk: Container):
    desk.wait(lambda: not desk.vm.is_blank(desk.head), 60, f"head {desk.head} shows something")


def wait_shown(desk: Container, colour: str, size: tuple[int, int] | None = None):
    def look():
        picture = desk.vm.capture(desk.head)
        return share(picture, colour) > 0.02 and size in (None, picture.size)
    desk.wait(look, 60, f"#{colour} is on head {desk.head}" + (f" in {size}" if size else ""))


def check_holder(vm, row: dict, desk: Container, unit: str):
    """The container has it, not the seat that asked for it."""
    container, holder = desk.id, row["holder"]
    assert (holder["engine"], holder["container"]) == ("podman", container), (row, container)
    assert (holder["uid"], holder["unit"]) == (4711, unit), row
    assert f"podman:{container[:12]} uid 4711" in vm.run("scanoutctl list").out


def test_mutter(vm):
    """Mutter in a container with nothing but the device: it shows a client's window in the size
    that the host has set, and in the next one that it sets; `list` names the container and the
    seat. Killed, its scanout is free and blank; started again, it is back on the same. When the
    admin takes that, it ends."""
    head, scanout, sizes = 2, "card0-Virtual-3", ((1600, 900), (1280, 720))
    vm.size_head(head, *sizes[0])
    desk = start_mutter(vm, scanout, "c02020")
    wait_shown(desk, "c02020", sizes[0])
    vm.size_head(head, *sizes[1])
    wait_shown(desk, "c02020", sizes[1])
    others = [h for h in range(vm.head_count) if h != head]
    assert all(share(vm.capture(h), "c02020") == 0 for h in others)
    desk.kill()
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)

    desk = start_mutter(vm, scanout, "20c020")
    wait_shown(desk, "20c020", sizes[1])
    vm.run(f"scanoutctl release {scanout}")
    desk.process.wait()
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)


def start_mutter(vm, scanout: str, colour: str) -> Container:
    desk = start(vm, "desk", scanout, f"{MUTTER} -- {FOOT.format(colour=colour)}")
    row = wait_leased(desk, scanout)
    check_holder(vm, row, desk, f"scanout-seat@{scanout}.service")
    return desk


def test_sway(vm):
    """sway without a GPU, with the second device `software`: it gets the empty lease that it
    allocates on, by seatd, and shows a client's window."""
    head, scanout, colour = 3, "card0-Virtual-4", "2020c0"
    desk = start_sway(vm, scanout, colour)
    wait_leased(desk, scanout)
    wait_shown(desk, colour)
    desk.kill()
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)


def start_sway(vm, device: str, colour: str) -> Container:
    vm.run(f"cat > {IMAGE}/etc/sway.test/config",
           input=f"exec {FOOT.format(colour=colour)}\n".encode())
    return start(vm, "tiles", device, "sway -c /etc/sway.test/config",
                 "--device scanoutd.org/scanout=software")


def test_sway_ends(vm):
    """sway is killed, crashes or exits, in a container that goes on: its scanout is free and
    blank, and it can be started there again. The container sees nothing of the VM's logind, udev
    or system bus, and cannot open a card; and these know nothing of it."""
    before = isolation.state(vm)
    ending.prepare(vm)
    # What podman mounted for containers before is left in the image as empty files.
    vm.run(f"rm -rf {IMAGE}/run/systemd {IMAGE}/run/udev")
    vm.run(f"echo 'output * bg #c04060 solid_color' > {IMAGE}/etc/sway.test/ends")
    desk = start(vm, "desk", "card0-Virtual-5", ending.LOOP.format(
        command="sway -c /etc/sway.test/ends") + " " + ending.INPUT,
        "-i --device scanoutd.org/scanout=software")
    ending.check_ends(vm, desk, "sway",
                      lambda row: row["id"] == "card0-Virtual-5" and row["state"] == "leased",
                      lambda head: share(vm.capture(head), "c04060") > 0.5)
    isolation.check_inside(vm, "desk", "card0Virtual5", "c226:0")
    isolation.check_state(vm, before)
    desk.kill()
    isolation.check_state(vm, before)


def test_kwin(vm):
    """kwin_wayland with the capability that its file has, and from KWin 6 on with the device that
    lets it open the card's node: it shows a client's window. Killed, its scanout is free and
    blank."""
    head, scanout, colour = 7, "card0-Virtual-8", "7030a0"
    opened = "--device scanoutd.org/scanout=open-card0 " if kwin_version(vm) >= 6 else ""
    desk = start(vm, "plasma", scanout, "dbus-run-session -- kwin_wayland --no-lockscreen "
                 + shlex.quote(FOOT.format(colour=colour)),
                 f"{opened}--cap-add {kwin_capability(vm)}")
    wait_leased(desk, scanout)
    wait_shown(desk, colour)
    desk.kill()
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)


def test_open(vm):
    """The device `open-card0` after a scanout: a user without rights can open the node, and is not
    the card's master with it, nor can it become that."""
    said = vm.run(PODMAN.format(
        name="look", device="card0-Virtual-5", image=IMAGE,
        options="--device scanoutd.org/scanout=open-card0",
        command=MASTER), timeout=60)
    assert said.out == f"{errno.EACCES}", said


def test_any(vm):
    """Two containers with the device `any`: each gets a scanout of its own, in its own name. A
    compositor that dies in one of them, and is started again in there, is back on the scanout that
    it had, though others are free."""
    unit = "scanout-seat-any@card0.service"
    vm.run(f"echo 'output * bg #c04060 solid_color' > {IMAGE}/etc/sway.test/any")
    software = "--device scanoutd.org/scanout=software"
    sway = "sway -c /etc/sway.test/any"
    desks = [start(vm, "one", "any", f"sh -c 'for n in 1 2; do {sway}; done'", software),
             # weston 10 wants a launcher, or files of its user, whom nobody knows beforehand.
             start(vm, "two", "any-card0", sway, software) if vm.suite == "bookworm" else
             start(vm, "two", "any-card0", WESTON["command"])]
    for count, desk in enumerate(desks, 1):
        desk.wait(lambda: len(leased(vm)) >= count, 60, f"{count} scanouts are leased")
    found = {r["holder"]["container"]: r for r in leased(vm)}
    one, two = (found[desk.id] for desk in desks)
    assert one["id"] != two["id"], found
    for desk, row in zip(desks, (one, two)):
        check_holder(vm, row, desk, unit)
        desk.head = row["index"]
        wait_picture(desk)
    vm.run(f"kill -KILL {one['holder']['pid']}")

    def again():
        return next((r for r in leased(vm) if r["holder"]["pid"] != one["holder"]["pid"] and
                     r["holder"]["container"] == one["holder"]["container"]), None)
    assert desks[0].wait(again, 60, "it has one again")["id"] == one["id"]
    desks[0].kill()
    wait_state(vm, one["id"], "free")
    assert rows(vm)[two["id"]]["state"] == "leased"
    desks[1].kill()
    wait_all_free(vm)
    for desk in desks:
        wait_blank(vm, desk.head)


def test_any_software(vm):
    """sway without a GPU on `any`: lease and empty lease come from the same seat."""
    colour = "c020c0"
    desk = start_sway(vm, "any", colour)
    wait_leased(desk)
    wait_shown(desk, colour)
    desk.kill()
    wait_all_free(vm)


def test_agents_socket(vm):
    """The socket on which seats name containers is of no use in one: its root is hung up on, others
    cannot open it. A user of the VM cannot either."""
    call = ("gdbus call --address unix:path={}/bus -d org.scanoutd.Scanout1 "
            "-o /org/scanoutd/Scanout1 -m org.scanoutd.Scanout1.Manager.ListScanouts")
    agent = "/run/scanoutd/agent"
    hung_up = ("Broken pipe", "Connection reset by peer")  # before it has written, or after
    for user, words in (("0:0", hung_up), ("4711:4711", ("Permission denied",))):
        said = vm.run("podman run --rm --network none --log-driver none --user "
                      f"{user} -v {agent}:/mnt --rootfs {IMAGE} {call.format('/mnt')}",
                      check=False)
        assert said.rc == 1 and any(word in said.err for word in words), said
    said = vm.run(f"setpriv --reuid=guest --regid=scanout --init-groups {call.format(agent)}",
                  check=False)
    assert said.rc == 1 and "Permission denied" in said.err, said
    assert "An agent is turned away: Permission denied" in vm.journal("scanoutd")


def test_inside(vm):
    """What the container sees: a card node that is not to be opened by root either, no render node
    where there is no GPU, the seat's folder read-only, and none of the VM's own sockets."""
    said = vm.run(PODMAN.format(
        name="look", device="card0-Virtual-5", image=IMAGE, options="--user 0:0",
        command="sh -c 'cat /dev/dri/card0; rm /run/scanout/bus; echo x >/run/udev/data/y; "
                "ls /dev/dri /run/scanout /run; cat /run/systemd/sessions/$XDG_SESSION_ID'"),
        timeout=60)
    words = said.out.split()
    assert "card0" in words and "renderD128" not in words, said.out
    assert "ACTIVE=1" in words and "SEAT=seat0" in words, said.out
    assert "scanoutd" not in words and "dbus" not in words, said.out
    assert said.err.count("Operation not permitted") + said.err.count("Permission denied") == 1
    assert said.err.count("Read-only file system") == 2, said.err


def test_huge_messages(vm):
    """Messages that no compositor sends, from many at once: the seat does not make room for them,
    and serves the others as before."""
    scanout = "card0-Virtual-9"
    unit, socket = f"scanout-seat@{scanout}.service", f"/run/scanoutd/seat/{scanout}/bus"
    call = (f"gdbus call --address unix:path={socket} -d org.freedesktop.login1 "
            "-o /org/freedesktop/login1 -m org.freedesktop.login1.Manager.GetSession auto")
    vm.run(call)
    process = vm.run(f"systemctl show -p MainPID --value {unit}").out
    send_huge(vm, socket, 16)
    assert peak_memory(vm, unit) < 32
    vm.run(call)
    assert vm.run(f"systemctl show -p MainPID --value {unit}").out == process


def test_wrong_device(vm):
    """A device that is not there: podman says so, and starts nothing."""
    said = vm.run(PODMAN.format(name="none", device="card0-Virtual-99", options="", image=IMAGE,
                                command="true"), check=False)
    assert said.rc == 126, said
    assert "unresolvable CDI devices scanoutd.org/scanout=card0-Virtual-99" in said.err, said


def test_no_daemon(vm):
    """The daemon is down: Mutter is told so and ends; with the daemon back it starts."""
    vm.run("systemctl stop scanoutd.socket scanoutd-agent.socket scanoutd.service")
    desk = start(vm, "early", "card0-Virtual-7", MUTTER)
    assert desk.process.wait(90) != 0
    assert "No lease could be had" in desk.process.err, desk.told
    journal = vm.journal("scanout-seat@card0-Virtual-7.service")
    assert "Found no scanoutd at $SCANOUT_ADDRESS" in journal, journal
    vm.run("systemctl start scanoutd.socket scanoutd-agent.socket scanoutd.service")
    desk = start(vm, "early", "card0-Virtual-7", MUTTER)
    wait_leased(desk, "card0-Virtual-7")
    desk.kill()
    wait_all_free(vm)


def test_idle(vm):
    """A seat without clients ends, and its socket goes on listening; nothing has failed."""
    def running():
        return vm.run("systemctl list-units --no-legend --state=running 'scanout-seat*.service'").out
    wait_until(lambda: not running(), 60, f"all seats have ended: {running()}")
    listening = vm.run("systemctl list-units --no-legend --state=listening 'scanout-seat*'").out
    assert len(listening.splitlines()) == 17, listening
    failed = vm.run("systemctl list-units --no-legend --failed 'scanout*'").out
    assert not failed, failed


def test_specification(vm):
    """The written file: one device for each scanout that is not excluded, and four more; written
    anew at a reload."""
    spec = json.loads(vm.run("cat /run/cdi/scanoutd.json").out)
    names = [device["name"] for device in spec["devices"]]
    assert names == [f"card0-Virtual-{n}" for n in range(1, 17)] + [
        "any-card0", "open-card0", "any", "software"], names
    before = vm.run("stat -c %i /run/cdi/scanoutd.json").out
    vm.run("systemctl reload scanout-cdi.service")
    assert vm.run("stat -c %i /run/cdi/scanoutd.json").out != before
    assert vm.run("stat -c %a:%U /run/cdi/scanoutd.json").out == "644:root\n"
    assert vm.run("ls -A /run/cdi").out == "scanoutd.json\n"


# KWin 5.27 by CDI starts, and ends before its client has drawn.
test_kwin.suites = ("trixie", "forky")

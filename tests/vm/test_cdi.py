"""Desktops in podman containers that have nothing of scanoutd's in them: all comes by CDI."""

import json

import ending
import isolation
from machine import wait_until
from scanouts import peak_memory, rows, send_huge, size_heads, start_daemon, wait_all_free, wait_blank, wait_state

MACHINE = dict(set="desktops", deadline=1500)

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
# Not one option that has to do with the desktop but the device; a uid that nobody knows.
PODMAN = ("podman run --rm --network none --log-driver none --user 4711:4711 "
          "--device scanoutd.org/scanout={device} {options} --name {name} --rootfs {image} "
          "{command}")
MUTTER = "mutter --wayland --display-server --no-x11"
FOOT = "foot -o colors.background={colour} -o colors.foreground=ffffff sh -c 'while :; do date; sleep 1; done'"


def setup(vm):
    start_daemon(vm)
    vm.run(MAKE_IMAGE)
    assert vm.run(f"ls {IMAGE}/usr/bin/scanout-run", check=False).rc != 0
    vm.run("systemctl start scanout-cdi.service")


def share(picture, colour: str) -> float:
    """How much of a picture is of about this colour."""
    want = [int(colour[i:i + 2], 16) for i in (0, 2, 4)]
    small = picture.convert("RGB").resize((160, 100), 0)
    near = sum(all(abs(a - b) < 24 for a, b in zip(pixel, want)) for pixel in small.getdata())
    return near / (160 * 100)


def start(vm, name: str, device: str, command: str, options: str = ""):
    return vm.spawn("exec " + PODMAN.format(name=name, device=device, command=command,
                                            options=options, image=IMAGE))


def wait_leased(vm, process, scanout: str) -> dict:
    def look():
        assert process.poll() is None, process.out + process.err
        row = rows(vm)[scanout]
        return row if row["state"] == "leased" else None
    return wait_until(look, 60, f"{scanout} is leased")


def wait_shown(vm, process, head: int, colour: str, timeout: float = 120):
    def look():
        assert process.poll() is None, process.out + process.err
        return share(vm.capture(head), colour) > 0.02
    try:
        wait_until(look, timeout, f"#{colour} is on head {head}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{process.out}{process.err}") from None


def check_holder(vm, row: dict, name: str, unit: str):
    """The container has it, not the seat that asked for it."""
    container = vm.run(["podman", "inspect", "-f", "{{.Id}}", name]).out.strip()
    holder = row["holder"]
    assert (holder["engine"], holder["container"]) == ("podman", container), (row, container)
    assert (holder["uid"], holder["unit"]) == (4711, unit), row
    assert f"podman:{container[:12]} uid 4711" in vm.run("scanoutctl list").out


def wait_size(vm, process, head: int, size: tuple[int, int], colour: str):
    def look():
        assert process.poll() is None, process.out + process.err
        picture = vm.capture(head)
        return picture.size == size and share(picture, colour) > 0.02
    wait_until(look, 60, f"head {head} is {size}")


def kill(vm, name: str, process):
    """By SIGKILL; the scanout is freed at once, and the container gone afterwards."""
    vm.run(["podman", "kill", "-s", "KILL", name])
    process.wait(60)


def test_mutter(vm):
    """Mutter in a container with nothing but the device: it shows a client's window in the size
    that the host has set, and in the next one that it sets; `list` names the container and the
    seat. Killed, its scanout is free and blank; started again, it is back on the same."""
    head, scanout, size = 2, "card0-Virtual-3", (1600, 900)
    vm.size_head(head, *size)
    for colour in ("c02020", "20c020"):
        process = start(vm, "desk", scanout, f"{MUTTER} -- {FOOT.format(colour=colour)}")
        row = wait_leased(vm, process, scanout)
        check_holder(vm, row, "desk", f"scanout-seat@{scanout}.service")
        wait_shown(vm, process, head, colour)
        assert vm.capture(head).size == size
        size = (1280, 720) if size == (1600, 900) else (1600, 900)
        vm.size_head(head, *size)
        wait_size(vm, process, head, size, colour)
        others = [h for h in range(vm.head_count) if h != head]
        assert all(share(vm.capture(h), colour) == 0 for h in others)
        kill(vm, "desk", process)
        wait_state(vm, scanout, "free", 2)
        wait_blank(vm, head)
    size_heads(vm, 3)


def test_sway(vm):
    """sway without a GPU, with the second device `software`: it gets the empty lease that it
    allocates on, by seatd, and shows a client's window."""
    head, scanout, colour = 3, "card0-Virtual-4", "2020c0"
    vm.run(f"cat > {IMAGE}/etc/sway.test/config",
           input=f"exec {FOOT.format(colour=colour)}\n".encode())
    process = start(vm, "tiles", scanout, "sway -c /etc/sway.test/config",
                    "--device scanoutd.org/scanout=software")
    wait_leased(vm, process, scanout)
    wait_shown(vm, process, head, colour)
    kill(vm, "tiles", process)
    wait_state(vm, scanout, "free", 2)
    wait_blank(vm, head)


def test_sway_ends(vm):
    """sway is killed, crashes or exits, in a container that goes on: its scanout is free and
    blank, and it can be started there again. The container sees nothing of the VM's logind, udev
    or system bus, and cannot open a card; and these know nothing of it."""
    before = isolation.state(vm)
    ending.prepare(vm)
    # What podman mounted for containers before is left in the image as empty files.
    vm.run(f"rm -rf {IMAGE}/run/systemd {IMAGE}/run/udev")
    vm.run(f"echo 'output * bg #c04060 solid_color' > {IMAGE}/etc/sway.test/ends")
    container = start(vm, "desk", "card0-Virtual-5", ending.LOOP.format(
        command="sway -c /etc/sway.test/ends") + " " + ending.INPUT,
        "-i --device scanoutd.org/scanout=software")
    ending.check_ends(vm, container, "sway",
                      lambda row: row["id"] == "card0-Virtual-5" and row["state"] == "leased",
                      lambda head: share(vm.capture(head), "c04060") > 0.5)
    isolation.check_inside(vm, "desk", "card0Virtual5", "c226:0")
    isolation.check_state(vm, before)
    kill(vm, "desk", container)
    isolation.check_state(vm, before)


def test_any(vm):
    """Two containers with the device `any`: each gets a scanout of its own, in its own name."""
    unit = "scanout-seat-any@card0.service"
    first = start(vm, "one", "any", MUTTER)
    second = start(vm, "two", "any-card0", MUTTER)

    def leased():
        assert first.poll() is None and second.poll() is None, first.err + second.err
        found = [r for r in rows(vm).values() if r["state"] == "leased"]
        return found if len(found) == 2 else None
    found = wait_until(leased, 90, "two scanouts are leased")
    ids = {name: vm.run(["podman", "inspect", "-f", "{{.Id}}", name]).out.strip()
           for name in ("one", "two")}
    held = {r["holder"]["container"]: r for r in found}
    assert set(held) == set(ids.values()), found
    by_name = {name: held[id] for name, id in ids.items()}
    for name, row in by_name.items():
        check_holder(vm, row, name, unit)
    for row in found:
        wait_until(lambda: not vm.is_blank(row["index"]), 60, f"head {row['index']} shows it")
    kill(vm, "one", first)
    wait_state(vm, by_name["one"]["id"], "free")
    assert rows(vm)[by_name["two"]["id"]]["state"] == "leased"
    kill(vm, "two", second)
    wait_all_free(vm)
    for row in found:
        wait_blank(vm, row["index"])


def test_any_again(vm):
    """A compositor that dies in a container with `any`, and is started again in there, is back on
    the scanout that it had, though others are free."""
    process = start(vm, "phoenix", "any", f"sh -c '{MUTTER}; {MUTTER}'")

    def held(other_than: int):
        assert process.poll() is None, process.out + process.err
        return next((r for r in rows(vm).values()
                     if r["state"] == "leased" and r["holder"]["pid"] != other_than), None)
    before = wait_until(lambda: held(0), 90, "it has a scanout")
    wait_until(lambda: not vm.is_blank(before["index"]), 60, "it shows something")
    vm.run(["podman", "exec", "phoenix", "pkill", "-KILL", "-x", "mutter"])
    after = wait_until(lambda: held(before["holder"]["pid"]), 90, "it has one again")
    assert after["id"] == before["id"], (before, after)
    assert after["holder"]["container"] == before["holder"]["container"], (before, after)
    kill(vm, "phoenix", process)
    wait_all_free(vm)


def test_any_software(vm):
    """sway without a GPU on `any`: lease and empty lease come from the same seat."""
    colour = "c020c0"
    vm.run(f"cat > {IMAGE}/etc/sway.test/config",
           input=f"exec {FOOT.format(colour=colour)}\n".encode())
    process = start(vm, "tiles", "any", "sway -c /etc/sway.test/config",
                    "--device scanoutd.org/scanout=software")

    def leased():
        assert process.poll() is None, process.out + process.err
        return next((r for r in rows(vm).values() if r["state"] == "leased"), None)
    row = wait_until(leased, 60, "it has a scanout")
    wait_shown(vm, process, row["index"], colour)
    kill(vm, "tiles", process)
    wait_all_free(vm)


def test_agents_socket(vm):
    """The socket on which seats name containers is of no use in one: its root is hung up on, others
    cannot open it. A user of the VM cannot either."""
    call = ("gdbus call --address unix:path={}/bus -d org.scanoutd.Scanout1 "
            "-o /org/scanoutd/Scanout1 -m org.scanoutd.Scanout1.Manager.ListScanouts")
    agent = "/run/scanoutd/agent"
    for user, word in (("0:0", "Broken pipe"), ("4711:4711", "Permission denied")):
        said = vm.run("podman run --rm --network none --log-driver none --user "
                      f"{user} -v {agent}:/mnt --rootfs {IMAGE} {call.format('/mnt')}",
                      check=False)
        assert said.rc == 1 and word in said.err, said
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


def test_revoked(vm):
    """The admin takes the scanout of a container: its Mutter ends."""
    process = start(vm, "gone", "card0-Virtual-6", MUTTER)
    wait_leased(vm, process, "card0-Virtual-6")
    wait_until(lambda: not vm.is_blank(5), 60, "it shows something")
    vm.run("scanoutctl release card0-Virtual-6")
    process.wait(60)
    wait_state(vm, "card0-Virtual-6", "free")
    wait_blank(vm, 5)


def test_wrong_device(vm):
    """A device that is not there: podman says so, and starts nothing."""
    said = vm.run(PODMAN.format(name="none", device="card0-Virtual-99", options="", image=IMAGE,
                                command="true"), check=False)
    assert said.rc == 126, said
    assert "unresolvable CDI devices scanoutd.org/scanout=card0-Virtual-99" in said.err, said


def test_no_daemon(vm):
    """The daemon is down: Mutter is told so and ends; with the daemon back it starts."""
    vm.run("systemctl stop scanoutd.socket scanoutd-agent.socket scanoutd.service")
    process = start(vm, "early", "card0-Virtual-7", MUTTER)
    assert process.wait(90) != 0
    assert "No lease could be had" in process.err, process.err
    journal = vm.journal("scanout-seat@card0-Virtual-7.service")
    assert "Found no scanoutd at $SCANOUT_ADDRESS" in journal, journal
    vm.run("systemctl start scanoutd.socket scanoutd-agent.socket scanoutd.service")
    process = start(vm, "early", "card0-Virtual-7", MUTTER)
    wait_leased(vm, process, "card0-Virtual-7")
    kill(vm, "early", process)
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
    """The written file: one device for each scanout that is not excluded, and three more; written
    anew at a reload."""
    spec = json.loads(vm.run("cat /run/cdi/scanoutd.json").out)
    names = [device["name"] for device in spec["devices"]]
    assert names == [f"card0-Virtual-{n}" for n in range(1, 17)] + ["any-card0", "any", "software"], names
    before = vm.run("stat -c %i /run/cdi/scanoutd.json").out
    vm.run("systemctl reload scanout-cdi.service")
    assert vm.run("stat -c %i /run/cdi/scanoutd.json").out != before
    assert vm.run("stat -c %a:%U /run/cdi/scanoutd.json").out == "644:root\n"
    assert vm.run("ls -A /run/cdi").out == "scanoutd.json\n"


test_mutter.deadline = 300
test_sway.deadline = test_any.deadline = test_no_daemon.deadline = 240
test_any_again.deadline = test_any_software.deadline = 240
test_sway_ends.deadline = 240
test_inside.deadline = test_revoked.deadline = test_idle.deadline = 150

"""docs/containers.md on other engines than podman as root: its blocks are read from there and run.

The containers' root is next to empty, the VM's own /usr and /etc are mounted over it, and the
compositor is sway, which fills its head with a colour.
"""

import re
from collections.abc import Callable
from pathlib import Path

from container import Container
from picture import share
from scanouts import rows, start_daemon, wait_blank, wait_state

MACHINE = dict(set="engines")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "containers.md"
MUTTER = "dbus-run-session mutter --wayland --display-server --no-x11"
NSPAWN = "systemd-nspawn, and no container at all"
ROOT = "/srv/desk"
OPTIONS = "--rm --name desk --network none -v /usr:/usr:ro -v /etc:/etc:ro"
# A user without rights, with ids below its own for containers and a session of its own.
AS_USER = ("cd /home/desk && exec setpriv --reuid=desk --regid=desk --init-groups "
           "env -i PATH=/usr/bin:/bin HOME=/home/desk XDG_RUNTIME_DIR=/run/user/1000 "
           "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus ")
SETUP = f"""
set -e
echo 'u desk 1000 - /home/desk /bin/sh' | systemd-sysusers -
echo desk:100000:65536 | tee /etc/subuid > /etc/subgid
mkdir -p /home/desk
chown desk: /home/desk
loginctl enable-linger desk
mkdir -p {ROOT}
cd {ROOT}
mkdir -p dev etc proc run sys tmp usr home/desk
ln -s usr/bin usr/sbin usr/lib usr/lib64 .
chmod 1777 tmp
systemctl start docker scanout-cdi.service user@1000.service
tar c . | docker import - image
tar c . | ( {AS_USER} podman import - image )
"""


def setup(vm):
    start_daemon(vm)
    if not getattr(vm, "has_engines", False):
        vm.run(SETUP, timeout=170)
        vm.has_engines = True


def block(section: str, number: int) -> str:
    """A block of the page, as a line of shell."""
    text = DOCS.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)\n```", text, re.S)[number].replace("\\\n", " ")


def prepared(command: str, program: str, options: str) -> str:
    """A block with more options, our image, and sway in the place of Mutter."""
    assert program in command, command
    return command.replace(program, f"{program} {options}").replace("IMAGE", "image").replace(
        MUTTER, "sway")


def check_desk(vm, command: str, colour: str, mine: Callable[[dict], bool], holder: dict,
               kill: str, identify: str = ""):
    """The command has a scanout with this holder, in the container that `identify` prints, and its
    colour fills that head and no other; killed, it leaves it free and blank."""
    vm.run("cat > /etc/sway/config", input=f"output * bg #{colour} solid_color\n".encode())
    # In all of the blocks that is the name of the container, the machine or the unit.
    desk = Container(vm, "desk", vm.spawn(command))

    row = desk.wait(lambda: next((row for row in rows(vm).values() if mine(row)), None), 60,
                    f"{command} has a scanout")
    container = vm.run(identify).out.strip() if identify else ""
    wanted = {**holder, "container": container}
    assert {key: row["holder"].get(key) for key in wanted} == wanted, (row, wanted)

    desk.head = row["index"]
    desk.wait(lambda: share(vm.capture(desk.head), colour) > 0.9, 90,
              f"#{colour} is on head {desk.head}, by {command}")
    assert not any(share(vm.capture(head), colour) for head in range(vm.head_count)
                   if head != desk.head)
    vm.run(kill)
    wait_state(vm, row["id"], "free")
    wait_blank(vm, desk.head)
    desk.process.wait()


def by_label(row: dict) -> bool:
    return row["label"] == "desk1"


def on(scanout: str) -> Callable[[dict], bool]:
    return lambda row: row["id"] == scanout and row["state"] == "leased"


def seat_of(scanout: str) -> dict:
    """A seat in the VM asked for it, in the container's name."""
    return {"unit": f"scanout-seat@{scanout}.service"}


def test_docker(vm):
    """docker with scanout-run: `list` has the container's full id and the user it runs as."""
    command = block("podman, with scanout-run", 0).replace("podman", "docker")
    check_desk(vm, prepared(command, "docker run", OPTIONS), "c02020", by_label,
               {"engine": "docker", "uid": 1000}, "docker kill -s KILL desk",
               "docker inspect -f '{{.Id}}' desk")


def test_docker_seat(vm):
    """docker 20.10, which knows no CDI, with a seat of the VM's that is mounted by hand."""
    options = f"{OPTIONS} --user 1000:1000 {block('docker', 2)}"
    check_desk(vm, prepared(block("docker", 1), "docker run", options), "20c020",
               on("card0-Virtual-3"),
               {"engine": "docker", "uid": 1000, **seat_of("card0-Virtual-3")},
               "docker kill -s KILL desk", "docker inspect -f '{{.Id}}' desk")


def test_rootless(vm):
    """podman of a user without rights, with scanout-run: `list` has the container's full id, and
    the VM's uid of the user in it."""
    command = block("podman, with scanout-run", 0)
    check_desk(vm, AS_USER + prepared(command, "podman run", OPTIONS), "2020c0", by_label,
               {"engine": "podman", "uid": 100999}, f"{AS_USER} podman kill -s KILL desk",
               f"{AS_USER} podman inspect -f '{{{{.Id}}}}' desk")


def test_rootless_cdi(vm):
    """The same by CDI, with nothing of ours in the container."""
    command = block("podman, by CDI", 2)
    check_desk(vm, AS_USER + prepared(command, "podman run", OPTIONS), "c0c020",
               on("card0-Virtual-4"),
               {"engine": "podman", "uid": 100999, **seat_of("card0-Virtual-4")},
               f"{AS_USER} podman kill -s KILL desk",
               f"{AS_USER} podman inspect -f '{{{{.Id}}}}' desk")


def test_nspawn(vm):
    """systemd-nspawn with scanout-run: `list` has the machine's name."""
    check_desk(vm, prepared(block(NSPAWN, 2), "systemd-nspawn", "--bind-ro=/usr --bind-ro=/etc"),
               "c020c0", by_label, {"engine": "nspawn", "uid": 1000},
               "machinectl kill -s KILL desk", "echo desk")


def test_nspawn_seat(vm):
    """systemd-nspawn with a seat of the VM's, with nothing of ours in the container."""
    options = f"--bind-ro=/usr --bind-ro=/etc {block(NSPAWN, 1)}"
    check_desk(vm, prepared(block(NSPAWN, 0), "systemd-nspawn", options), "20c0c0",
               on("card0-Virtual-3"),
               {"engine": "nspawn", "uid": 1000, **seat_of("card0-Virtual-3")},
               "machinectl kill -s KILL desk", "echo desk")


def test_unit(vm):
    """No container at all: a unit of the VM."""
    command = block(NSPAWN, 3).replace("systemd-run", "systemd-run --wait --unit desk")
    check_desk(vm, command, "c07020", by_label, {"engine": "", "unit": "desk.service", "uid": 1000},
               "systemctl kill -s KILL desk")


SEAT = "/run/scanoutd/seat/card0-Virtual-3"
SESSION = "systemd/sessions/card0Virtual3"


def test_left_by_docker(vm):
    """A container is started before its seat is there. With --mount, as the page has it, it is
    refused, and nothing is made; with -v docker makes empty folders, one of them in the place of a
    file. They keep nobody from being described, and the container can be started then."""
    vm.run("systemctl stop scanout-cdi.service 'scanout-seat*.socket' 'scanout-seat*.service'; "
           "rm -rf /run/scanoutd/seat")
    options = f"{OPTIONS} --user 1000:1000 {block('docker', 2)}"
    command = prepared(block("docker", 1), "docker run", options)
    refused = vm.run(command, check=False)
    assert refused.rc == 125 and "bind source path does not exist" in refused.err, refused
    assert vm.run("ls /run/scanoutd/seat", check=False).rc == 2, "nothing is made"
    vm.run(f"docker run {OPTIONS} -v {SEAT}:/run/scanout:ro "
           f"-v {SEAT}/{SESSION}:/run/{SESSION}:ro -v {SEAT}/udev:/run/udev:ro image true")
    assert vm.run(f"test -d {SEAT}/{SESSION}", check=False).rc == 0
    vm.run("systemctl start scanout-cdi.service")
    check_desk(vm, command, "207020", on("card0-Virtual-3"), {"engine": "docker", "uid": 1000},
               "docker kill -s KILL desk", "docker inspect -f '{{.Id}}' desk")


def test_bad_seat(vm):
    """What nobody can make of itself: a folder that is not empty is in the place of a seat's file.
    That seat alone is not described, the journal says what to type, and that helps."""
    since = vm.now()
    vm.run(f"rm {SEAT}/{SESSION}; mkdir -p {SEAT}/{SESSION}/full")
    assert vm.run("systemctl restart scanout-cdi.service", check=False).rc != 0
    # systemd tries it again and again meanwhile.
    names = vm.run("grep '\"name\"' /run/cdi/scanoutd.json").out
    assert '"card0-Virtual-3"' not in names and '"card0-Virtual-4"' in names, names
    said = vm.run("podman run --rm --network none --log-driver none --device "
                  "scanoutd.org/scanout=card0-Virtual-4 --rootfs /:O printenv SCANOUT_ID")
    assert said.out == "card0-Virtual-4\n", said
    told = vm.journal("scanout-cdi", since)
    assert f"{SEAT} cannot be written to (Directory not empty)" in told, told
    vm.run(re.search(r"Type: (rm -r [^;]*; systemctl restart scanout-cdi)", told)[1])
    assert '"card0-Virtual-3"' in vm.run("cat /run/cdi/scanoutd.json").out

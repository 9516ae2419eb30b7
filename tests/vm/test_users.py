"""Desktops in containers whose first process is root, and which go on as another user."""

from desktop import COLOURS, DESKTOPS, MUTTER, PODMAN, Desktop
from machine import wait_until
from test_desktops import MACHINE, one, setup  # noqa: F401

AS_USER = "setpriv --reuid 4711 --regid 4711 --clear-groups"
ROOT = "--user 0:0"
DESKTOPS |= {
    "swaysetpriv": dict(run="", options=ROOT, command=f"{AS_USER} sway -c /etc/sway.test/{{colour}}"),
    "swayscript": dict(run="", options=ROOT,
                       command=f"sh -c 'exec {AS_USER} sway -c /etc/sway.test/{{colour}}'"),
    "mutterrunuser": dict(run="", options=ROOT, command=f"runuser -u nobody -- {MUTTER}"),
    "westonsu": dict(run="--seat logind", options=ROOT,
                     command="su nobody -s /bin/sh -c "
                     "'weston --idle-time=0 --use-pixman --continue-without-input'"),
}
COLOURS |= {"swaysetpriv": "c02060", "swayscript": "20c090", "mutterrunuser": "6020c0",
            "westonsu": "808080"}
# Says what became of a client of the seat in the folder that the containers share.
KNOCK = ("socat -u /dev/null UNIX-CONNECT:{0} && "
         "busctl --address=unix:path=$(dirname {0})/bus list")


def test_sway_setpriv(vm):
    """sway behind setpriv, by seatd."""
    one(vm, "swaysetpriv")


def test_sway_script(vm):
    """The same within a script, where nobody sees it coming."""
    one(vm, "swayscript")


def test_mutter_runuser(vm):
    """Mutter behind runuser, by logind: the session's files are of its user."""
    one(vm, "mutterrunuser")


def test_weston_su(vm):
    """weston behind su, by logind: it finds its session by its uid."""
    desktop = Desktop(vm, "westonsu")
    desktop.wait_leased()
    desktop.wait(lambda: not vm.is_blank(desktop.head), 60, "weston's panel is on its head")
    desktop.kill()


def test_other_container(vm):
    """Two containers share /tmp, as they do for X11's sockets: root of the one finds the other's
    seat there, and is turned away by each of its sockets."""
    vm.run("mkdir -pm 1777 /srv/tmp")
    command = PODMAN.replace("{options}", f"{ROOT} -v /srv/tmp:/tmp").replace(
        "--tmpfs /tmp:rw,mode=1777,notmpcopyup", "")
    held = vm.spawn("exec " + command.format(
        name="held", beside="", run="", command=f"{AS_USER} sleep infinity"))
    socket = wait_until(lambda: vm.run("ls /srv/tmp/scanout-*/seatd", check=False).out.strip(), 60,
                        "the seat's socket is there").replace("/srv", "")
    said = vm.run("podman run --rm --network none --log-driver none -v /srv/tmp:/tmp --rootfs /:O "
                  "sh -c " + repr(KNOCK.format(socket)), check=False, timeout=60)
    assert said.rc == 1, said
    wait_until(lambda: held.err.count("Turned away process 0 of user 0") == 2, 30,
               "both are turned away")
    assert held.poll() is None, held.err
    held.terminate()


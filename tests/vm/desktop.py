"""A desktop in a container, and its picture on a head."""

import io
import shlex

from PIL import Image

from container import SHADER_OPTIONS, Container
from picture import share
from scanouts import OPEN, rows

# Not tmpcopyup, podman's default: crun then copies the guest's /tmp while other containers start
# there, and stumbles over their temporary files.
TMPFS = "".join(f"--tmpfs {place}:rw,mode=1777,notmpcopyup "
                for place in ("/run/systemd", "/run/udev", "/tmp"))
PODMAN = ("podman run --rm --network none --log-driver none --user 4711:4711 "
          "-v /run/scanoutd/guest:/run/scanoutd/guest:ro --device /dev/dri/card0:/dev/dri/card0:m "
          f"{TMPFS} {SHADER_OPTIONS} -e HOME=/tmp "
          "{options} --name {name} --rootfs /:O "
          "{beside}scanout-run --label {name} {run} -- {command}")
# Started beside a desktop, in its container, when there is the socket.
BESIDE = "(until test -S {socket}; do sleep 0.3; done; exec {client}) & exec \"$@\""
# What draws its picture, and nothing more: then a desktop that has come to rest can be told.
FOOT = "foot -o colors.background={colour} sleep infinity"
# With GL in software a compositor's last frame can reach the card before it is drawn whole (wlroots
# 0.18, Mesa 25.0): the next one mends that.
TICKING = ("foot -o colors.background={colour} -o colors.foreground=ffffff "
           "sh -c 'while :; do date; sleep 1; done'")
XTERM = "env DISPLAY=:1 xterm -bg '#{colour}' -geometry 100x40 -e sleep infinity"
# foot wants an input device to be there, so weston gets one of its own clients.
IMAGE = "env WAYLAND_DISPLAY=wayland-1 weston-image /etc/sway.test/{colour}.png"
WESTON = dict(command="weston --idle-time=0 --use-pixman --continue-without-input", client=IMAGE,
              options="-e XDG_RUNTIME_DIR=/tmp", socket="/tmp/wayland-1")
GLES2 = "-e WLR_RENDERER=gles2 -e WLR_RENDERER_ALLOW_SOFTWARE=1"
MUTTER = "dbus-run-session -- mutter --wayland --display-server --no-x11 -- {foot}"

# options of podman, of scanout-run, the command; `client` is started when there is `socket`.
DESKTOPS = {
    "mutter": dict(run="--size 1280x1024", command=MUTTER, size=(1280, 1024)),
    "sway": dict(run="--size 1280x720", command="sway -c /etc/sway.test/{colour}",
                 size=(1280, 720)),
    # GL in software. What it says of it is how one knows.
    "swaygles": dict(run="", options=GLES2, command="sway -d -c /etc/sway.test/{colour}",
                     foot=TICKING),
    "swaylogind": dict(run="--seat logind", command="sway -c /etc/sway.test/{colour}"),
    "weston": dict(**WESTON, run="--seat weston-launch --size 1024x768", size=(1024, 768)),
    "westonlogind": dict(**WESTON, run="--seat logind"),
    "cage": dict(run="", command="cage -- {foot}"),
    "xorg": dict(run="--size 1280x1024", command="Xorg :1 -seat scanout3 -nolisten tcp -masterfd @FD@",
                 client=XTERM, socket="/tmp/.X11-unix/X1", size=(1280, 1024)),
    # These two end with their input, so it stays open.
    "kmscube": dict(run="--seat preload", options="-i", command="kmscube"),
    "modetest": dict(run="--seat preload", options="-i", command="sh -c " + shlex.quote(
        "exec modetest -M virtio_gpu -s $(modetest -M virtio_gpu -c | "
        "awk '$3 == \"connected\" {print $1; exit}'):1024x768"), size=(1024, 768)),
    # In the host's size, and its next one.
    "mutterhost": dict(run="", command=MUTTER),
    "swayhost": dict(run="", command="sway -c /etc/sway.test/{colour}"),
    "xorghost": dict(run="", command="Xorg :1 -nolisten tcp", client=XTERM,
                     socket="/tmp/.X11-unix/X1"),
    "gnome": dict(run="", command="dbus-run-session -- gnome-shell --wayland --display-server "
                                  "--no-x11"),
    "kwin": dict(run="", options="{kwin}",
                 command="dbus-run-session -- kwin_wayland --no-lockscreen {foot_word}"),
    # What it starts by itself is its own: see test_sessions.py.
    "gnomesession": dict(run="", command="dbus-run-session -- gnome-session --session=gnome"),
    "labwc": dict(run="", command="labwc -s {foot_word}"),
    "phoc": dict(run="", command="dbus-run-session -- phoc -E {foot_word}"),
    "wayfire": dict(run="", command="sh -c " + shlex.quote(
        "printf '[core]\\nplugins = autostart\\n[autostart]\\nfoot = sh /etc/sway.test/{colour}\\n' "
        "> /tmp/ini; exec wayfire -c /tmp/ini")),
}
# What draws a picture of its own, without a client.
OWN_PICTURE = ("kmscube", "modetest", "gnome")
COLOURS = dict(zip(DESKTOPS, ("c02020", "20c020", "60c020", "2020c0", "c0c020", "c020c0", "20c0c0",
                              "c07020", "808080", "808080", "30a070", "a03070", "70a030", "808080",
                              "7030a0", "a07030", "703070", "307030", "707030")))


def kwin_version(vm) -> int:
    return int(vm.run("dpkg-query -W -f '${Version}' kwin-wayland").out.split(":")[-1].split(".")[0])


def kwin_capability(vm) -> str:
    """The file capability of Debian's binary."""
    return "sys_nice" if kwin_version(vm) >= 6 else "sys_resource"


def kwin_options(vm) -> str:
    """What podman is to allow KWin: from 6 on it opens the card by itself."""
    node = " --device /dev/dri/card0 --group-add video" if kwin_version(vm) >= 6 else ""
    return f"--cap-add {kwin_capability(vm)}{node}"


def differs(a, b) -> float:
    """How much of two pictures of one size differs."""
    if a.size != b.size:
        return 0
    small = [p.convert("L").resize((160, 100), 0) for p in (a, b)]
    return sum(abs(x - y) > 24 for x, y in zip(*(p.getdata() for p in small))) / (160 * 100)


def solid(colour: str) -> bytes:
    """A picture of one colour, for a client that shows files."""
    file = io.BytesIO()
    Image.new("RGB", (400, 300), f"#{colour}").save(file, "PNG")
    return file.getvalue()


class Desktop(Container):
    """A container with a desktop on a scanout."""

    def __init__(self, vm, name: str):
        spec = DESKTOPS[name]
        self.colour, self.size = COLOURS[name], spec.get("size")
        self.row: dict | None = None
        foot = spec.get("foot", FOOT).format(colour=self.colour)
        vm.run(f"mkdir -p /etc/sway.test && cd /etc/sway.test && cat > {self.colour}.png && "
               f"echo exec {shlex.quote(foot)} > {self.colour}", input=solid(self.colour))
        command = spec["command"].replace("{foot}", foot).replace(
            "{foot_word}", shlex.quote(foot)).replace("{colour}", self.colour)
        beside = ""
        if "client" in spec:
            client = spec["client"].format(colour=self.colour)
            beside = BESIDE.format(socket=spec["socket"], client=client)
            beside = f"sh -c {shlex.quote(beside)} sh "
        options = spec.get("options", "")
        if "{kwin}" in options:
            options = options.replace("{kwin}", kwin_options(vm))
        super().__init__(vm, name, vm.spawn("exec " + PODMAN.format(
            name=name, options=options, beside=beside, run=spec["run"], command=command)
            + (f" {OPEN}" if options == "-i" else "")))

    def wait_leased(self):
        def leased():
            return next((r for r in rows(self.vm).values() if r["label"] == self.name), None)
        self.row = self.wait(leased, 90, f"{self.name} has a scanout")
        self.head = self.row["index"]

    def wait_picture(self):
        """Until the host sees the client's colour on the scanout's head."""
        self.wait_leased()
        self.wait(self.is_shown, 90, f"{self.name} is on head {self.head}")

    def is_shown(self) -> bool:
        """Whether the head has its picture now, in its size."""
        picture = self.vm.capture(self.head)
        if self.size and picture.size != self.size:
            return False
        if self.name not in OWN_PICTURE:
            return share(picture, self.colour) > 0.02
        if self.vm.is_blank(self.head):
            return False
        # What moves is seen to.
        return self.name != "kmscube" or differs(picture, self.vm.capture(self.head)) > 0.001


def check_alone(vm, desktops):
    """Each colour is on its own head and on no other, and the picture has the asked size."""
    pictures = {head: vm.capture(head) for head in range(vm.head_count)}
    for desktop in desktops:
        head = desktop.head
        if desktop.size:
            assert pictures[head].size == desktop.size, (desktop.name, pictures[head].size)
        if desktop.name in OWN_PICTURE:
            continue
        for other, picture in pictures.items():
            there = share(picture, desktop.colour)
            assert (there > 0.02) == (other == head), (desktop.name, head, other, there)

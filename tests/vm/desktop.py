"""A desktop in a container, and its picture on a head."""

import shlex

from machine import wait_until
from scanouts import OPEN, rows

# Not tmpcopyup, podman's default: crun then copies the guest's /tmp while other containers start
# there, and stumbles over their temporary files.
TMPFS = "".join(f"--tmpfs {place}:rw,mode=1777,notmpcopyup "
                for place in ("/run/systemd", "/run/udev", "/tmp"))
PODMAN = ("podman run --rm --network none --log-driver none --user 4711:4711 "
          "-v /run/scanoutd/guest:/run/scanoutd/guest --device /dev/dri/card0:/dev/dri/card0:m "
          f"{TMPFS} -e HOME=/tmp "
          "{options} --name {name} --rootfs /:O "
          "scanout-run --label {name} {run} -- {command}")
FOOT = "foot -o colors.background={colour} -o colors.foreground=ffffff sh -c 'while :; do date; sleep 1; done'"
XTERM = "xterm -bg '#{colour}' -geometry 100x40 -e sh -c 'while :; do date; sleep 1; done'"
SHM = "weston-simple-shm"
MUTTER = "dbus-run-session -- mutter --wayland --display-server --no-x11 -- {foot}"

# options of podman, of scanout-run, the command; {client} is started when the desktop is there.
DESKTOPS = {
    "mutter": dict(run="--size 1280x1024", command=MUTTER, size=(1280, 1024)),
    "sway": dict(run="--size 1280x720", command="sway -c /etc/sway.test/{colour}",
                 size=(1280, 720)),
    # GL in software. What it says of it is how one knows.
    "swaygles": dict(run="", options="-e WLR_RENDERER=gles2 -e WLR_RENDERER_ALLOW_SOFTWARE=1",
                     command="sway -d -c /etc/sway.test/{colour}"),
    "swaylogind": dict(run="--seat logind", command="sway -c /etc/sway.test/{colour}"),
    # foot wants an input device to be there, so weston gets one of its own clients.
    "weston": dict(run="--seat weston-launch --size 1024x768", client=SHM, size=(1024, 768),
                   command="weston --idle-time=0 --use-pixman --continue-without-input"),
    "westonlogind": dict(run="--seat logind", client=SHM,
                         command="weston --idle-time=0 --use-pixman --continue-without-input"),
    "cage": dict(run="", options="-e WLR_RENDERER=pixman", command="cage -- {foot}"),
    "xorg": dict(run="--size 1280x1024", command="Xorg :1 -seat scanout3 -nolisten tcp -masterfd @FD@",
                 client=XTERM, size=(1280, 1024)),
    # These two end with their input, so it stays open.
    "kmscube": dict(run="--seat preload", options="-i", command="kmscube"),
    "modetest": dict(run="--seat preload", options="-i", command="sh -c " + shlex.quote(
        "exec modetest -M virtio_gpu -s $(modetest -M virtio_gpu -c | "
        "awk '$3 == \"connected\" {print $1; exit}'):1024x768"), size=(1024, 768)),
    # In the host's size, and its next one.
    "mutterhost": dict(run="", command=MUTTER),
    "swayhost": dict(run="", command="sway -c /etc/sway.test/{colour}"),
    "gnome": dict(run="", command="dbus-run-session -- gnome-shell --wayland --display-server "
                                  "--no-x11"),
    "kwin": dict(run="", options="--cap-add sys_resource",
                 command="dbus-run-session -- kwin_wayland --no-lockscreen {foot_word}"),
}
# What draws a picture of its own, without a client.
OWN_PICTURE = ("kmscube", "modetest", "gnome")
COLOURS = dict(zip(DESKTOPS, ("c02020", "20c020", "60c020", "2020c0", "c0c020", "c020c0", "20c0c0",
                              "c07020", "808080", "808080", "30a070", "a03070", "808080", "7030a0")))


def share(picture, colour: str) -> float:
    """How much of a picture is of about this colour."""
    want = [int(colour[i:i + 2], 16) for i in (0, 2, 4)]
    small = picture.convert("RGB").resize((160, 100), 0)
    near = sum(all(abs(a - b) < 24 for a, b in zip(pixel, want)) for pixel in small.getdata())
    return near / (160 * 100)


def differs(a, b) -> float:
    """How much of two pictures of one size differs."""
    if a.size != b.size:
        return 0
    small = [p.convert("L").resize((160, 100), 0) for p in (a, b)]
    return sum(abs(x - y) > 24 for x, y in zip(*(p.getdata() for p in small))) / (160 * 100)


class Desktop:
    """A container with a desktop on a scanout."""

    def __init__(self, vm, name: str):
        self.vm, self.name, self.colour = vm, name, COLOURS[name]
        spec = DESKTOPS[name]
        self.size = spec.get("size")
        self.client = spec.get("client")
        fill = dict(colour=self.colour, foot=FOOT.format(colour=self.colour))
        vm.run("mkdir -p /etc/sway.test && cat > /etc/sway.test/" + self.colour,
               input=f"exec {fill['foot']}\n".encode())
        self.process = vm.spawn("exec " + PODMAN.format(
            name=name, options=spec.get("options", ""), run=spec["run"],
            command=spec["command"].replace("{foot}", fill["foot"]).replace(
                "{foot_word}", shlex.quote(fill["foot"])).replace(
                "{colour}", self.colour)) + (f" {OPEN}" if "-i" in spec.get("options", "") else ""))
        self.row = None
        self.client_process = None

    def told(self) -> str:
        client = self.client_process.err if self.client_process else ""
        return f"{self.name}: {self.process.out}{self.process.err}{client}"

    def wait_picture(self, timeout: float = 90):
        """Until the host sees the client's colour on the scanout's head."""
        def leased():
            assert self.process.poll() is None, self.told()
            self.row = next((r for r in rows(self.vm).values() if r["label"] == self.name), None)
            return self.row
        wait_until(leased, timeout, f"{self.name} has a scanout")
        head = self.row["index"]
        before = self.vm.capture(head)
        if self.client:
            wait_until(self.is_listening, timeout, f"{self.name} listens for clients")
            before = self.vm.capture(head)
            self.start_client()

        def shown():
            nonlocal before
            assert self.process.poll() is None, self.told()
            now = self.vm.capture(head)
            if self.name in OWN_PICTURE:
                before, then = now, before
                return not self.vm.is_blank(head) and (
                    self.name == "modetest" or differs(then, now) > 0.001)
            if self.client == SHM:
                return differs(before, now) > 0.02 and not self.vm.is_blank(head)
            return share(now, self.colour) > 0.02
        try:
            wait_until(shown, timeout, f"{self.name}'s client is on head {head}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def is_shown(self) -> bool:
        """Whether the head has its picture now, in its size; of weston's client, which moves, two
        that differ."""
        picture = self.vm.capture(self.row["index"])
        if self.size and picture.size != self.size:
            return False
        if self.client == SHM:
            return 0 < differs(picture, self.vm.capture(self.row["index"]))
        return share(picture, self.colour) > 0.02

    def is_listening(self) -> bool:
        assert self.process.poll() is None, self.told()
        return self.exec(f"test -S {self.socket}").rc == 0

    @property
    def socket(self) -> str:
        if self.name == "xorg":
            return "/tmp/.X11-unix/X1"
        return "$(sed -zn s/^XDG_RUNTIME_DIR=//p /proc/$(pgrep -xo weston)/environ)/wayland-1"

    def exec(self, command: str):
        return self.vm.run(["podman", "exec", self.name, "sh", "-c", command], check=False)

    def start_client(self):
        """In the container, beside the desktop."""
        client = self.client.format(colour=self.colour)
        where = "DISPLAY=:1" if self.name == "xorg" else f"WAYLAND_DISPLAY={self.socket}"
        self.client_process = self.vm.spawn(
            ["podman", "exec", self.name, "sh", "-c",
             f"export {where} XDG_RUNTIME_DIR=/tmp; exec {client}"])

    def kill(self):
        self.vm.run(["podman", "kill", "-s", "KILL", self.name], check=False)
        self.process.wait(60)


def check_alone(vm, desktops):
    """Each colour is on its own head and on no other, and the picture has the asked size."""
    pictures = {head: vm.capture(head) for head in range(vm.head_count)}
    for desktop in desktops:
        head = desktop.row["index"]
        if desktop.size:
            assert pictures[head].size == desktop.size, (desktop.name, pictures[head].size)
        for other, picture in pictures.items():
            there = share(picture, desktop.colour)
            if desktop.client == SHM or desktop.name in OWN_PICTURE:
                continue
            assert (there > 0.02) == (other == head), (desktop.name, head, other, there)

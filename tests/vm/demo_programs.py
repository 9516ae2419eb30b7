"""The desktops of the demo: how each is started, and how the host recognises it."""

from dataclasses import dataclass, field

# What the terminals run; in the guest's root, and so in the containers'.
FILES = "/usr/lib/scanoutd-demo"


@dataclass
class Program:
    """A desktop, and how the host recognises it."""

    package: str
    title: str
    seat: str
    command: str
    says: str
    clients: str = ""  # started by the desktop itself
    beside: str = ""  # started beside it, once there is the socket
    socket: str = ""
    size: tuple[int, int] | None = None
    colour: str = ""  # of its terminal
    is_greedy: bool = False  # draws as fast as it can
    options: list[str] = field(default_factory=list)


def foot(colour: str, size: str, text: int, command: str) -> str:
    return (f"foot -o initial-window-size-pixels={size} "
            f"-o 'font=DejaVu Sans Mono:pixelsize={text}' -o pad=16x12 "
            f"-o colors.alpha=1.0 -o colors.background={colour} "
            f"-o colors.foreground=f4f4f4 {command}")


MUTTER = f"dbus-run-session -- mutter --wayland --display-server --no-x11 -- {FILES}/$NAME-clients"
PROGRAMS = {
    "mutter": Program(
        "mutter", "Mutter", "logind", MUTTER, "GNOME's compositor, by logind",
        foot("2a2a32", "1180x640", 28, f"{FILES}/$NAME"), size=(1360, 768), colour="2a2a32"),
    "mutter2": Program(
        "mutter", "Mutter", "logind", MUTTER, "a second Mutter, in full HD",
        foot("4a1b4a", "1240x640", 25, f"{FILES}/$NAME") + " &\n"
        + foot("4a1b4a", "900x380", 17, "top -d 5"), colour="4a1b4a"),
    "sway": Program(
        "sway", "sway", "seatd", f"sway -c {FILES}/sway.conf", "wlroots and pixman, by seatd",
        foot("0f4530", "900x800", 28, f"{FILES}/$NAME") + " &\nsleep 3\n"
        + foot("0f4530", "600x800", 17, "top -d 5"), size=(1600, 900), colour="0f4530"),
    "weston": Program(
        "weston", "weston", "logind",
        f"weston --config={FILES}/weston.ini --idle-time=0 --use-pixman --continue-without-input",
        "pixman, by logind", beside="weston-terminal '--font=DejaVu Sans Mono' "
        f"--font-size=18 --shell={FILES}/$NAME",
        socket="/tmp/wayland-1", size=(1360, 768),
        options=["--env", "XDG_RUNTIME_DIR=/tmp", "--env", "WAYLAND_DISPLAY=wayland-1"]),
    "xorg": Program(
        "xserver-xorg-core", "Xorg", "fd",
        "Xorg :1 -seat scanout3 -nolisten tcp -masterfd @FD@", "modesetting, on -masterfd",
        beside="xterm -bg '#5a3210' -fg '#f4f4f4' -cr '#5a3210' -b 16 -fa 'DejaVu Sans Mono' "
        f"-fs 20 -geometry 74x21+60+40 -e {FILES}/$NAME",
        socket="/tmp/.X11-unix/X1", size=(1360, 768), colour="5a3210",
        options=["--env", "DISPLAY=:1"]),
    "kmscube": Program(
        "kmscube", "kmscube", "preload",
        # It ends once there is something to read.
        "sh -c 'sleep infinity | nice -n 19 kmscube -D /dev/dri/card0 -v 1360x768'",
        "OpenGL in software", size=(1360, 768), is_greedy=True,
        options=["--env", "LP_NUM_THREADS=1"]),
}

# No process but sleep is started for a new second: there are few cycles to spare.
TEXT = """#!/bin/bash
printf '\\033[?25l\\033[2J'
while :; do
	read -r up _ </proc/uptime
	read -r load _ </proc/loadavg
	printf '\\033[H\\n{banner}\\n'
	printf '  {title}\\n  {says}\\n\\n'
	printf '  %(%A, %d %B %Y)T\\033[K\\n  \\033[1m%(%H:%M:%S)T\\033[22m\\033[K\\n\\n' -1 -1
	printf '  container  %s, uid %s\\033[K\\n' "$HOSTNAME" "$UID"
	printf '  kernel     %s\\033[K\\n' '{kernel}'
	printf '  up         %d min %02d s, load %s\\033[K\\n' $((${{up%.*}} / 60)) \\
		$((${{up%.*}} % 60)) "$load"
	sleep 1
done
"""
SWAY = f"""default_border pixel 3
gaps inner 16
gaps outer 8
exec {FILES}/sway-clients
"""
WESTON = """[core]
idle-time=0
[shell]
background-color=0xff28384c
panel-color=0xe0101820
clock-format=seconds
locking=false
"""

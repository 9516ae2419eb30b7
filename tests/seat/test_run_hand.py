#!/usr/bin/python3
"""scanout-run: what it hands to its command, by descriptor, by environment and by files."""
import os
import sys
import unittest

from runner import RunTest


# A kernel with a card "full" that has a render node, in /dev or not.
KERNEL = """
set -e
mount -t tmpfs tmpfs /sys/class
mkdir -p /sys/class/drm/full/device/drm/renderD128 "$HOME/dev"
mount --rbind /dev "$HOME/dev"
mount -t tmpfs tmpfs /dev
for node in full null zero random urandom; do
    touch /dev/$node
    mount --bind "$HOME/dev/$node" /dev/$node
done
mkdir /dev/dri
if [ "$1" = visible ]; then ln -s /dev/null /dev/dri/renderD128; fi
if [ "$1" = forbidden ]; then
    touch /dev/dri/renderD128
    chmod 660 /dev/dri/renderD128
    chown 4711:4712 /dev/dri/renderD128
fi
if [ "$FEATURES" ]; then
    mkdir /sys/class/drm/full/device/virtio0
    echo $FEATURES > /sys/class/drm/full/device/virtio0/features
fi
shift
exec "$@"
"""


class Hand(RunTest):
    def test_fd(self):
        """fd: the lease is descriptor 3, and scanout-run keeps no copy of it."""
        self.fake()
        names = ("SCANOUT_LEASE_FD", "DRM_LEASE_FD", "SLINT_DRM_LEASE_FD", "WLR_DRM_LEASE_FD",
                 "KWIN_DRM_LEASE_FD", "LISTEN_FDS", "LISTEN_FDNAMES", "SCANOUT_ID",
                 "SCANOUT_INDEX", "SCANOUT_DEVICE", "DBUS_SYSTEM_BUS_ADDRESS", "LD_PRELOAD")
        _status, out, _err = self.run_it("--seat=fd", *self.me("show", *names))
        self.assertEqual(out.split(), ["3"] * 5 + ["1", "drm-lease", "card0-Virtual-4", "3",
                                                   "/dev/full", self.address, "-"])
        _status, out, _err = self.run_it("--seat=fd", *self.me("device", "@FD@"))
        self.assertEqual(out, "1 7\n")
        status, out, _err = self.run_it(
            "--seat=fd", "--", "sh", "-c", "echo fd @FD@,@FD@; test $LISTEN_PID = $$")
        self.assertEqual((status, out), (0, "fd 3,3\n"))

    def test_activated(self):
        """Of the socket activation of scanout-run itself nothing is left: sd_listen_fds(3) would
        take it for somebody else's."""
        self.fake()
        old = {"LISTEN_PID": "1", "LISTEN_PIDFDID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}
        for seat, rest in (("fd", ["1", "drm-lease"]), ("seatd", ["-", "-"])):
            _status, out, _err = self.run_it(
                f"--seat={seat}",
                *self.me("show", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"), **old)
            self.assertEqual(out.split(), ["-", *rest])

    def test_no_copy_is_kept(self):
        self.fake()
        script = ("for f in /proc/$PPID/fd/*; do "
                  "[ $(stat -Lc %t:%T $f 2>/dev/null) = 1:7 ] && readlink $f; done; echo end")
        process = self.start("--seat=fd", "--", "sh", "-c", script)
        self.assertEqual(process.communicate()[0], "end\n")

    def test_fd_mark_without_fd(self):
        self.fake()
        status, _out, err = self.run_it("--seat=seatd", "--", "echo", "@FD@")
        self.assertEqual(status, 125)
        self.assertIn("add --seat=fd", err)

    def test_preload(self):
        """A program that opens the card's path gets the lease; others files are left alone."""
        self.fake()
        script = ("import os; fd = os.open('/dev/full', os.O_RDWR); "
                  "print(os.fstat(fd).st_rdev == os.fstat(3).st_rdev, os.get_inheritable(fd), "
                  "os.fstat(os.open('/dev/null', os.O_RDWR)).st_rdev == 259)")
        _status, out, err = self.run_it("--seat=preload", "--", sys.executable, "-c", script)
        self.assertEqual(out, "True False True\n", err)

    def test_spare(self):
        """A wlroots program gets the spare lease, and only the preload library for it."""
        fake = self.fake()
        sway = self.script("sway")
        _status, out, _err = self.run_it(
            "--", sway, "show", "SCANOUT_SPARE_FD", "SCANOUT_LEASE_FD", "LIBSEAT_BACKEND",
            "WLR_DRM_DEVICES", "WLR_LIBINPUT_NO_DEVICES")
        self.assertEqual(out.split(), ["3", "-", "seatd", "/dev/full", "1"])
        fake.expect("request spare=1 timeout")
        _status, out, _err = self.run_it("--", sway, "device", "3")
        self.assertEqual(out, "1 5\n")

    def test_no_library(self):
        """Without the library there is no spare lease for a wlroots program: it is told where to put
        it, and what helps as well."""
        self.fake()
        status, _out, err = self.run_it("--", self.script("sway"), "show", "HOME", SCANOUT_PRELOAD="")
        self.assertEqual(status, 0)
        self.assertRegex(err, "libscanout-preload.so is neither in .*; put it there or name it in "
                         "\\$SCANOUT_PRELOAD, or give sway a GPU that renders\n")

    def drawn_with(self, seat, node, **env):
        """wlroots' variables with a card whose render node is visible, or hidden."""
        _status, out, err = self.run_it(
            f"--seat={seat}", *self.me("show", "WLR_RENDERER", "WLR_RENDERER_ALLOW_SOFTWARE"),
            prefix=("unshare", "--mount", "sh", "-c", KERNEL, "sh", node), **env)
        self.assertEqual(len(out.split()), 2, err)
        return out.split()

    def test_renderer(self):
        """Where nothing renders wlroots is told to draw in software, unless the user said what to
        draw with. One that is not the virtio-gpu's is taken for one that renders."""
        if os.geteuid() != 0:
            self.skipTest("only root can have a kernel with such a card")
        self.fake()
        for seat in ("seatd", "logind"):
            self.assertEqual(self.drawn_with(seat, "hidden"), ["pixman", "1"])
        self.assertEqual(self.drawn_with("fd", "hidden"), ["-", "-"])
        self.assertEqual(self.drawn_with("seatd", "visible"), ["-", "-"])
        self.assertEqual(self.drawn_with("seatd", "hidden", WLR_RENDERER="gles2"), ["gles2", "-"])
        self.assertEqual(self.drawn_with("seatd", "hidden", WLR_RENDERER_ALLOW_SOFTWARE="1"),
                         ["-", "1"])
        self.assertEqual(self.drawn_with("seatd", "hidden", WLR_RENDER_DRM_DEVICE="/x"),
                         ["-", "-"])

    def test_forbidden_render_node(self):
        """One that may not be opened is told of, where it would render: not of a virtio-gpu without
        3D, which has such a node as well."""
        if os.geteuid() != 0:
            self.skipTest("only root can have a kernel with such a card")
        self.fake()
        for features, is_told in (("1010", True), ("0110", False), ("", True)):
            # root without its capabilities, which let it open all.
            process = self.start(
                "--seat=fd", "--", "true", FEATURES=features,
                prefix=("unshare", "--mount", "sh", "-c", KERNEL, "sh", "forbidden", "setpriv",
                        "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"))
            err = self.finish(process)[2]
            told = ("scanout-run: This user may not open '/dev/dri/renderD128', so programs draw in "
                    "software; start the container with --group-add 4712, or with podman without "
                    "root with --group-add keep-groups\n")
            self.assertEqual(err, told if is_told else "", features)

    def test_logind(self):
        self.fake()
        status, out, _err = self.run_it(
            "--seat=logind", "--", "sh", "-c",
            "busctl --timeout=infinity --address=$DBUS_SYSTEM_BUS_ADDRESS call "
            "org.freedesktop.login1 "
            "/org/freedesktop/login1 org.freedesktop.login1.Manager GetSession s "
            "$XDG_SESSION_ID; cat /run/systemd/sessions/$XDG_SESSION_ID | grep ACTIVE")
        self.assertIn('"/org/freedesktop/login1/session/scanout3"', out)
        if os.getuid() == 0:
            self.assertIn("ACTIVE=1", out)
            self.assertFalse(os.path.exists("/run/systemd/sessions/scanout3"))

    def test_weston(self):
        self.fake()
        weston = self.script("weston")
        _status, out, _err = self.run_it("--", weston, "show", "WESTON_LAUNCHER_SOCK",
                                         "LIBSEAT_BACKEND", "WAYLAND_DISPLAY",
                                         WAYLAND_DISPLAY="wayland-7", DISPLAY=":1")
        self.assertEqual(out.split(), ["3", "seatd", "-"])

    def test_runtime_folder(self):
        """Made if there is none, with the right mode, and gone afterwards."""
        self.fake()
        del self.env["XDG_RUNTIME_DIR"]
        _status, out, _err = self.run_it(
            "--seat=fd", "--", "sh", "-c",
            "echo $XDG_RUNTIME_DIR; stat -c %a $XDG_RUNTIME_DIR; exit; kmscube")
        path, mode = out.split()
        self.assertEqual(mode, "700")
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()

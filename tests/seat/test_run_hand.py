#!/usr/bin/python3
"""scanout-run: what it hands to its command, by descriptor, by environment and by files."""
import os
import sys
import unittest

from runner import PATIENCE, RunTest


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

    def test_no_copy_is_kept(self):
        self.fake()
        script = ("for f in /proc/$PPID/fd/*; do "
                  "[ $(stat -Lc %t:%T $f 2>/dev/null) = 1:7 ] && readlink $f; done; echo end")
        process = self.start("--seat=fd", "--", "sh", "-c", script)
        self.assertEqual(process.communicate(timeout=PATIENCE)[0], "end\n")

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

    def test_logind(self):
        self.fake()
        status, out, _err = self.run_it(
            "--seat=logind", "--", "sh", "-c",
            "busctl --address=$DBUS_SYSTEM_BUS_ADDRESS call org.freedesktop.login1 "
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
            "--seat=fd", "--", "sh", "-c", "echo $XDG_RUNTIME_DIR; stat -c %a $XDG_RUNTIME_DIR")
        path, mode = out.split()
        self.assertEqual(mode, "700")
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()

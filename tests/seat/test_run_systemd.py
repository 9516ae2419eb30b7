#!/usr/bin/python3
"""scanout-run where /run is not its own: a container with a systemd, or one that it cannot write to.

libsystemd and libudev themselves look for the session and its card.
"""
import ctypes
import os
import sys
import unittest

from runner import RunTest

# A /run of its own for what follows; ALONE is nobody's, BOOTED has a systemd that lives in it.
ALONE = ("mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/sessions /run/udev; {}; exec \"$@\"")
BOOTED = ALONE.format("mkdir /run/systemd/system")
READ_ONLY = ALONE.format("mount -o remount,ro /run")
KNOWN = ALONE.format("mkdir -p /run/systemd/system /run/udev/tags/seat /run/udev/data; "
                     "touch /run/udev/tags/seat/c1:7; echo E:REAL=1 >/run/udev/data/c1:7")


def look():
    """What the libraries find, and what is in /run meanwhile."""
    systemd, udev = ctypes.CDLL("libsystemd.so.0"), ctypes.CDLL("libudev.so.1")
    for name in ("udev_new", "udev_enumerate_new", "udev_enumerate_get_list_entry",
                 "udev_list_entry_get_name", "udev_device_new_from_syspath",
                 "udev_device_get_property_value"):
        getattr(udev, name).restype = ctypes.c_void_p
    print(systemd.sd_session_is_active(os.environ["XDG_SESSION_ID"].encode()))
    context = ctypes.c_void_p(udev.udev_new())
    found = ctypes.c_void_p(udev.udev_enumerate_new(context))
    udev.udev_enumerate_add_match_tag(found, b"seat")
    udev.udev_enumerate_scan_devices(found)
    entry = udev.udev_enumerate_get_list_entry(found)
    path = ctypes.c_void_p(udev.udev_list_entry_get_name(ctypes.c_void_p(entry))) if entry else None
    print(ctypes.string_at(path).decode() if path else "-")
    if path:
        card = ctypes.c_void_p(udev.udev_device_new_from_syspath(context, path))
        print(bool(udev.udev_device_get_property_value(card, b"REAL")))
    print(os.listdir("/run/./systemd/sessions"))  # what is there, not what is found


@unittest.skipIf(os.geteuid() != 0, "only root can mount another /run")
class Systemd(RunTest):
    def setUp(self):
        super().setUp()
        self.fake()

    def run_in(self, script, *args, **env):
        return self.finish(self.start(*args, prefix=("unshare", "--mount", "sh", "-c", script, "sh"),
                                      **env))

    def look(self, script, **env):
        status, out, err = self.run_in(script, "--seat=logind", "--", sys.executable, __file__,
                                       "--look", **env)
        self.assertEqual((status, err), (0, ""))
        return out.split("\n")[:-1]

    def test_free(self):
        """Where nothing else lives in /run, the files are there."""
        active, device, _real, sessions = self.look(ALONE.format(":"))
        self.assertEqual((active, sessions), ("1", "['scanout3']"))
        self.assertIn("/full", device)

    def test_systemd(self):
        """A living logind's folder is left alone; the libraries find the session all the same."""
        active, device, _real, sessions = self.look(BOOTED)
        self.assertEqual((active, sessions), ("1", "[]"))
        self.assertIn("/full", device)

    def test_read_only(self):
        active, device, _real, sessions = self.look(READ_ONLY)
        self.assertEqual((active, sessions), ("1", "[]"))
        self.assertIn("/full", device)

    def test_known_card(self):
        """What a living udevd knows of the card is not hidden."""
        active, _device, real, _sessions = self.look(KNOWN)
        self.assertEqual((active, real), ("1", "True"))

    def test_no_library(self):
        """The advice is for where it is said: no mount over a systemd's own folder."""
        for script, word in ((BOOTED, "/run/systemd belongs to the systemd that runs here, so "
                              "'{}' finds its session only through libscanout-preload.so"),
                             (READ_ONLY, "start the container with "
                              "--tmpfs /run/systemd:rw,mode=1777")):
            mutter = self.script("mutter")
            status, _out, err = self.run_in(script, "--", mutter, "fail", SCANOUT_PRELOAD="")
            self.assertEqual(status, 125)
            self.assertIn(word.format(mutter), err)
            self.assertEqual("--tmpfs" in err, script == READ_ONLY)

    def test_others_do_without(self):
        """A program that does not read the files is not told of them."""
        status, _out, err = self.run_in(BOOTED, "--", self.script("kwin_wayland"), "show",
                                        "SCANOUT_FILES", SCANOUT_PRELOAD="")
        self.assertEqual((status, err), (0, ""))


if __name__ == "__main__":
    if sys.argv[1:] == ["--look"]:
        look()
    else:
        unittest.main()

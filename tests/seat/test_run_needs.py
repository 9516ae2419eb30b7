#!/usr/bin/python3
"""scanout-run: what it says of a program whose version needs more than the container has."""
import os
import shutil
import struct
import subprocess
import unittest

from runner import PRELOAD, ROOT, RunTest

# Two that root has everywhere.
CHOWN, KILL = 0, 5
# vfs_cap_data: revision 2, effective; the permitted and inheritable ones, low and high.
EFFECTIVE_2 = 0x02000001
# Another card node in the place of the fake one, and no rights of root's.
LOCKED = """
set -e
mount --bind "$HOME/locked" /dev/full
exec setpriv --reuid 65534 --clear-groups "$@"
"""
# A /tmp that is new, with what its argument makes there. This test's folder stays, and the tree.
NEW_TMP = """
set -e
umask 022
mount -t tmpfs tmpfs /run
mkdir /run/tmp
mount --rbind /tmp /run/tmp
mount -t tmpfs tmpfs /tmp
for kept in "$HOME" TREE; do
    case $kept in /tmp/*)
        mkdir -p "$kept"
        mount --rbind "/run/tmp/${kept#/tmp/}" "$kept"
    esac
done
eval "$1"
shift
exec "$@"
"""


@unittest.skipIf(os.geteuid() != 0, "only root can give files capabilities, and have devices")
class Needs(RunTest):
    peer = True

    def program(self, name, text="exec true"):
        path = self.home / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def capable(self, name, *caps):
        """One with file capabilities, which of a script do not count."""
        path = shutil.copy("/bin/true", self.home / name)
        bits = sum(1 << number for number in caps)
        os.setxattr(path, "security.capability",
                    struct.pack("<IIIII", EFFECTIVE_2, bits, 0, 0, 0))
        return str(path)

    def as_nobody(self, *words):
        """What starts scanout-run as a user without rights, on this or another card node."""
        self.home.chmod(0o777)
        os.chmod(self.address, 0o666)
        return words

    def lacking(self, *names):
        drop = ",".join("-" + name for name in names)
        return ("setpriv", "--bounding-set", drop)

    def test_file_capabilities(self):
        """The kernel would not start it: they are named, as the option to add, also behind a
        wrapper; no scanout is asked for."""
        fake = self.fake()
        kwin = self.capable("kwin_wayland", CHOWN, KILL)
        said = subprocess.run([*self.lacking("kill"), kwin], capture_output=True, text=True)
        self.assertIn("Operation not permitted", said.stderr)
        for words in ([kwin], ["env", kwin]):
            status, _out, err = self.run_it("--", *words, prefix=self.lacking("kill"))
            self.assertEqual(status, 126)
            self.assertEqual(err, (
                f"scanout-run: '{kwin}' has a file capability that this container lacks, kill: "
                f"start it with --cap-add kill, or type 'setcap -r {kwin}' in the image\n"))
        _status, _out, err = self.run_it("--", kwin,
                                         prefix=self.lacking("chown", "kill"))
        self.assertIn("start it with --cap-add chown --cap-add kill, or", err)
        self.assertEqual(fake.rest(), [])

    def test_file_capabilities_that_are_there(self):
        """Nothing is said of them, but where they keep the preloaded library out."""
        self.fake()
        for name, said in (("kwin_wayland", ""), ("sway", "ignores libscanout-preload.so")):
            program = self.capable(name, KILL)
            status, _out, err = self.run_it("--", program)
            self.assertEqual((status, err), (0, ""))
            status, _out, err = self.run_it(
                "--", program, prefix=self.as_nobody("setpriv", "--reuid", "65534",
                                                     "--clear-groups"))
            self.assertEqual(status, 0, err)
            self.assertIn(said, err)
            self.assertEqual("capabilit" in err, bool(said), err)

    def test_file_capabilities_on_an_unsized_output(self):
        """They keep the library out, by which a program is told the size of one."""
        self.fake()
        kwin = self.capable("kwin_wayland", KILL)
        prefix = self.as_nobody("setpriv", "--reuid", "65534", "--clear-groups")
        said = (f"scanout-run: '{kwin}' has file capabilities, so its size cannot be set: "
                f"set the size of head 3 on the host, or type 'setcap -r {kwin}' in the image\n")
        self.env["LD_PRELOAD"] = self.fake_lease
        for env, told in (({}, said), ({"FAKE_LEASE_PREFERS": "640x480"}, "")):
            status, _out, err = self.run_it("--", kwin, prefix=prefix, **env)
            self.assertEqual((status, err), (0, told))
        status, _out, err = self.run_it("--", kwin)
        self.assertEqual((status, err), (0, ""))

    def test_starter(self):
        """What it starts is looked at, not itself."""
        self.fake()
        self.capable("kwin_wayland", KILL)
        self.env["PATH"] += f":{self.home}"
        status, _out, err = self.run_it("--", self.program("startplasma-wayland"),
                                        prefix=self.lacking("kill"))
        self.assertEqual(status, 126)
        self.assertIn(f"type 'setcap -r {self.home}/kwin_wayland'", err)

    def test_kwin_6(self):
        """It opens the card by itself: the option that lets it is named. KWin 5 does not."""
        self.fake()
        os.mknod(self.home / "locked", 0o20660, os.stat("/dev/full").st_rdev)
        os.chown(self.home / "locked", 0, 44)
        locked = self.as_nobody("unshare", "--mount", "sh", "-c", LOCKED, "sh")
        kwin6 = self.program("kwin_wayland", "# libkwin.so.6")
        status, _out, err = self.run_it("--", kwin6, prefix=locked)
        self.assertEqual(status, 0)
        self.assertIn("KWin 6 must open '/dev/full', and cannot: Permission denied; start "
                      "the container with --device /dev/full --group-add 44\n", err)
        for program, prefix in ((kwin6, ()), (self.program("mutter", "# libkwin.so.6"), locked),
                                (self.program("kwin_wayland", "# libkwin.so.5"), locked)):
            _status, _out, err = self.run_it("--", program, prefix=prefix)
            self.assertNotIn("KWin 6", err)

    def test_x11_folder(self):
        """Mutter and KWin find the folders of X sockets as a system has them; one that is there is left
        alone, and for others none is made."""
        self.fake()
        for name, before, folder in (("mutter", "true", "1777 1777"),
                                     ("startplasma-wayland", "true", "1777 1777"),
                                     ("mutter", "mkdir -m 755 /tmp/.X11-unix", "755 1777"),
                                     ("sway", "true", "")):
            program = self.program(name, "stat -c %a /tmp/.X11-unix /tmp/.ICE-unix")
            _status, out, err = self.run_it("--", program, SCANOUT_PRELOAD=PRELOAD, prefix=(
                "unshare", "--mount", "sh", "-c", NEW_TMP.replace("TREE", str(ROOT)),
                "sh", before))
            self.assertEqual(" ".join(out.split()), folder, err)

    def test_gnome_session(self):
        """One that has nothing built in starts only with systemd's user instance."""
        if os.path.exists("/usr/libexec/gnome-session-binary"):
            self.skipTest("this machine has a gnome-session with a manager built in")
        self.fake()
        command = ("--", "dbus-run-session", self.program("gnome-session"))
        _status, _out, err = self.run_it(*command)
        self.assertIn("start 'dbus-run-session gnome-shell --wayland --display-server --no-x11'",
                      err)
        (self.home / "systemd").mkdir()
        (self.home / "systemd" / "private").touch()
        _status, _out, err = self.run_it(*command)
        self.assertNotIn("gnome-session", err)


if __name__ == "__main__":
    unittest.main()

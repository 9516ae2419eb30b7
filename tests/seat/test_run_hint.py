#!/usr/bin/python3
"""scanout-run: what it says when its command has failed, and when not."""
import os
import unittest

from runner import RunTest

WRAPPER = ("mount -t tmpfs tmpfs /usr/libexec; touch /usr/libexec/Xorg /usr/libexec/Xorg.wrap; "
           "chmod +x /usr/libexec/Xorg; exec \"$@\"")


class Hint(RunTest):
    SEAT = "has connected to neither logind's nor seatd's socket"
    BUS = "mutter needs a session bus, and there is none: put 'dbus-run-session' before it"

    def test_unknown_program(self):
        """One that never came to its seat is told of the others, once."""
        self.fake()
        err = self.run_it("--", "sh", "-c", "exit 3")[2]
        self.assertIn(f"'sh' {self.SEAT}; if it opens the card by its path, add --seat=preload, "
                      "and if it takes an fd, --seat=fd", err)

    def test_told_once(self):
        self.fake()
        flag = self.home / "flag"
        status, _out, err = self.run_it(
            "--restart=on-failure", "--", "sh", "-c",
            f"test -e {flag} && exit 0; test -e {flag}1 && touch {flag}; touch {flag}1; exit 7")
        self.assertEqual((status, err.count(self.SEAT)), (0, 1), err)

    def test_no_hint(self):
        """Not to one that ended well, came to its seat, was told its seat, or is known."""
        self.fake()
        for args in (("--", "true"), ("--seat=logind", "--", "false"),
                     ("--", *self.me("seatd_and_fail")[1:]), ("--", self.script("sway"), "fail")):
            self.assertNotIn(self.SEAT, self.run_it(*args)[2], args)

    def test_told_to_end(self):
        self.fake()
        process = self.start(*self.me("signals"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertNotIn(self.SEAT, self.finish(process)[2])

    def test_session_bus(self):
        """Mutter ends for want of one in an assertion that names no way out."""
        self.fake()
        mutter = self.script("mutter")
        self.assertIn(self.BUS, self.run_it("--", mutter, "fail")[2])
        for command in (("env", "X=dbus-run-session", mutter, "fail"),
                        ("sh", "-c", f"dbus-run-session true; {mutter} fail")):
            self.assertNotIn("session bus", self.run_it("--", *command)[2], command)
        self.assertNotIn("session bus", self.run_it(
            "--", mutter, "fail", DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere")[2])

    @unittest.skipIf(os.geteuid() != 0, "only root can put a wrapper there")
    def test_wrapper_in_a_script(self):
        self.fake()
        process = self.start("--", "sh", "-c", "exit 1; Xorg -masterfd @FD@",
                             prefix=("unshare", "--mount", "sh", "-c", WRAPPER, "sh"))
        self.assertIn("In a script, the setuid wrapper of X accepts no lease: write "
                      "'/usr/libexec/Xorg -masterfd @FD@' there", self.finish(process)[2])


if __name__ == "__main__":
    unittest.main()

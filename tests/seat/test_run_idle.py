#!/usr/bin/python3
"""scanout-run: programs that would end for want of input, or go black after a while."""
import unittest

from runner import RunTest


class Idle(RunTest):
    def words(self, name, *args):
        """The arguments that the program gets, and what is said."""
        program = self.home / name
        program.write_text('#!/bin/sh\nfor word; do echo "$word"; done\n')
        program.chmod(0o755)
        status, out, err = self.run_it("--", str(program), *args)
        self.assertEqual(status, 0, err)
        return out.splitlines(), err

    def config(self, text, name="weston.ini"):
        path = self.home / ".config" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def test_weston(self):
        self.fake()
        self.assertEqual(self.words("weston", "--use-pixman")[0],
                         ["--idle-time=0", "--continue-without-input", "--use-pixman"])

    def test_weston_with_words_of_its_own(self):
        """What the user says counts; what is behind -- is a client's."""
        self.fake()
        for own in (["--idle-time=30"], ["-i30"], ["-i", "30"]):
            self.assertEqual(self.words("weston", *own)[0], ["--continue-without-input", *own])
        self.assertEqual(self.words("weston", "--continue-without-input", "--idle-time=5")[0],
                         ["--continue-without-input", "--idle-time=5"])
        self.assertEqual(self.words("weston", "--", "foot", "--idle-time=5")[0],
                         ["--idle-time=0", "--continue-without-input", "--", "foot",
                          "--idle-time=5"])

    def test_weston_with_a_configuration(self):
        """The same for weston.ini, wherever it is, by its first section of the name."""
        self.fake()
        self.config("[core]\n#idle-time=9\n[x]\nidle-time=1\n[core]\nrequire-input=true\n")
        self.assertEqual(self.words("weston")[0], ["--idle-time=0", "--continue-without-input"])
        self.config("[shell]\na=b\n[core]\nidle-time=30\nxwayland=true\n")
        self.assertEqual(self.words("weston")[0], ["--continue-without-input"])
        self.assertEqual(self.words("weston", "--no-config")[0],
                         ["--idle-time=0", "--continue-without-input", "--no-config"])
        other = self.config("[core]\nrequire-input=true\n", "other.ini")
        for option in (["-c", other], ["--config", other], [f"--config={other}"]):
            self.assertEqual(self.words("weston", *option)[0], ["--idle-time=0", *option])

    def test_weston_in_a_script(self):
        """It gets nothing, and is told what is missing, unless it is there."""
        self.fake()
        said = ("scanout-run: Cannot add options to weston in a script: add "
                "--continue-without-input and --idle-time=0 there, or it exits without input "
                "devices and blanks its screen after 5 minutes\n")
        for script, err in (("exit 0; weston", said),
                            ("exit 0; weston --continue-without-input", "")):
            self.assertEqual(self.run_it("--", "sh", "-c", script)[2], err)
        self.config("[core]\nrequire-input=false\n")
        self.assertEqual(self.run_it("--", "sh", "-c", "exit 0; weston")[2], "")

    def test_gnome_session(self):
        """It starts what holds up its idleness, in a folder of its own in front of the others, which
        --size uses as well; from a script too. A shell alone never is idle."""
        self.fake()
        script = ('echo "$XDG_CONFIG_DIRS"; cat "${XDG_CONFIG_DIRS%%:*}"/autostart/* | grep Exec= ; '
                  "exit 0")
        for name in ("gnome-session", "gnome-shell"):
            program = self.home / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        told = ["TryExec=gnome-session-inhibit",
                "Exec=gnome-session-inhibit --inhibit idle --inhibit-only"]
        for command, dirs, rest in (([str(self.home / "gnome-session")], "", "/etc/xdg"),
                                    (["sh", "-c", f"{self.home}/gnome-session"], "/a:/b", "/a:/b")):
            status, out, err = self.run_it("--", *command, XDG_CONFIG_DIRS=dirs)
            folders, *lines = out.splitlines()
            self.assertEqual((status, lines), (0, told), err)
            self.assertRegex(folders, f"^/[^:]*/xdg:{rest}$")
        _status, out, err = self.run_it("--", str(self.home / "gnome-shell"))
        self.assertEqual(out.splitlines(), [""], err)

    def test_xorg(self):
        self.fake()
        lease = ["-seat", "x", "-masterfd", "@FD@"]
        told = ["-seat", "x", "-masterfd", "3"]
        self.assertEqual(self.words("Xorg", ":1", *lease)[0], ["-s", "0", "-dpms", ":1", *told])
        self.assertEqual(self.words("X", "-s", "5", "dpms", *lease)[0],
                         ["-s", "5", "dpms", *told])
        self.assertEqual(self.words("X", *lease, "-dpms")[0], ["-s", "0", *told, "-dpms"])

    def test_others(self):
        self.fake()
        for name in ("mutter", "sway", "cage", "another"):
            self.assertEqual(self.words(name, "--x")[0], ["--x"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-run: --size, told to each compositor in its own way."""
import unittest

from runner import FAKE_LEASE, RunTest


class Size(RunTest):
    """--size reaches each compositor by its own configuration, on top of the user's."""

    def size(self, name, *args, size="1280x720", script=""):
        program = self.home / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        self.env["LD_PRELOAD"] = FAKE_LEASE
        return self.run_it("--size", size, "--", str(program), *args)

    def test_mutter(self):
        self.fake()
        status, out, err = self.size("mutter", "--wayland", script=(
            "cat ${XDG_CONFIG_DIRS%%:*}/monitors.xml; echo dirs ${XDG_CONFIG_DIRS#*:}"))
        self.assertEqual(status, 0, err)
        for text in ("<connector>Virtual-4</connector>", "<vendor>unknown</vendor>",
                     "<width>1280</width>", "<rate>59.940</rate>", "dirs /etc/xdg"):
            self.assertIn(text, out)

    def test_sway(self):
        self.fake()
        config = self.home / ".config" / "sway"
        config.mkdir(parents=True)
        (config / "config").write_text("exec foot\n")
        _status, out, _err = self.size("sway", "-d", script='[ "$1" = -c ] && cat "$2"; echo $3')
        self.assertEqual(out, f'include "{config}/config"\n'
                         "output Virtual-4 mode 1280x720@59.940Hz\n-d\n")
        _status, out, _err = self.size("sway", "--config=/x y", size="1000x500",
                                       script='cat "$2"; echo $#')
        self.assertEqual(out, 'include "/x y"\noutput Virtual-4 mode --custom 1000x500@60.000Hz\n'
                         "2\n")

    def test_weston(self):
        self.fake()
        ini = self.home / "mine.ini"
        ini.write_text("[core]\nidle-time=0\n")
        _status, out, _err = self.size("weston", "-c", str(ini),
                                       script='cat "${1#--config=}"; echo $#')
        self.assertEqual(out, "[output]\nname=Virtual-4\nmode=1280x720\n\n"
                         "[core]\nidle-time=0\n1\n")
        self.assertEqual(ini.read_text(), "[core]\nidle-time=0\n")

    def test_xorg(self):
        self.fake()
        _status, out, _err = self.size("Xorg", ":1", "-masterfd", "@FD@",
                                       script='echo "$1 $3 $4 $5"; cat "$2"')
        self.assertIn("-config :1 -masterfd 3\n", out)
        self.assertIn('Option "PreferredMode" "1280x720"', out)

    def test_size_that_is_not_there(self):
        self.fake()
        status, _out, err = self.size("mutter", size="1000x500")
        self.assertEqual(status, 125)
        self.assertEqual(err, "scanout-run: Virtual-4 has no mode 1000x500 for mutter; choose a "
                         "--size it has: 1920x1080, 1280x720\n")

    def test_program_that_takes_none(self):
        self.fake()
        status, _out, err = self.size("cage", script="exit 5")
        self.assertEqual(status, 5)
        self.assertIn("cage cannot be told --size", err)


if __name__ == "__main__":
    unittest.main()

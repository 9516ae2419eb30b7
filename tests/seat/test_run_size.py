#!/usr/bin/python3
"""scanout-run: the size of --size, or of an output that nobody has sized, told to each compositor
in its own way."""
import re
import unittest

from runner import RunTest

NAMES = ("SCANOUT_SIZE", "LD_PRELOAD")


class SizeTest(RunTest):
    def program(self, name, script=""):
        """A shell script of this name."""
        program = self.home / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        return str(program)

    def size(self, name, *args, size="1280x720", script=""):
        self.env["LD_PRELOAD"] = self.fake_lease
        return self.run_it("--size", size, "--", self.program(name, script), *args)

    def check_modeline(self, text, width, height):
        """Of exactly this size, at 60 Hz, with room for what a screen wants of both."""
        clock, *numbers = text.split()[:9]
        across, down = [list(map(int, numbers[i:i + 4])) for i in (0, 4)]
        self.assertEqual((across[0], down[0]), (width, height), text)
        for line in (across, down):
            self.assertEqual(line, sorted(set(line)), text)
        hz = float(clock) * 1e6 / (across[3] * down[3])
        self.assertTrue(59.5 < hz < 60.1, (text, hz))
        self.assertEqual(text.split()[9:], ["+hsync", "-vsync"], text)


class Size(SizeTest):
    """--size reaches each compositor by its own configuration, on top of the user's."""

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
        self.assertTrue(out.startswith('include "/x y"\noutput Virtual-4 modeline '), out)
        self.assertTrue(out.endswith("\n2\n"), out)

    def test_sizes_of_all_kinds(self):
        """sway's own custom modes are rounded to multiples of 8, and then it dies."""
        self.fake()
        for width, height in ((1366, 768), (1437, 901), (32, 32), (5120, 2160), (7680, 4320),
                              (1080, 1920), (8192, 33), (33, 8192), (1001, 999)):
            _status, out, err = self.size("sway", size=f"{width}x{height}", script='cat "$2"')
            found = re.fullmatch(r"\noutput Virtual-4 modeline (.*)\n", out)
            self.assertTrue(found, out + err)
            self.check_modeline(found[1], width, height)

    def test_beyond_the_card(self):
        self.fake()
        for size in ("16x16", "8193x1080", "1920x31", "16384x16384"):
            status, _out, err = self.size("sway", size=size)
            self.assertEqual((status, err), (125, (
                "scanout-run: /dev/full supports sizes from 32x32 to 8192x8192; choose a --size "
                "between these\n")), size)

    def test_weston(self):
        self.fake()
        ini = self.home / "mine.ini"
        ini.write_text("[core]\nidle-time=0\n")
        _status, out, _err = self.size("weston", "-c", str(ini), script='cat "${1#--config=}"')
        self.assertEqual(out, "[output]\nname=Virtual-4\nmode=1280x720\n\n"
                         "[core]\nidle-time=0\n")
        self.assertEqual(ini.read_text(), "[core]\nidle-time=0\n")
        _status, out, _err = self.size("weston", size="1366x768", script='cat "${1#--config=}"')
        self.check_modeline(out.split("mode=")[1].strip(), 1366, 768)

    def test_xorg(self):
        self.fake()
        _status, out, _err = self.size("Xorg", ":1", "-seat", "x", "-masterfd", "@FD@",
                                       script='echo "$1 $*"; cat "$2"')
        self.assertRegex(out, r"^-config .* :1 -seat x -masterfd 3\n")
        self.assertIn('Option "PreferredMode" "1280x720"', out)
        self.assertNotIn("Modeline", out)
        _status, out, _err = self.size("Xorg", size="1366x768", script='cat "$2"')
        self.assertIn('Option "PreferredMode" "1366x768"', out)
        self.check_modeline(re.search('Modeline "1366x768" (.*)\n', out)[1], 1366, 768)

    def test_size_that_is_not_there(self):
        self.fake()
        status, _out, err = self.size("mutter", size="1000x500")
        self.assertEqual(status, 125)
        self.assertEqual(err, "scanout-run: mutter accepts only sizes that Virtual-4 has; choose a "
                         "--size of these: 1920x1080, 1280x720\n")

    def test_program_that_takes_none(self):
        self.fake()
        status, _out, err = self.size("cage", script="exit 5")
        self.assertEqual(status, 5)
        self.assertEqual(err, "scanout-run: The size of cage cannot be set; set the size of head 3 "
                         "on the host\n")

    def test_program_in_a_script(self):
        self.fake()
        self.env["LD_PRELOAD"] = self.fake_lease
        status, _out, err = self.run_it("--size=1280x720", "--", "sh", "-c", "exit 5; sway")
        self.assertEqual(status, 5)
        self.assertEqual(err, "scanout-run: The size of sway cannot be set within a script; put it "
                         "right after '--', or set the size of head 3 on the host\n")


class Unsized(SizeTest):
    """An output that nobody has sized: scanoutd says which size it is to have (640x480)."""

    def setUp(self):
        super().setUp()
        self.env["LD_PRELOAD"] = self.fake_lease

    def shown(self, *args, name="cage", **env):
        """What the program finds: the size, and whether the library is there, and how often."""
        script = "echo ${SCANOUT_SIZE:--} $LD_PRELOAD"
        status, out, err = self.run_it(*args, "--", self.program(name, script), **env)
        self.assertEqual(status, 0, err)
        size, *preload = re.split("[ :\n]", out.strip())
        return size, preload.count(self.env["SCANOUT_PRELOAD"])

    def test_library(self):
        """Any program is told by the library, once, also one that has it for another reason."""
        self.fake()
        for name in ("mutter", "cage", "sway", "weston", "Xorg", "kmscube", "another"):
            self.assertEqual(self.shown(name=name), ("640x480", 1), name)

    def test_sized(self):
        """On one that the host has sized, nothing is different, whatever the variable was."""
        self.fake()
        self.assertEqual(self.shown(name="mutter", FAKE_LEASE_PREFERS="640x480", SCANOUT_SIZE="1x1"),
                         ("-", 0))
        self.assertEqual(self.shown("--size=1280x720", name="mutter"), ("-", 0))

    def test_unsized_at_a_restart(self):
        """Looked at again before each start, as the host may have changed it."""
        self.fake()
        flag = self.home / "flag"
        script = (f"echo ${{SCANOUT_SIZE:--}}; test -e {flag} && exit 0; touch {flag}; exit 7")
        status, out, _err = self.run_it("--restart=on-failure", "--", self.program("cage", script))
        self.assertEqual((status, out), (0, "640x480\n640x480\n"))

    def test_without_library(self):
        """Told by its own configuration, as for --size; if it has none, what to do is said."""
        self.fake()
        self.env["SCANOUT_PRELOAD"] = ""
        script = 'cat "$2"; echo ${SCANOUT_SIZE:--}'
        _status, out, err = self.run_it("--", self.program("sway", script))
        self.assertRegex(out, "^\noutput Virtual-4 modeline .* 640 .* 480 .*\n-\n$", err)
        _status, _out, err = self.run_it("--", self.program("another"))
        self.assertEqual(err, f"scanout-run: The size of {self.home}/bin/another cannot be set; set "
                         "the size of head 3 on the host\n")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-run: what it adds to the command line of an X server, and where."""
import os
import unittest

from runner import RunTest

# A VT is there to be taken, so the server gets a seat of its own.
SEAT = ["-seat", "scanout3"] if os.path.exists("/dev/tty0") else []
# Against its own blanking.
IDLE = ["-s", "0", "-dpms"]
# Runs what follows where the distribution's server has its setuid wrapper beside it.
WRAPPED = ("mount -t tmpfs tmpfs /usr/libexec; for name in Xorg Xorg.wrap; do "
           "printf '#!/bin/sh\\necho $0 $*\\n' >/usr/libexec/$name; "
           "chmod +x /usr/libexec/$name; done; exec \"$@\"")


class Xorg(RunTest):
    def tell(self, name):
        """A program of this name that tells its arguments."""
        path = self.home / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\necho $*\n")
        path.chmod(0o755)
        return str(path)

    def words(self, name, *args, options=()):
        self.fake()
        _status, out, err = self.run_it(*options, "--", self.tell(name), *args,
                                        LD_PRELOAD=self.fake_lease)
        self.assertTrue(out, err)
        return out.split()

    def test_lease(self):
        """It is handed its lease without being told to."""
        self.assertEqual(self.words("Xorg", ":1"), [*IDLE, ":1", "-masterfd", "3", *SEAT])

    def test_own_words(self):
        """What the command says by itself is left as it is."""
        self.assertEqual(self.words("X", "-seat", "s9", "-masterfd", "@FD@", ":1"),
                         [*IDLE, "-seat", "s9", "-masterfd", "3", ":1"])

    def test_vt(self):
        self.assertEqual(self.words("X", "vt7"), [*IDLE, "vt7", "-masterfd", "3"])

    def test_xinit(self):
        """The server's options go behind its mark, which is added if it is not there."""
        self.assertEqual(self.words("xinit", "/usr/bin/xterm"),
                         ["/usr/bin/xterm", "--", *IDLE, "-masterfd", "3", *SEAT])

    def test_startx(self):
        self.assertEqual(self.words("startx", "--", ":3", "-dpi", "96"),
                         ["--", ":3", *IDLE, "-dpi", "96", "-masterfd", "3", *SEAT])

    def test_size(self):
        """The configuration for --size is the server's, behind its path and its display."""
        size = ("--size=1280x720",)
        words = self.words("xinit", "xterm", "--", "/opt/X", ":3", options=size)
        self.assertEqual(words[:5], ["xterm", "--", "/opt/X", ":3", "-config"])
        self.assertEqual(words[6:], [*IDLE, "-masterfd", "3", *SEAT])

    @unittest.skipIf(os.geteuid() != 0, "only root can put a server there")
    def test_wrapper(self):
        """The setuid wrapper takes no lease, so what leads to it is replaced; another server is
        not."""
        self.fake()
        server = "/usr/libexec/Xorg"
        tail = ["-masterfd", "3", *SEAT]
        xinit = self.tell("xinit")
        for command, expected in (
                (["X", ":1"], [server, *IDLE, ":1", *tail]),
                (["/usr/bin/Xorg"], [server, *IDLE, *tail]),
                ([xinit, "xterm"], ["xterm", "--", server, *IDLE, *tail]),
                ([xinit, "xterm", "--", ":2"], ["xterm", "--", server, ":2", *IDLE, *tail]),
                ([xinit, "--", "/usr/bin/X", ":2"], ["--", server, ":2", *IDLE, *tail]),
                ([xinit, "--", "/opt/X", ":2"], ["--", "/opt/X", ":2", *IDLE, *tail])):
            process = self.start("--", *command, prefix=("unshare", "--mount", "sh", "-c", WRAPPED,
                                                         "sh"))
            out, err = process.communicate()
            self.assertEqual(out.split(), expected, err)


if __name__ == "__main__":
    unittest.main()

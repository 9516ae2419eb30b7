#!/usr/bin/python3
"""watch.py: who moves is let be, who does not is ended, and nothing is left of either."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

WATCH = str(pathlib.Path(__file__).resolve().parent.parent / "watch.py")
LOOK = 0.02  # s; so that thirty of them are soon over
LONG = 100 * LOOK  # more than those thirty


class Watch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="watch-")
        self.addCleanup(folder.cleanup)
        self.log = pathlib.Path(folder.name) / "log"

    def watch(self, *command, bound="1000", look=str(LOOK)):
        """(status, output)"""
        done = subprocess.run([WATCH, "--look", look, "--bound", bound, self.log, *command],
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, self.log.read_text()

    def python(self, script, **options):
        return self.watch(sys.executable, "-c", script, **options)

    def test_status_and_output(self):
        self.assertEqual(self.watch("sh", "-c", "echo out; echo err >&2; exit 3"),
                         (3, "out\nerr\n"))
        self.assertEqual(self.watch("sh", "-c", "kill -9 $$"), (137, ""))

    def test_who_works_is_let_be(self):
        """In itself, or in a process below it that was left behind."""
        work = f"end = time.monotonic() + {LONG}\nwhile time.monotonic() < end: pass\n"
        self.assertEqual(self.python("import time\n" + work)[0], 0)
        below = ("import os, time\nr, w = os.pipe()\nif os.fork() == 0:\n"
                 " if os.fork() == 0:\n"
                 f"  end = time.monotonic() + {LONG}\n"
                 "  while time.monotonic() < end: pass\n"
                 " os._exit(0)\nos.close(w)\nos.wait()\nos.read(r, 1)\n")
        self.assertEqual(self.python(below)[0], 0)

    def test_who_speaks_is_let_be(self):
        script = (f"import time\nfor i in range(10):\n time.sleep({LONG / 10})\n"
                  " print(i, flush=True)\n")
        self.assertEqual(self.python(script)[0], 0)

    def test_who_sleeps_is_told_and_then_ended(self):
        """SIGALRM for those who handle it; the others are ended at once."""
        script = ("import signal\n"
                  "signal.signal(signal.SIGALRM, lambda *_: print('told', flush=True))\n"
                  "while True: signal.pause()\n")
        status, said = self.python(script)
        self.assertEqual(status, 124)
        self.assertRegex(said, r"^watch: Nothing moves any more after [^\n]*python[^\n]*\ntold\n"
                               r"watch: Nothing moves any more after [^\n]*\n$")
        status, said = self.watch("sleep", "1000")
        self.assertEqual((status, said.count("watch: ")), (124, 1))

    def test_who_fails_when_told_goes_on(self):
        script = ("import signal, time\nclass Told(Exception): pass\n"
                  "def tell(*_): raise Told\nsignal.signal(signal.SIGALRM, tell)\n"
                  "try: signal.pause()\nexcept Told: print('goes on')\n")
        status, said = self.python(script)
        self.assertEqual(status, 0)
        self.assertTrue(said.endswith("goes on\n"), said)

    def test_who_only_looks_again_and_again_sleeps(self):
        status, said = self.python("import time\nwhile True: time.sleep(0.5)\n")
        self.assertEqual(status, 124, said)

    def test_who_runs_in_circles_is_ended(self):
        status, said = self.python("while True: pass", bound="0.5")
        self.assertEqual(status, 124)
        self.assertIn("Does not come to an end", said)

    def test_processes_that_come_and_go(self):
        """Between two reads of one look as well."""
        script = "i=0; while [ $i -lt 2000 ]; do true | true & i=$((i + 1)); done; wait"
        self.assertEqual(self.watch("sh", "-c", script, look="0.001"), (0, ""))

    def test_nothing_is_left(self):
        """Of one that ends, and of one that is ended."""
        for script, status in (("(sleep 1000; echo) & echo $!", 0),
                               ("(sleep 1000; echo) & echo $!; wait", 124)):
            got, said = self.watch("sh", "-c", script)
            self.assertEqual(got, status)
            child = pathlib.Path("/proc") / said.split()[0]
            self.assertFalse(child.exists() and "(zombie)" not in (child / "status").read_text())

    def test_no_log(self):
        done = subprocess.run([WATCH, "/nowhere/log", "true"], stderr=subprocess.PIPE, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nowhere/log", done.stderr)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-run: all that its command has started ends with it, by release and by stop."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

from runner import PROGRAMS, RunTest

# Each tells its pid when it is there, and waits.
WAIT = f"{sys.executable} {PROGRAMS} linger"
# How it stands below the command: in the way of shells, of timeout(1), of daemons.
PLACES = {
    "child of a shell": f"{WAIT}; true",
    "background": f"{WAIT} & wait",
    "own group": f"timeout 1h {WAIT}; true",
    "own session": f"setsid -w {WAIT}; true",
    "orphan in a session of its own": f"(setsid {WAIT} &) ; sleep 1h",
    "grandchild": f"sh -c 'sh -c \"{WAIT}; true\"; true'; true",
    "on a terminal of its own": f"script -qec '{WAIT}' /dev/null; true",
    "stopped": f"{WAIT} stop; true",
}


def is_there(pid):
    """Zombies are not."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Tree(RunTest):
    peer = True

    def command(self, script, *options, **env):
        """scanout-run with a script, and the pid that comes from it."""
        process = self.start("--seat=fd", *options, "--", "sh", "-c", script, **env)
        pid = self.told(process)
        self.assertTrue(is_there(pid))
        return process, pid

    def told(self, process):
        found = re.search(r"\d+", process.stdout.readline())
        self.assertTrue(found)
        pid = int(found[0])

        def kill():
            if is_there(pid):
                os.kill(pid, signal.SIGKILL)
        self.addCleanup(kill)
        return pid

    def check(self, end):
        """Wherever it stands, it is gone when scanout-run is."""
        for place, script in PLACES.items():
            with self.subTest(place):
                fake = self.fake()
                process, pid = self.command(script)
                end(fake, process)
                self.assertEqual(process.wait(), 143)
                self.assertFalse(is_there(pid))
                self.assertNotIn("in time", process.stderr.read())
                self.assertEqual(fake.stop(), 0)

    def test_released(self):
        self.check(lambda fake, _process: fake.process.send_signal(signal.SIGUSR1))

    def test_told_to_end(self):
        self.check(lambda _fake, process: process.terminate())

    def test_ignores_the_signal(self):
        """It is killed then, and that is told."""
        script = PLACES["orphan in a session of its own"]
        for end in ("release", "stop"):
            fake = self.fake()
            process, pid = self.command(script, LINGER_IGNORES="yes")
            if end == "release":
                fake.process.send_signal(signal.SIGUSR1)
            else:
                process.terminate()
            self.assertEqual(process.wait(), 143)
            self.assertFalse(is_there(pid))
            self.assertIn("scanout-run: 'sh' has not exited in time: killing what is left of it\n",
                          process.stderr.read())

    def test_command_that_ignores_the_signal(self):
        for end in ("release", "stop"):
            fake = self.fake()
            process, pid = self.command(f"trap '' TERM; {WAIT}; true", LINGER_IGNORES="yes")
            if end == "release":
                fake.process.send_signal(signal.SIGUSR1)
            else:
                process.terminate()
            self.assertEqual(process.wait(), 137)
            self.assertFalse(is_there(pid))

    def test_command_may_take_its_time_to_clean_up(self):
        """Told to stop, the command goes first: what it needs of its children is there."""
        self.fake()
        process, pid = self.command(
            f"trap 'kill -0 $! && echo there; kill $!; wait; exit 4' TERM; {WAIT} & wait")
        process.terminate()
        self.assertEqual(process.wait(), 4)
        self.assertEqual(process.stdout.read(), "there\n")
        self.assertFalse(is_there(pid))

    def test_next_run_is_alone(self):
        """What a command that failed left behind has ended before it is started again."""
        self.fake()
        flag = self.home / "flag"
        script = (f"test -e {flag} && exec {WAIT}; touch {flag}; setsid {WAIT} & sleep 1h & "
                  f"read x; exit 3")
        process, left = self.command(script, "--restart=on-failure")
        process.stdin.write("x\n")
        process.stdin.flush()
        again = self.told(process)
        self.assertNotEqual(again, left)
        self.assertFalse(is_there(left))
        process.terminate()
        self.assertEqual(process.wait(), 143)

    def test_ends_by_itself(self):
        """A command that ends well leaves nothing either."""
        self.fake()
        process, pid = self.command(f"setsid {WAIT} & read x")
        process.stdin.write("x\n")
        process.stdin.flush()
        self.assertEqual(process.wait(), 0)
        self.assertFalse(is_there(pid))

    def test_told_to_end_while_it_ends(self):
        """It still waits for what is left."""
        fake = self.fake()
        process, pid = self.command(f"setsid {WAIT} & read x", LINGER_IGNORES="yes")
        process.stdin.write("x\n")
        process.stdin.flush()
        fake.wait("release card0-Virtual-4#1")
        process.terminate()
        self.assertEqual(process.wait(), 0)
        self.assertFalse(is_there(pid))

    def test_what_is_not_the_commands(self):
        """An entrypoint has started something and becomes scanout-run: that stays."""
        self.fake()
        process = subprocess.Popen(
            ["sh", "-c", f"{WAIT} & exec \"$@\"", "sh", os.environ["SCANOUT_RUN"], "--seat=fd", "--",
             "sh", "-c", f"{WAIT}; true"], env=self.env, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        pids = [self.told(process), self.told(process)]
        process.terminate()
        self.assertEqual(process.wait(), 143)
        self.assertEqual(sum(map(is_there, pids)), 1)


if __name__ == "__main__":
    unittest.main()

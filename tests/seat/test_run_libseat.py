#!/usr/bin/python3
"""scanout-run: the dialect of the seatd protocol, found out from the library that is there."""
import os
import pathlib
import shutil
import signal
import sys
import unittest

from runner import FAKE_LIBSEAT, RunTest

CLIENT = str(pathlib.Path(__file__).resolve().parent / "test_libseat.py")
DISABLE, ENABLE, DISABLED = "0x8005", "0x8006", "0x8009"


class Libseat(RunTest):
    def start_with(self, library, *args, **env):
        """On a machine where the loader finds this as libseat.so.1."""
        if library:
            shutil.copy(library, self.home / "libseat.so.1")
        return self.start(*args, LD_LIBRARY_PATH=str(self.home), **env)

    def events(self, process, fake, count):
        """What a client hears of a new size; then it is told to end."""
        self.assertEqual(process.stdout.readline(), "held\n")
        fake.process.send_signal(signal.SIGUSR2)
        fake.wait("told")
        events = [process.stdout.readline().strip() for _ in range(count)]
        process.terminate()
        process.wait()
        return events + process.stdout.read().split()

    def test_installed(self):
        """The real library, whichever version this machine has: it is paused, resumed, and can
        open the card again."""
        fake = self.fake()
        process = self.start("--seat=seatd", "--", sys.executable, CLIENT, "--client", "paused")
        self.assertEqual(process.stdout.readline(), "opened\n")
        fake.process.send_signal(signal.SIGUSR2)
        self.assertEqual(process.stdout.readline(), "disabled\n", process.poll())
        self.assertEqual(process.stdout.readline(), "opened\n", process.poll())
        self.assertEqual(self.finish(process)[0], 0)

    def test_new(self):
        """One that waits for its answers gets them."""
        fake = self.fake()
        process = self.start_with(FAKE_LIBSEAT, "--seat=seatd", *self.me("hold"),
                                  FAKE_LIBSEAT="new")
        self.assertEqual(self.events(process, fake, 3), [DISABLE, DISABLED, ENABLE])

    def unknown(self, library, how=""):
        """Nobody can tell: a client is left alone, and the way out is told."""
        fake = self.fake()
        process = self.start_with(library, "--seat=seatd", *self.me("hold"), FAKE_LIBSEAT=how)
        self.assertEqual(process.stdout.readline(), "held\n")
        fake.process.send_signal(signal.SIGUSR2)
        self.assertIn("is not notified of its new size; add --libseat=0.9, or 0.7",
                      process.stderr.readline())
        process.terminate()
        process.wait()
        self.assertEqual(process.stdout.read(), "")

    def test_none(self):
        """Another library than libseat, under its name."""
        self.unknown(os.environ.get("SCANOUT_PRELOAD"))

    def test_not_a_library(self):
        self.unknown("/etc/passwd")

    def test_dead(self):
        self.unknown(FAKE_LIBSEAT, "dead")

    def test_stuck(self):
        self.unknown(FAKE_LIBSEAT, "stuck")

    def test_told(self):
        """--libseat has its say, whatever the library is."""
        fake = self.fake()
        process = self.start_with(FAKE_LIBSEAT, "--seat=seatd", "--libseat=0.8",
                                  *self.me("hold"), FAKE_LIBSEAT="new")
        self.assertEqual(self.events(process, fake, 2), [DISABLE, ENABLE])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-seat with the seats of whichever scanout is free, one for each instance."""
import os
import select
import signal
import subprocess
import sys
import unittest

from gi.repository import GLib
from service import CARD, DEVICE, ID, ME, Service, device


class Any(Service):
    """The seats of whichever scanout is free."""

    id = "any-card0"
    REQUEST = f"request device={CARD} for={ME} spare=1 timeout"

    def instances(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return [int(pid) for pid in children.read().split()]

    def test_one_instance(self):
        """All connections of one user outside containers are of one instance: one request, one
        lease, a spare beside it."""
        fake = self.fake()
        _client, fd = self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertEqual(device(fd), DEVICE)
        self.assertEqual(device(self.spare()), (1, 5))
        other = self.login1()
        other("TakeControl", "(b)", False)
        with self.assertRaisesRegex(GLib.Error, "System.Error.EBUSY"):
            other("TakeDevice", "(uu)", *DEVICE)
        self.assertEqual(len(self.instances()), 1)
        self.assertEqual(fake.rest(), [])

    def test_two_instances(self):
        """Another user has another seat, and its own lease."""
        if os.geteuid() != 0:
            self.skipTest("only root can be somebody else")
        fake = self.fake()
        self.seatd_with_card()
        fake.expect(self.REQUEST)
        # The import first: the other need not be able to read these files, in root's home say.
        script = (f"import os, sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
                  f"import test_seatd; os.setgid(65534); os.setuid(65534)\n"
                  f"class Here:\n def path(self, name): return {self.path('seatd')!r}\n"
                  f"test_seatd.Client(Here()).enable().open({CARD!r}); print('held', flush=True)\n"
                  f"sys.stdin.read()\n")
        other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        self.assertEqual(other.stdout.readline(), "held\n")
        fake.expect(self.REQUEST.replace(str(ME), str(other.pid)))
        self.assertEqual(len(self.instances()), 2)
        other.communicate()
        fake.expect(f"release {ID}#2")

    def test_idle(self):
        """An instance ends when it has no client, and when there are none all is over; the next
        client finds everything as it was."""
        self.check_idle()

    def test_comes_back_to_its_instance(self):
        """A client that comes after another has gone, and before its seat has ended, finds that
        seat: no second one for the same user."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        before = self.instances()
        client.close()
        fake.wait(f"release {ID}#1")
        self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertEqual(self.instances(), before)

    def test_an_instance_dies(self):
        """Its clients lose their connection; the next one gets a new instance."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        fake.expect(self.REQUEST)
        instance = os.pidfd_open(self.instances()[0])
        self.addCleanup(os.close, instance)
        signal.pidfd_send_signal(instance, signal.SIGKILL)
        self.assertTrue(client.is_dropped())
        # Its connections end one after the other: what comes meanwhile ends with them.
        self.assertTrue(select.select([instance], [], [])[0])
        self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertIsNone(self.process.poll())

    def test_ends_with_its_instances(self):
        """Told to end, its instances end with it."""
        self.fake()
        client, _fd = self.seatd_with_card()
        self.process.terminate()
        self.assertEqual(self.process.wait(), 0)
        self.assertTrue(client.is_dropped())


if __name__ == "__main__":
    unittest.main()

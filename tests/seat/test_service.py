#!/usr/bin/python3
"""scanout-seat with the seat of one scanout, and how it is started."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import gdbus
import test_seatd
from gi.repository import Gio, GLib
from patience import wait_until
from runner import FAKE_LEASE, Fake
from service import CARD, DEVICE, ID, ME, NAMES, SCANOUT_SEAT, Service, device


class One(Service):
    """The seat of one scanout."""

    REQUEST = f"request scanout={ID} for={ME} spare=1 timeout"

    def test_seatd(self):
        """A client of the seatd protocol has the lease, for which it was asked by its own socket;
        it is given back when the client is gone."""
        fake = self.fake()
        client, fd = self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertEqual(device(fd), DEVICE)
        client.close()
        fake.expect(f"release {ID}#1")

    def test_login1(self):
        """The same over login1. A client that says nothing holds nobody up, not even the end."""
        fake = self.fake()
        self.raw("bus")
        self.start()
        fd = self.take(self.login1())
        fake.expect(self.REQUEST)
        self.assertEqual(device(fd), DEVICE)

    def take(self, session):
        session("TakeControl", "(b)", False)
        (_index, paused), fds = session("TakeDevice", "(uu)", *DEVICE)
        self.addCleanup(os.close, fds[0])
        self.assertFalse(paused)
        return fds[0]

    def test_spare(self):
        """Empty leases are there as long as a lease is."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        self.assertEqual(device(self.spare()), (1, 5))
        client.close()
        fake.wait(f"release {ID}#1")
        self.assertIsNone(self.spare())

    def told_with(self, **lease):
        """The size that comes with a spare, from a lease like that, and what the journal says."""
        self.extra = {"LD_PRELOAD": FAKE_LEASE, "ASAN_OPTIONS": "verify_asan_link_order=0", **lease}
        self.fake()
        self.seatd_with_card()
        self.spare()
        return self.told_size, self.told()

    def test_unsized(self):
        """With a spare comes the size that an output is to have which nobody has sized; what
        becomes of those who do not hear it, the journal says."""
        size, told = self.told_with()
        self.assertEqual(size, (640, 480))
        self.assertIn("The host has not sized head 3; without the device 'software' most "
                      "compositors choose its largest mode. Set its size on the host", told)

    def test_sized(self):
        """There is nothing to tell of an output that the host has sized."""
        size, told = self.told_with(FAKE_LEASE_PREFERS="640x480")
        self.assertEqual((size, told), ((0, 0), ""))

    def test_idle(self):
        """It ends without clients; who connects next is served by the next one."""
        self.check_idle()

    def test_not_idle(self):
        """A client that does nothing is a client."""
        self.idle = 50
        self.fake()
        client = self.seatd()
        self.start()
        client.enable()
        # Nothing but its timer wakes it, with half of that time.
        before = self.wakeups()
        wait_until(lambda: self.wakeups() > before + 5, "five rounds of the timer")
        client.send(test_seatd.PING)
        self.assertEqual(client.receive()[0], test_seatd.PONG)

    def wakeups(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.M)[1])

    def test_garbage(self):
        """Garbage, half messages and clients that never read, on every socket: the others are
        served as before."""
        self.fake()
        client, _fd = self.seatd_with_card()
        left = []
        for name in NAMES:
            for data in (os.urandom(100000), b"\0AUTH EXTERNAL\r\nDATA\r\n", b"\x01\0"):
                link = self.raw(name)
                left.append(link)
                try:
                    link.sendall(data)
                except OSError:
                    pass # hung up on
        client.send(test_seatd.PING)
        self.assertEqual(client.receive()[0], test_seatd.PONG)
        self.login1()("SetIdleHint", "(b)", False)
        self.assertIsNone(self.process.poll())

    def test_waits_for_scanoutd(self):
        """No scanoutd when the card is asked for: the answer comes when that does."""
        client = self.seatd()
        self.start()
        client.enable()
        place, self.address = self.address, self.address + ".later"
        fake = self.fake()
        client.ask(CARD)
        wait_until(lambda: "Waiting for scanoutd" in self.told(), "the service waits")
        os.rename(self.address, place)
        opcode, _payload, fds = client.receive()
        self.assertEqual(opcode, test_seatd.DEVICE_OPENED)
        self.addCleanup(os.close, fds[0])
        fake.expect(self.REQUEST)

    def test_refused(self):
        """scanoutd refuses: the client is told, and its words are in the log."""
        self.fake("busy")
        client = self.seatd()
        self.start()
        client.enable().ask(CARD)
        self.assertNotEqual(client.refusal(), 0)
        self.assertIn("All 16 scanouts are taken. Wait.", self.told())

    def test_busy(self):
        """Over login1 it is told as logind tells it, so that a compositor may try again: the device
        is busy, not taken by the client itself."""
        self.fake("busy")
        self.raw("bus")
        self.start()
        session = self.login1()
        session("TakeControl", "(b)", False)
        with self.assertRaisesRegex(GLib.Error, "System.Error.EBUSY: Somebody else has the device"):
            session("TakeDevice", "(uu)", *DEVICE)

    def test_revoked(self):
        """Its clients lose their connection, and the next one starts it anew."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        fake.process.send_signal(signal.SIGUSR1)
        self.assertTrue(client.is_dropped())
        self.assertEqual(self.process.wait(), 0)
        self.assertIn(f"scanoutd has ended the lease on {ID} (revoked)", self.told())

    def restarted(self, generation):
        fake = Fake("peer", self.address)
        client, _fd = self.seatd_with_card()
        self.assertEqual(fake.stop(), 0)
        return client, self.fake(generation)

    def test_restarted_scanoutd_kept_the_lease(self):
        """The client stays, and what the next scanoutd tells is heard."""
        client, fake = self.restarted("1")
        self.assertTrue(fake.connected.wait())
        client.send(test_seatd.PING)
        self.assertEqual(client.receive()[0], test_seatd.PONG)
        fake.process.send_signal(signal.SIGUSR1)
        self.assertTrue(client.is_dropped())

    def test_restarted_scanoutd_lost_the_lease(self):
        client, _fake = self.restarted("0")
        self.assertTrue(client.is_dropped())
        self.assertEqual(self.process.wait(), 0)

    def test_resized(self):
        """The host gives the output another size: Active is false and then true again. A client of
        the seatd protocol, which has no version, is left alone."""
        fake = self.fake()
        other = self.seatd()
        self.start()
        other.enable()
        seen = []
        watcher = gdbus.Gdbus("unix:path=" + self.path("bus"))
        self.addCleanup(watcher.close)
        watcher.link.signal_subscribe(
            None, "org.freedesktop.DBus.Properties", "PropertiesChanged", None, None,
            Gio.DBusSignalFlags.NONE,
            lambda *args: seen.append(args[5].unpack()[1].get("Active")))
        self.take(self.login1())
        fake.process.send_signal(signal.SIGUSR2)
        gdbus.iterate_until(lambda: len(seen) == 2)
        self.assertEqual(seen, [False, True])
        other.send(test_seatd.PING)
        self.assertEqual(other.receive()[0], test_seatd.PONG)


class Usage(unittest.TestCase):
    def run_it(self, *args, **env):
        said = subprocess.run([SCANOUT_SEAT, *args], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], **env})
        return said.returncode, said.stderr

    def test_wrong(self):
        for args in ((), ("a", "b"), ("--what", "x"), ("--idle", "x", ID), ("--idle", "0", ID)):
            status, err = self.run_it(*args)
            self.assertEqual(status, 64, args)
            self.assertTrue(err, args)
        with tempfile.TemporaryDirectory() as folder:
            for name, word in (("../x", "is not the id"), ("1", "is not the id"),
                               ("card77-Virtual-1", "There is no card '/dev/dri/card77'")):
                status, err = self.run_it("--seats", folder, name)
                self.assertEqual(status, 1)
                self.assertIn(word, err)
            (pathlib.Path(folder) / ID).mkdir()
            (pathlib.Path(folder) / ID / "card").write_text("/dev/full\n1:7\n")
            for name in (ID, "any-card0"):
                status, err = self.run_it("--seats", folder, name)
                self.assertEqual(status, 1)
                self.assertIn("No socket was passed; start scanout-seat", err)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-seat, started by its sockets as systemd does it, against a fake scanoutd.

SCANOUT_SEAT and FAKE_SCANOUTD name what is under test.
"""
import array
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import gdbus
import test_seatd
from gi.repository import Gio, GLib
from gdbus import LOGIN1
from runner import PATIENCE, ROOT, Fake

SCANOUT_SEAT = os.environ.get("SCANOUT_SEAT", str(ROOT / "build" / "san" / "scanout-seat"))
SELF = os.path.abspath(__file__)
ID, CARD, DEVICE = "card0-Virtual-4", "/dev/full", (1, 7)
NAMES = ("bus", "seatd.sock", "spare")
ME = os.getpid()


def activate(*args):
    """Becomes the service, with its sockets as descriptors 3 and up; `--activate ARG...`."""
    fds = [int(number) for number in os.environ["SOCKETS"].split()]
    high = [os.dup(os.dup2(fd, 20 + i)) for i, fd in enumerate(fds)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
    os.closerange(3 + len(fds), 64)
    os.execv(SCANOUT_SEAT, ["scanout-seat", *args])


class Service(unittest.TestCase):
    id = ID
    idle = 60000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="service-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.home.chmod(0o711)
        self.place = self.home / self.id
        self.place.mkdir()
        (self.place / "card").write_text(f"{CARD}\n{DEVICE[0]}:{DEVICE[1]}\n")
        self.listeners = []
        for name in NAMES:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.place / name))
            (self.place / name).chmod(0o666)
            listener.listen(64)
            self.addCleanup(listener.close)
            self.listeners.append(listener)
        self.address = str(self.home / "guest")
        self.process = None
        self.log = open(self.home / "log", "w+")
        self.addCleanup(self.log.close)

    def fake(self, *mode):
        fake = Fake("peer", self.address, *mode)
        self.addCleanup(lambda: self.assertEqual(fake.stop(), 0))
        return fake

    def start(self):
        """Once somebody has connected."""
        self.assertTrue(select.select(self.listeners, [], [], PATIENCE)[0])
        fds = [listener.fileno() for listener in self.listeners]
        self.process = process = subprocess.Popen(
            [sys.executable, SELF, "--activate", "--seats", str(self.home), "--idle",
             str(self.idle), self.id], pass_fds=fds, stderr=self.log,
            env={"PATH": os.environ["PATH"], "SCANOUT_SEAT": SCANOUT_SEAT,
                 "SOCKETS": " ".join(map(str, fds)),
                 "SCANOUT_ADDRESS": f"unix:path={self.address}"})

        def end():
            if process.poll() is None:
                process.terminate()
            # Also what the sanitizers found.
            self.assertEqual(process.wait(PATIENCE), 0, self.told())
            self.assertNotIn("ERROR: ", self.told())
            self.assertNotIn("runtime error", self.told())
        self.addCleanup(end)

    def told(self):
        return (self.home / "log").read_text()

    def path(self, name):
        """For test_seatd.Client."""
        return str(self.place / {"seatd": "seatd.sock"}.get(name, name))

    def seatd(self):
        client = test_seatd.Client(self)
        self.addCleanup(client.close)
        return client

    def seatd_with_card(self):
        client = self.seatd()
        if not self.process:
            self.start()
        _device, fd = client.enable().open(CARD)
        self.addCleanup(os.close, fd)
        return client, fd

    def login1(self):
        """A function that calls the session."""
        client = gdbus.Gdbus("unix:path=" + self.path("bus"))
        self.addCleanup(client.close)

        def session(method, signature="()", *args):
            return client.call(LOGIN1, "/org/freedesktop/login1/session/auto",
                               LOGIN1 + ".Session", method, GLib.Variant(signature, args))
        return session

    def spare(self):
        """The descriptor that comes over the socket for spares, or None."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE)
            link.connect(self.path("spare"))
            data, ancillary, _flags, _address = link.recvmsg(16, socket.CMSG_SPACE(4))
            if not data:
                return None
            fds = array.array("i")
            fds.frombytes(ancillary[0][2])
            self.addCleanup(os.close, fds[0])
            return fds[0]

    def raw(self, name):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(PATIENCE)
        link.connect(self.path(name))
        self.addCleanup(link.close)
        return link


def device(fd):
    number = os.fstat(fd).st_rdev
    return os.major(number), os.minor(number)


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

    def test_idle(self):
        """It ends without clients; who connects next is served by the next one."""
        self.idle = 200
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        client.close()
        fake.wait(f"release {ID}#1")
        self.assertEqual(self.process.wait(PATIENCE), 0)
        self.process = None
        self.seatd_with_card()
        fake.expect(self.REQUEST)

    def test_not_idle(self):
        """A client that does nothing is a client."""
        self.idle = 50
        self.fake()
        client = self.seatd()
        self.start()
        client.enable()
        with self.assertRaises(subprocess.TimeoutExpired):
            self.process.wait(0.5)
        client.send(test_seatd.PING)
        self.assertEqual(client.receive()[0], test_seatd.PONG)

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
        client.ask(CARD)
        fake = self.fake()
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

    def test_revoked(self):
        """Its clients lose their connection, and the next one starts it anew."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        fake.process.send_signal(signal.SIGUSR1)
        self.assertTrue(client.is_dropped())
        self.assertEqual(self.process.wait(PATIENCE), 0)
        self.assertIn(f"scanoutd has taken {ID} back (revoked)", self.told())

    def restarted(self, generation):
        fake = Fake("peer", self.address)
        client, _fd = self.seatd_with_card()
        self.assertEqual(fake.stop(), 0)
        return client, self.fake(generation)

    def test_restarted_scanoutd_kept_the_lease(self):
        """The client stays, and what the next scanoutd tells is heard."""
        client, fake = self.restarted("1")
        self.assertTrue(fake.connected.wait(PATIENCE))
        client.send(test_seatd.PING)
        self.assertEqual(client.receive()[0], test_seatd.PONG)
        fake.process.send_signal(signal.SIGUSR1)
        self.assertTrue(client.is_dropped())

    def test_restarted_scanoutd_lost_the_lease(self):
        client, _fake = self.restarted("0")
        self.assertTrue(client.is_dropped())
        self.assertEqual(self.process.wait(PATIENCE), 0)

    def test_resized(self):
        """The host gives the output another size: Active is false and then true again. A client of
        the seatd protocol, which has no version, is left alone."""
        fake = self.fake()
        self.raw("bus")
        self.start()
        seen = []
        watcher = gdbus.Gdbus("unix:path=" + self.path("bus"))
        self.addCleanup(watcher.close)
        watcher.link.signal_subscribe(
            None, "org.freedesktop.DBus.Properties", "PropertiesChanged", None, None,
            Gio.DBusSignalFlags.NONE,
            lambda *args: seen.append(args[5].unpack()[1].get("Active")))
        self.take(self.login1())
        fake.process.send_signal(signal.SIGUSR2)
        late = []
        GLib.timeout_add(PATIENCE * 1000, late.append, True)
        while len(seen) < 2 and not late:
            GLib.MainContext.default().iteration(True)
        self.assertEqual(seen, [False, True])


class Any(Service):
    """The seats of whichever scanout is free."""

    id = "any-card0"
    REQUEST = f"request device={CARD} for={ME} spare=1 timeout"

    def tenants(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return [int(pid) for pid in children.read().split()]

    def test_one_tenant(self):
        """All connections of one user outside containers are of one tenant: one request, one
        lease, a spare beside it."""
        fake = self.fake()
        _client, fd = self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertEqual(device(fd), DEVICE)
        self.assertEqual(device(self.spare()), (1, 5))
        other = self.login1()
        other("TakeControl", "(b)", False)
        with self.assertRaisesRegex(GLib.Error, "DeviceIsTaken"):
            other("TakeDevice", "(uu)", *DEVICE)
        self.assertEqual(len(self.tenants()), 1)
        self.assertEqual(fake.rest(), [])

    def test_two_tenants(self):
        """Another user has another seat, and its own lease."""
        if os.geteuid() != 0:
            self.skipTest("only root can be somebody else")
        fake = self.fake()
        self.seatd_with_card()
        fake.expect(self.REQUEST)
        # The import first: the other need not be able to read these files, in root's home say.
        script = (f"import os, sys; sys.path.insert(0, {os.path.dirname(SELF)!r})\n"
                  f"import test_seatd; os.setgid(65534); os.setuid(65534)\n"
                  f"class Here:\n def path(self, name): return {self.path('seatd')!r}\n"
                  f"test_seatd.Client(Here()).enable().open({CARD!r}); print('held', flush=True)\n"
                  f"sys.stdin.read()\n")
        other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        self.assertEqual(other.stdout.readline(), "held\n")
        fake.expect(self.REQUEST.replace(str(ME), str(other.pid)))
        self.assertEqual(len(self.tenants()), 2)
        other.communicate()
        fake.expect(f"release {ID}#2")

    def test_idle(self):
        """A tenant ends when it has no client, and when there are none all is over; the next
        client finds everything as it was."""
        self.idle = 200
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        client.close()
        fake.wait(f"release {ID}#1")
        self.assertEqual(self.process.wait(PATIENCE), 0)
        self.process = None
        self.seatd_with_card()
        fake.expect(self.REQUEST)

    def test_comes_back_to_its_tenant(self):
        """A client that comes after another has gone, and before its seat has ended, finds that
        seat: no second one for the same user."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        before = self.tenants()
        client.close()
        fake.wait(f"release {ID}#1")
        self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertEqual(self.tenants(), before)

    def test_a_tenant_dies(self):
        """Its clients lose their connection; the next one gets a new tenant."""
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        fake.expect(self.REQUEST)
        tenant = os.pidfd_open(self.tenants()[0])
        self.addCleanup(os.close, tenant)
        signal.pidfd_send_signal(tenant, signal.SIGKILL)
        self.assertTrue(client.is_dropped())
        # Its connections end one after the other: what comes meanwhile ends with them.
        self.assertTrue(select.select([tenant], [], [], PATIENCE)[0])
        self.seatd_with_card()
        fake.expect(self.REQUEST)
        self.assertIsNone(self.process.poll())

    def test_ends_with_its_tenants(self):
        """Told to end, its tenants end with it."""
        self.fake()
        client, _fd = self.seatd_with_card()
        self.process.terminate()
        self.assertEqual(self.process.wait(PATIENCE), 0)
        self.assertTrue(client.is_dropped())


class Usage(unittest.TestCase):
    def run_it(self, *args, **env):
        said = subprocess.run([SCANOUT_SEAT, *args], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], **env}, timeout=PATIENCE)
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
    if sys.argv[1:2] == ["--activate"]:
        activate(*sys.argv[2:])
    unittest.main()

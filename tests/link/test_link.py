#!/usr/bin/python3
"""scanout-link: what it tells the host, and that neither the host nor the bus can harm it."""
import os
import random
import subprocess
import unittest

import dbus.lowlevel

from link_rig import (NAME, PATH, SCANOUT_LINK, FakeDaemon, LinkCase, leased, patience, path_of,
                      release, request, scanout)

V1 = "card0-Virtual-1"


class Told(LinkCase):
    def test_in_order(self):
        """The host hears of each grant and each end, in their order, and by whom and where."""
        self.start_daemon()
        _, host = self.link()
        client = self.client()
        self.assertEqual(host.next()[0], "hello")
        host.settle()
        held = []
        for n in range(4):
            held.append(request(client, label=f"desk{n}"))
        for n, (_, scanout) in enumerate(held):
            kind, body = host.next()
            self.assertEqual(kind, "grant")
            self.assertEqual(body, {"scanout": scanout, "device": "", "label": f"desk{n}",
                                    "head": int(scanout[-1]) - 1, "container": "",
                                    "width": 1280 + n, "height": 800})
        for _, scanout in reversed(held):
            release(client, scanout)
            self.assertEqual(host.next(), ("end", {"scanout": scanout, "reason": "released"}))

    def test_takeover(self):
        """Of a scanout that changes hands, the end comes first."""
        self.start_daemon()
        _, host = self.link()
        client = self.client()
        host.settle()
        held, scanout = request(client, label="desk")
        self.assertEqual(host.next()[0], "grant")
        again, same = request(client, label="desk", takeover=True)
        self.assertEqual((scanout, bool(held), bool(again)), (same, True, True))
        self.assertEqual(host.next(), ("end", {"scanout": scanout, "reason": "takeover"}))
        self.assertEqual(host.next()[1]["label"], "desk")

    def test_asked_again(self):
        """Each hello of a host is answered with all there is."""
        self.start_daemon()
        client = self.client()
        held = [request(client, label=f"desk{n}") for n in range(3)]
        _, host = self.link()
        host.settle()
        for _ in range(3):
            self.assertEqual({scanout: tenant["label"] for scanout, tenant in host.ask().items()},
                             {scanout: f"desk{n}" for n, (_, scanout) in enumerate(held)})

    def test_no_daemon(self):
        """It says that there is none, and does not start it."""
        _, host = self.link()
        self.assertEqual([kind for kind, _ in host.until_ready()], ["hello", "ready"])
        self.assertEqual(host.ask(), {})
        self.start_daemon()
        self.assertEqual(host.next(), ("ready", {"daemon": True}))

    def test_daemon_restarts(self):
        """While it is away nothing is said to have ended; then what has ended meanwhile."""
        daemon = self.start_daemon()
        client = self.client()
        held, scanout = request(client, label="desk")
        _, host = self.link()
        host.settle()
        self.kill(daemon)
        self.assertEqual(host.next(), ("ready", {"daemon": False}))
        self.assertEqual(list(host.ask()), [scanout])
        os.close(held.take())
        self.start_daemon()
        self.assertEqual(host.next(), ("end", {"scanout": scanout, "reason": ""}))
        self.assertEqual(host.next(), ("ready", {"daemon": True}))
        held = request(client, label="again")
        self.assertEqual(host.next()[1]["label"], "again")
        release(client, held[1])

    def test_bus_restarts(self):
        self.start_daemon()
        process, host = self.link()
        host.settle()
        self.bus.daemon.kill()
        self.bus.daemon.wait()
        self.assertEqual(host.next(), ("ready", {"daemon": False}))
        self.assertIn("The system bus has closed the connection", process.stderr.readline())
        self.bus.daemon.stdout.close()
        self.bus.daemon = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--print-address", f"--config-file={self.folder}/conf"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.bus.daemon.stdout.readline()
        host.settle()


class Hostile(LinkCase):
    def test_garbage(self):
        """Whatever the host sends is passed over, and the next hello answered."""
        self.start_daemon()
        process, host = self.link()
        host.settle()
        chance = random.Random(11)
        for data in (chance.randbytes(100000), b"x" * 1000000, b"\0" * 5000, b"\n" * 5000,
                     b"[" * 4000 + b"\n", b'{"hello":5}\n', b'{"hello":{"version":-1}}\n',
                     b'{"hello":{"version":1,"program":"\\u0007"}}\n', b'{"later":{}}\n',
                     b'{"grant":{}}\n', b'{"hello":{"version":1,"program":"a"}} {}\n', b'"\n',
                     b'{"hello":{"version":1e999,"program":""}}\n', b'{"hello":{"version":1,'):
            host.socket.sendall(data)
            self.assertEqual(host.ask(), {})
        self.assertIsNone(process.poll())

    def test_host_does_not_read(self):
        """A full port stops nothing: what it did not take is dropped, and told anew when it does."""
        daemon = FakeDaemon(self.bus.address, {V1: scanout(0)})
        process, host = self.link(buffer=4096)
        host.settle()

        def memory():
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as f:
                return int(f.read().split()[1])
        before = memory()
        for generation in range(1, 4000):
            daemon.change(V1, **leased("desk", "c" * 64, generation))
        daemon.change(V1, **leased("last", "", 4000))
        # The bus has given it all of that once a later one has this.
        self.client().call_blocking(NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", "", ())
        messages = [host.next()]
        while messages[-1][0] != "hello":
            messages.append(host.next())
        self.assertLess(len(messages), 6000)
        self.assertEqual([kind for kind, _ in messages[:4]], ["grant", "end", "grant", "end"])
        (kind, body), *rest = host.until_ready()
        while body.get("label") != "last":  # it went on while we read
            kind, body = host.next()
        self.assertEqual(kind, "grant")
        self.assertIn(("ready", {"daemon": True}), rest)
        self.assertLess(memory() - before, 4096)

    def test_names(self):
        """What is no name for the host is left out; the rest is told."""
        daemon = FakeDaemon(self.bus.address, {
            V1: scanout(0, **leased("..", "lxc\x1b[31m \u00e9\n")),
            "card0-Virtual-2": scanout(1, **leased("x" * 65, "y" * 500)),
            "card0-Virtual-3": scanout(5000, **leased("far")),
            "card0-Virtual-4": scanout(3, PreferredWidth=dbus.UInt32(2**32 - 1), **leased("wide")),
            "card0-Virtual-5": scanout(4, **leased('"}{\n', "z" * 128)),
            "card0-Virtual_6": scanout(5, Label=dbus.UInt32(5), State="leased"),
            "z" * 90: scanout(6, **leased("long"))})
        process, host = self.link()
        self.assertIn("scanoutd's scanouts cannot be read", process.stderr.readline())
        del daemon.scanouts["card0-Virtual_6"]
        host.settle()
        told = host.ask()
        self.assertEqual({name: (body["label"], body["container"], body["width"])
                          for name, body in told.items()},
                         {V1: ("", "lxc?[31m ???", 0), "card0-Virtual-2": ("x" * 64, "y" * 128, 0),
                          "card0-Virtual-4": ("wide", "", 0), "card0-Virtual-5": ("", "z" * 128, 0)})

    def test_many(self):
        """More scanouts than there can be: those that fit are told."""
        FakeDaemon(self.bus.address, {f"card0-Virtual-{n + 1}": scanout(n, **leased("l" * 64, "c" * 128))
                                      for n in range(1000)})
        process, host = self.link()
        host.settle()
        self.assertIn("There are more than 256 scanouts", process.stderr.readline())
        self.assertEqual(len(host.ask()), 256)

    def test_cards_come_and_go(self):
        daemon = FakeDaemon(self.bus.address, {V1: scanout(0, **leased("one"))})
        _, host = self.link()
        host.settle()
        manager = "org.freedesktop.DBus.ObjectManager"
        daemon.emit(PATH, manager, "InterfacesAdded", "oa{sa{sv}}", path_of("card1-Virtual-1"),
                    {NAME + ".Scanout": {**scanout(0, **leased("two")), "Device": "/dev/dri/card1"}})
        self.assertEqual(host.next()[1]["label"], "two")
        daemon.emit(PATH, manager, "InterfacesRemoved", "oas", path_of(V1), [NAME + ".Scanout"])
        self.assertEqual(host.next(), ("end", {"scanout": V1, "reason": ""}))
        daemon.change(V1, **leased("nobody"))
        self.assertEqual(list(host.ask()), ["card1-Virtual-1"])

    def test_resized(self):
        """A tenant whose desktop is to have another size is told again."""
        daemon = FakeDaemon(self.bus.address, {V1: scanout(0, **leased("one"))})
        _, host = self.link()
        host.settle()
        daemon.change(V1, **leased("one"))
        daemon.change(V1, PreferredWidth=dbus.UInt32(800), PreferredHeight=dbus.UInt32(600),
                      **leased("one"))
        kind, body = host.next()
        self.assertEqual((kind, body["width"], body["height"]), ("grant", 800, 600))

    def test_host_gone(self):
        """It waits for the next one, without using the processor."""
        self.start_daemon()
        process, host = self.link()
        host.settle()
        host.close()
        client = self.client()

        def lease():
            held, scanout = request(client)
            release(client, scanout)
            del held

        def ticks():
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return fields[0], int(fields[11]) + int(fields[12])
        patience.wait_until(lambda: ticks()[0] == "S", "it sleeps")
        before = ticks()[1]
        for _ in range(100):
            lease()
        self.assertIsNone(process.poll())
        self.assertLess(ticks()[1] - before, 200)

    def test_forged_signals(self):
        """Signals count only if scanoutd sent them."""
        self.start_daemon()
        _, host = self.link()
        client, other = self.client(), self.client()
        host.settle()
        held, scanout = request(client, label="desk")
        self.assertEqual(host.next()[0], "grant")
        names = [str(name) for name in other.list_names()]
        for name in names:
            signal = dbus.lowlevel.SignalMessage(PATH, NAME + ".Manager", "ScanoutEnded")
            signal.append(path_of(scanout), "forged", signature="os")
            if name.startswith(":"):
                signal.set_destination(name)
            other.send_message(signal)
        other.flush()
        other.list_names()
        self.assertEqual((list(host.ask()), bool(held)), ([scanout], True))
        release(client, scanout)
        self.assertEqual(host.next(), ("end", {"scanout": scanout, "reason": "released"}))

    def test_usage(self):
        for args, code, said in ((["x"], 64, "Usage: "), (["--frob"], 64, "unrecognized"),
                                 (["--port", "/nonexistent"], 1, "No such file"),
                                 (["--port", "/dev/null"], 1, "Operation not permitted")):
            done = subprocess.run([SCANOUT_LINK, *args], stdin=subprocess.DEVNULL, env=self.env,
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (code, ""), done)
            self.assertIn(said, done.stderr)
        for args in (["--help"], ["--version"]):
            done = subprocess.run([SCANOUT_LINK, *args], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0)
            self.assertIn("scanout-link", done.stdout)


if __name__ == "__main__":
    unittest.main()

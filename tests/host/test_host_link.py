#!/usr/bin/python3
"""scanout-host --link: desktops by name, and a VM that says what it likes."""
import json
import random
import unittest

import PIL.Image

from fake_link import HELLO, FakeLink, grant, lines, ready
from host_rig import BLUE, GREEN, HEIGHT, RED, WIDTH, Bus, Case, FakeQemu

CONTAINER = "1a2b3c4d5e6f" + "0" * 52


class Link(Case):
    def link(self, *messages, **options):
        link = FakeLink(self.folder, *messages, **options)
        self.addCleanup(link.close)
        return link

    def list(self, link, code=0, said=""):
        out = self.finish(self.start("list", "--json", "--link", link.path), code, said)
        return {row["head"]: (row["label"], row["container"], row["scanout"])
                for row in json.loads(out)["scanouts"]}


class Listed(Link):
    def test_table(self):
        """Whose desktop is on which head; heads of a GPU that is not known count for each."""
        self.qemu(gpus=(("pci/0000/02.0", 2), ("pci/0000/03.0", 1)))
        link = self.link(grant(0, "desk", CONTAINER), grant(1, device="pci/0000/03.0"),
                         grant(0, "other", "web", device="pci/0000/03.0", scanout="card1-Virtual-1"))
        self.assertEqual(self.finish(self.start("list", "--link", link.path), 0), """\
SCANOUT    HEAD  DEVICE         SIZE     CAPTURE  LABEL  CONTAINER     LEASED
vm/02.0/0  0     pci/0000/02.0  640x480  -        desk   1a2b3c4d5e6f  card0-Virtual-1
vm/02.0/1  1     pci/0000/02.0  640x480  -        -      -             -
vm/03.0/0  0     pci/0000/03.0  640x480  -        other  web           card1-Virtual-1
""")
        (name, body), = link.said.get().items()
        self.assertEqual((name, body["version"]), ("hello", 1))

    def test_json(self):
        self.qemu()
        self.assertEqual(self.list(self.link(grant(1, "desk", CONTAINER, device=""))),
                         {0: ("", "", ""), 1: ("desk", CONTAINER, "card0-Virtual-2")})

    def test_changes(self):
        """What a hello or an end takes back does not count, nor what comes before the first one."""
        self.qemu()
        link = self.link()
        link.answer = lines(
            b'"}}\n', grant(0, "old"), ready(), b'{"grant":{"scan', b"\n", HELLO, grant(0, "first"),
            HELLO, grant(0, "desk"), grant(1, "gone"), grant(0, "desk2"),
            {"end": {"scanout": "card0-Virtual-2", "reason": "closed"}},
            {"end": {"scanout": "card0-Virtual-9", "reason": ""}}, ready())
        self.assertEqual(self.list(link), {0: ("desk2", "", "card0-Virtual-1"), 1: ("", "", "")})

    def test_two_vms(self):
        """A link is of the VM that is named before it."""
        self.qemu()
        one, two = self.link(grant(0, "first")), self.link(grant(0, "second"), name="two")
        with Bus(None) as bus:
            FakeQemu(bus.address)
            out = self.finish(self.start("list", "--json", "--link", one.path, "--vm",
                                         f"b={bus.address}", "--link", two.path), 0)
        self.assertEqual([(row["id"], row["label"]) for row in json.loads(out)["scanouts"]],
                         [("vm/0", "first"), ("vm/1", ""), ("b/0", "second"), ("b/1", "")])
        ran = self.run_alone("--link", one.path, "--vm", f"a={self.bus.address}", "list")
        self.check(ran.returncode, ran.stdout, ran.stderr, 0)
        self.assertIn("first", ran.stdout)

    def test_unreachable(self):
        """The rest is shown all the same."""
        self.qemu()
        link = self.link()
        ran = self.start("list", "--link", "/nonexistent")
        self.assertIn("vm/1", self.finish(ran, 3, "LinkUnreachable: vm: The socket of the link"))
        link.answer = lines({"hello": {"version": 2, "program": "x"}}, grant(0, "desk"), ready())
        self.assertEqual(self.list(link, 3, '"LinkVersion"')[0], ("", "", ""))
        link.answer = lines(HELLO, grant(0, "desk"))
        self.assertEqual(self.list(link, 3, '"LinkSilent"')[0], ("", "", ""))
        self.finish(self.start("list", "--link", "x", "--link", "y"), 2,
                    "There are two links of one VM, 'x' and 'y'.")

    def test_busy(self):
        """Those who are in line get their turn."""
        self.qemu()
        link = self.link(grant(0, "desk"))
        started = [self.start("list", "--link", link.path) for _ in range(8)]
        for process in started:
            self.assertIn("desk", self.finish(process, 0))


class Hostile(Link):
    def test_garbage(self):
        """What is no message is passed over, what is wrong is refused; the rest counts."""
        self.qemu()
        link = self.link()
        chance = random.Random(5)
        bad = [grant(0, "\x1b[31mred"), grant(0, "a/../b"), grant(0, ".."), grant(0, 'a"b'),
               grant(0, "x" * 65), grant(0, "a b"), grant(0, "$(id)"), grant(0, "desk\n"),
               grant(0, "é"), grant(0, 5), grant(-1), grant(0.5), grant(10**9),
               grant(0, container="\x1b]0;x\x07"), grant(0, container="x" * 200),
               grant(0, scanout="../../etc"), grant(0, device="/dev/x;rm"), grant(0, width=10**6),
               {"grant": {**grant(0, "desk")["grant"], "head": "0"}}, {"grant": []}, {"grant": None}, {"end": {}}, {"ready": {"daemon": "yes"}}, [], 7, "x",
               None, {"hello": {"version": "1"}}, {"later": {"x": 1}}]
        noise = chance.randbytes(100000).replace(b"\n", b"\0")
        link.answer = lines(noise, b"\n", HELLO, noise + b"\n", b"x" * 1000000, b"\n",
                            b"[" * 4000 + b"\n", *bad, grant(1, "good"), ready())
        found = self.list(link, 0, "a line of the VM's is refused")
        self.assertEqual(found, {0: ("", "", ""), 1: ("good", "", "card0-Virtual-2")})

    def test_no_newline(self):
        self.qemu()
        link = self.link()
        link.answer = lines(HELLO, grant(0, "desk"), b"x" * 1000000)
        self.list(link, 3, '"LinkSilent"')

    def test_no_such_scanout(self):
        """Tenants of heads that there are not are nobody's."""
        self.qemu()
        link = self.link(grant(99, "far"), grant(0, "away", device="pci/0000/09.0", scanout="card9-x"))
        self.assertEqual(set(self.list(link).values()), {("", "", "")})
        for name, said in (("far", "NoSuchScanout: "), ("away", "NoSuchScanout: ")):
            self.finish(self.start("shot", name, "-o", self.folder / "x", "--link", link.path), 1, said)

    def test_flood(self):
        """More tenants than there can be, and a VM that never stops: what was told by then counts."""
        self.qemu()
        link = self.link()
        link.answer = lines(HELLO, *(grant(n % 1000, f"l{n}", scanout=f"x-{n}") for n in range(3000)),
                            grant(1, "late"), ready(), *[grant(0, "more")] * 100000)
        found = self.list(link, 0, "a VM has at most 256 tenants")
        self.assertEqual((found[0][0], found[1][0]), ("l0", "l1"))


class Named(Link):
    def colour(self, name="x.png"):
        return PIL.Image.open(self.folder / name).getpixel((5, 5))

    def shoot(self, link, name, **options):
        return self.start("shot", name, "-o", self.folder / "x.png", "--link", link.path, **options)

    def test_shot(self):
        """By the label, by the VM's name of the scanout, with and without the VM's name."""
        qemu = self.qemu()
        link = self.link(grant(1, "desk:1"))
        for name in ("desk:1", "vm/desk:1", "card0-Virtual-2", "1"):
            process = self.shoot(link, name)
            qemu.wait_listener(1).show(self.picture(GREEN), WIDTH, HEIGHT)
            self.finish(process, 0)
            self.assertEqual(self.colour(), GREEN)

    def test_heads_come_first(self):
        """A label cannot stand in for a head, nor for a scanout."""
        qemu = self.qemu()
        link = self.link(grant(1, "0", scanout="a"), grant(0, "a", scanout="b"))
        for name, head in (("0", 0), ("a", 1)):
            process = self.shoot(link, name)
            qemu.wait_listener(head).show(self.picture(RED), WIDTH, HEIGHT)
            self.finish(process, 0)
        self.finish(self.shoot(link, "9"), 1, "NoSuchScanout: 'vm' has no scanout '9'")

    def test_refused(self):
        self.qemu()
        link = self.link(grant(0, "twin"), grant(1, "twin"))
        self.finish(self.shoot(link, "desk"), 1, "NoSuchScanout: 'vm' has no scanout and no label "
                    "'desk'. Type: scanout-host list")
        self.finish(self.shoot(link, "twin"), 1, "AmbiguousScanout: Several scanouts of 'vm' have the "
                    "label 'twin'. Name one by its head")
        self.finish(self.shoot(link, ""), 1, "NoSuchScanout: ")
        link.close()
        self.finish(self.shoot(link, "desk"), 3, "LinkUnreachable: ")
        link.listen()

    def test_two_gpus(self):
        qemu = self.qemu(gpus=(("pci/0000/02.0", 1), ("pci/0000/03.0", 1)))
        link = self.link(grant(0, "desk", device="pci/0000/03.0"),
                         grant(0, "where", device="", scanout="x"))
        process = self.shoot(link, "desk")
        device, _, listener = qemu.registered.get()
        self.assertEqual(device, "pci/0000/03.0")
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        self.finish(process, 0)
        self.finish(self.shoot(link, "where"), 1, "AmbiguousScanout: ")

    def test_line_is_left(self):
        """Whoever records does not keep the link from others."""
        qemu = self.qemu()
        link = self.link(grant(1, "desk"))
        process = self.start("record", "desk", "-o", self.folder / "x.h264", "--link", link.path)
        listener = qemu.wait_listener(1)
        listener.show(self.picture(BLUE), WIDTH, HEIGHT)
        self.assertEqual(self.list(link)[1][0], "desk")
        process.terminate()

    def test_qemu_restarts(self):
        """The desktop is looked up again, where it is then, and may come late."""
        qemu = self.qemu()
        link = self.link(grant(1, "desk"))
        process = self.start("record", "desk", "-o", self.folder / "x.h264", "--link", link.path)
        qemu.wait_listener(1)
        link.said.get()
        link.close()
        qemu.kill()
        self.assertIn("QEMU is gone. Waiting", process.stderr.readline())
        link.answer = lines(HELLO, ready())
        link.listen()
        qemu = FakeQemu(self.bus.address)
        connection = link.connected.get()
        link.said.get()
        # After its answer to that, in which the desktop is not.
        connection.sendall(lines(grant(0, "desk"), grant(1, "x")))
        qemu.wait_listener(0)
        self.assertIn("QEMU is back.", process.stderr.readline())
        process.terminate()


class Told(Link):
    def doctor(self, link, code=0):
        process = self.start("doctor", "--link", link.path)
        out, _ = process.communicate()
        self.assertEqual(process.returncode, code)
        return out

    def test_doctor(self):
        qemu = self.qemu(gpus=())
        link = self.link(grant(0, "desk"))
        self.assertIn("ok    vm link     scanout-link answers, with 1 leases", self.doctor(link, 1))
        link.answer = lines(HELLO, ready(False))
        self.assertIn("warn  vm link     scanout-link answers, but scanoutd does not run",
                      self.doctor(link, 1))
        link.answer = b""
        self.assertIn("FAIL  vm link     The VM does not answer on the link.", self.doctor(link, 1))
        self.assertTrue(qemu.registered.empty())

    def test_qemu_args(self):
        """One that comma-separated options understand."""
        out = self.finish(self.start("qemu-args", "--link", "/run/a,b/link"), 0)
        self.assertIn(" -device virtio-serial-pci -chardev socket,id=link,path=/run/a,,b/link,"
                      "server=on,wait=off -device virtserialport,chardev=link,"
                      "name=org.scanoutd.host.0\n", out)


if __name__ == "__main__":
    unittest.main()

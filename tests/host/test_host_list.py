#!/usr/bin/python3
"""scanout-host list, and how VMs and scanouts are named."""
import json
import os
import unittest

from fake_qemu import Refused
from host_rig import HEIGHT, RED, WIDTH, Bus, Case, FakeQemu


class List(Case):
    def test_table(self):
        """Heads are found by device and number, in order, whatever the order of QEMU's consoles."""
        qemu = self.qemu(gpus=(("pci/0000/03.0", 1), ("pci/0000/02.0", 2)))
        process = self.start("list", "--probe")
        qemu.wait_listener(0).show(self.picture(RED), WIDTH, HEIGHT)
        self.assertEqual(self.finish(process, 0), """\
SCANOUT    HEAD  DEVICE         SIZE     CAPTURE
vm/02.0/0  0     pci/0000/02.0  640x480  map
vm/02.0/1  1     pci/0000/02.0  640x480  map
vm/03.0/0  0     pci/0000/03.0  640x480  map
""")

    def test_no_listener(self):
        """Unless it is told to probe, it asks QEMU for no picture: QEMU would not forget that."""
        qemu = self.qemu()
        out = self.finish(self.start("list"), 0)
        self.assertEqual(out.splitlines()[1], "vm/0     0     pci/0000/02.0  640x480  -")
        self.assertTrue(qemu.registered.empty())

    def test_several_vms(self):
        """Each by its name; one that cannot be reached does not keep the others from being shown."""
        qemu = self.qemu()
        with Bus(None) as other_bus:
            other = FakeQemu(other_bus.address, gpus=(("pci/0000/02.0", 1),))
            process = self.start("list", "--probe", "--json", "--vm", f"one={other_bus.address}",
                                 "--vm", "two=unix:path=/nonexistent")
            qemu.wait_listener(0).show(self.picture(RED), WIDTH, HEIGHT)
            listener = other.wait_listener(0)
            with self.assertRaises(Refused):
                listener.scanout_map(self.memory(1), WIDTH, HEIGHT)
            listener.scanout(WIDTH, HEIGHT, bytes(4 * WIDTH * HEIGHT))
            out, err = process.communicate()
        self.assertEqual(process.returncode, 3, err)
        self.assertIn('"error":"BusUnreachable"', err)
        self.assertIn("two: ", err)
        found = json.loads(out)["scanouts"]
        self.assertEqual([(row["id"], row["capture"]) for row in found],
                         [("vm/0", "map"), ("vm/1", "map"), ("one/0", "messages")])
        self.assertEqual(found[1], {"id": "vm/1", "vm": "vm", "device": "pci/0000/02.0", "head": 1,
                                    "width": 640, "height": 480, "capture": "map", "label": "",
                                    "container": "", "scanout": ""})

    def test_no_qemu(self):
        self.finish(self.start("list"), 3, "NoQemu: vm: No QEMU has its display on this bus.")

    def test_no_heads(self):
        self.qemu(gpus=())
        self.assertEqual(self.finish(self.start("list"), 0),
                         "SCANOUT  HEAD  DEVICE  SIZE  CAPTURE\n")

    def test_user_s_bus(self):
        """Without an address it is the bus on which QEMU's -display dbus is by itself."""
        self.qemu()
        ran = self.run_alone("list", env={**os.environ,
                                          "DBUS_SESSION_BUS_ADDRESS": self.bus.address})
        self.check(ran.returncode, ran.stdout, ran.stderr, 0)
        self.assertIn("vm/1", ran.stdout)
        env = {name: value for name, value in os.environ.items()
               if name not in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")}
        ran = self.run_alone("list", env=env)
        self.check(ran.returncode, ran.stdout, ran.stderr, 3,
                   "BusUnreachable: There is no user's bus here. Name QEMU's by --address")


class Usage(Case):
    def usage(self, said, *args):
        ran = self.run_alone(*args)
        self.check(ran.returncode, ran.stdout, ran.stderr, 2, said)
        self.assertEqual(ran.stdout, "")

    def test_wrong(self):
        self.usage("Name a command: list")
        self.usage("There is no command 'lst'.", "lst")
        self.usage("'--frob' is not an option here.\nUsage: scanout-host list", "list", "--frob")
        self.usage("'x' is one argument too many.", "list", "x")
        self.usage("Option '--vm' needs a value.", "list", "--vm")
        self.usage("'a' is not NAME=ADDRESS", "--vm", "a", "list")
        self.usage("'a/b=x' is not NAME=ADDRESS", "--vm", "a/b=x", "list")
        self.usage("There are two VMs 'a'.", "--vm", "a=x", "--vm", "a=y", "list")
        self.usage("64 VMs are the most", *(part for n in range(65) for part in ("--vm", f"v{n}=x")),
                   "list")
        self.usage("Name a scanout by its head", "--address", "x", "shot", "-o", "y")
        self.usage("Name a file by -o", "--address", "x", "shot", "0")
        self.usage("'0' does not say of which VM: a/0?", "--vm", "a=x", "--vm", "b=x", "shot", "0",
                   "-o", "y")
        self.usage('{"error":"Usage","message":"There is no command \'lst\'."}', "--json", "lst")

    def test_help_and_version(self):
        for args in (("--help",), ("list", "--help"), ("shot", "-h"), ("--version",)):
            ran = self.run_alone(*args)
            self.check(ran.returncode, ran.stdout, ran.stderr, 0)
            self.assertIn("scanout-host", ran.stdout)


if __name__ == "__main__":
    unittest.main()

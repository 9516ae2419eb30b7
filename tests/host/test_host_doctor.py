#!/usr/bin/python3
"""scanout-host doctor and qemu-args: what helps, in words to type."""
import json
import unittest

from fake_qemu import Refused
from host_rig import HEIGHT, RED, WIDTH, Case


class Doctor(Case):
    def test_well(self):
        qemu = self.qemu()
        process = self.start("doctor")
        qemu.wait_listener().show(self.picture(RED), WIDTH, HEIGHT)
        self.assertEqual(self.finish(process, 0), """\
ok  vm          QEMU answers, with 2 scanouts
ok  vm capture  QEMU shares its pictures
ok  encoder     libavcodec has libx264
""")

    def test_copies(self):
        """A warning is no failure."""
        qemu = self.qemu()
        process = self.start("doctor")
        qemu.wait_listener().scanout(WIDTH, HEIGHT, bytes(4 * WIDTH * HEIGHT))
        self.assertIn("warn  vm capture  QEMU sends copies of its pictures",
                      self.finish(process, 0))

    def test_gpu_memory(self):
        qemu = self.qemu()
        process = self.start("doctor", "--json")
        with self.assertRaises(Refused):
            qemu.wait_listener().dmabuf(self.memory(4096))
        told = json.loads(self.finish(process, 1, "QEMU has its pictures in a GPU."))
        self.assertEqual(told["ok"], False)
        self.assertEqual(told["checks"][1], {
            "check": "vm capture", "result": "fail", "type": "scanout-host qemu-args",
            "message": "QEMU has its pictures in a GPU. Start it without gl=on."})

    def test_no_qemu(self):
        out = self.finish(self.start("doctor"), 1)
        self.assertIn("FAIL  vm       No QEMU has its display on this bus.", out)
        self.assertIn("Type: scanout-host qemu-args", out)

    def test_no_gpu(self):
        self.qemu(gpus=())
        self.assertIn("The VM has no virtio-gpu", self.finish(self.start("doctor"), 1))


class QemuArgs(Case):
    def arguments(self, *args, address="unix:path=/run/x/bus"):
        return self.finish(self.start("qemu-args", *args, address=address), 0)

    def test_sixteen(self):
        self.assertEqual(
            self.arguments(),
            "-vga none -device virtio-gpu-pci,id=gpu0,max_outputs=16,max_hostmem=512M "
            "-display dbus,addr=unix:path=/run/x/bus\n")
        self.assertEqual(self.arguments(), self.arguments("-n", "16", "--size", "1920x1080"))

    def test_memory(self):
        """Four buffers for each head, and never less than QEMU gives by itself."""
        self.assertIn("max_outputs=1,max_hostmem=256M", self.arguments("-n", "1"))
        self.assertIn("max_hostmem=2048M", self.arguments("--size", "3840x2160"))

    def test_commas(self):
        """One in the address would end QEMU's option."""
        self.assertIn("addr=unix:path=/x,,guid=1\n",
                      self.arguments(address="unix:path=/x,guid=1"))

    def test_usage(self):
        for said, *args in (("-n is a number from 1 to 16", "-n", "17"),
                            ("-n is a number", "-n", "0"), ("-n is a number", "-n", "x"),
                            ("--size is WIDTHxHEIGHT", "--size", "9"),
                            ("A QEMU has one VM", "--vm", "a=b")):
            self.finish(self.start("qemu-args", *args), 2, said)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-host shot: the right picture, from maps and from messages."""
import io
import unittest

import PIL.Image

from fake_qemu import Refused, pixels
from host_rig import BLUE, GREEN, HEIGHT, RED, WIDTH, Case


class Shot(Case):
    def colours(self, name="x.png"):
        """Each colour of the saved picture, and how many pixels have it."""
        picture = PIL.Image.open(self.folder / name)
        self.assertEqual(picture.size, (WIDTH, HEIGHT))
        return {colour: count for count, colour in picture.getcolors()}

    def shoot(self, scanout, *args, **options):
        return self.start("shot", scanout, "-o", self.folder / "x.png", *args, **options)

    def test_map(self):
        """Only the head that is wanted gets a listener, and the PNG has its picture."""
        qemu = self.qemu(gpus=(("pci/0000/02.0", 3), ("pci/0000/03.0", 3)))
        process = self.shoot("03.0/2")
        device, head, listener = qemu.registered.get()
        self.assertEqual((device, head), ("pci/0000/03.0", 2))
        self.assertEqual(listener.interfaces, ["org.qemu.Display1.Listener.Unix.Map"])
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        self.assertEqual(self.finish(process, 0), "")
        self.assertEqual(self.colours(), {RED: WIDTH * HEIGHT})
        self.assertTrue(qemu.registered.empty())
        listener.closed.wait()

    def test_offset_and_stride(self):
        """A picture inside a larger buffer, as of one buffer for several heads."""
        qemu = self.qemu()
        process = self.shoot("vm/1")
        wide = b"".join(pixels(WIDTH, 1, GREEN) + pixels(10, 1, BLUE) for _ in range(HEIGHT))
        fd = self.memory(100 + len(wide), bytes(100) + wide)
        qemu.wait_listener(1).show(fd, WIDTH, HEIGHT, offset=100, stride=4 * (WIDTH + 10))
        self.finish(process, 0)
        self.assertEqual(self.colours(), {GREEN: WIDTH * HEIGHT})

    def test_messages(self):
        """Of a QEMU that cannot share its memory: rows may be longer than the picture."""
        qemu = self.qemu()
        process = self.shoot("0")
        rows = b"".join(pixels(WIDTH, 1, BLUE) + bytes(8) for _ in range(HEIGHT))
        qemu.wait_listener(0).scanout(WIDTH, HEIGHT, rows, stride=4 * WIDTH + 8)
        self.finish(process, 0)
        self.assertEqual(self.colours(), {BLUE: WIDTH * HEIGHT})

    def test_stdout(self):
        qemu = self.qemu()
        process = self.start("shot", "0", "-o", "-", text=False)
        qemu.wait_listener(0).show(self.picture(GREEN), WIDTH, HEIGHT)
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertEqual(PIL.Image.open(io.BytesIO(out)).getpixel((9, 9)), GREEN)

    def test_names(self):
        """Each refusal says what there is."""
        self.qemu(gpus=(("pci/0000/02.0", 2), ("pci/0000/03.0", 1)))
        self.finish(self.shoot("7"), 1, "NoSuchScanout: 'vm' has no scanout '7'.")
        self.finish(self.shoot("vm/7"), 1, "NoSuchScanout: 'vm' has no scanout '7'.")
        self.finish(self.shoot("04.0/0"), 1, "NoSuchScanout: ")
        self.finish(self.shoot("0"), 1, "AmbiguousScanout: Several GPUs of 'vm' have a head 0.")
        self.finish(self.shoot("frob"), 1, "NoSuchScanout: ")
        self.finish(self.shoot("1x"), 1, "NoSuchScanout: ")

    def test_unreachable(self):
        self.finish(self.shoot("0"), 3, "NoQemu: ")
        self.finish(self.shoot("0", address="unix:path=/nonexistent"), 3, "BusUnreachable: ")
        self.finish(self.shoot("0", address="frob"), 3, "BusUnreachable: ")

    def test_refused_by_qemu(self):
        self.qemu(refuses=True)
        self.finish(self.shoot("0"), 3, "QemuGone: QEMU closed the connection before")

    def test_gone_before_a_picture(self):
        qemu = self.qemu()
        process = self.shoot("0")
        qemu.wait_listener().close()
        self.finish(process, 3, "QemuGone: ")

    def test_gpu_memory(self):
        """Pictures in a GPU are refused, in words that say what to change."""
        qemu = self.qemu()
        process = self.shoot("0")
        with self.assertRaisesRegex(Refused, "NotSupported"):
            qemu.wait_listener().dmabuf(self.memory(4096))
        self.finish(process, 1, "Unsupported: QEMU has its pictures in a GPU.")

    def test_unwritable(self):
        qemu = self.qemu()
        for path, said in (("/nonexistent/x", "There is no such folder."),
                           (self.folder, "That is a folder."),
                           ("/dev/full", "The disk is full.")):
            process = self.start("shot", "0", "-o", path)
            qemu.wait_listener(0).show(self.picture(RED), WIDTH, HEIGHT)
            self.finish(process, 1, f"OutputFailed: '{path}' cannot be written: {said}")


if __name__ == "__main__":
    unittest.main()

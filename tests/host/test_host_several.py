#!/usr/bin/python3
"""scanout-host record of several scanouts at once: each in a file of its own, and one that fails
stops nobody else."""
import json
import signal
import unittest

from host_rig import BLUE, GREEN, HEIGHT, RED, WIDTH, Case, patience
from test_host_record import frames

COLOURS = (RED, GREEN, BLUE)


class Several(Case):
    def record(self, *scanouts, options=()):
        return self.start("record", "-o", self.folder, *options, *scanouts)

    def show(self, qemu, count):
        """Each head in a colour of its own; the listeners by head."""
        listeners = {}
        for _ in range(count):
            _, head, listener = qemu.registered.get()
            listener.show(self.picture(COLOURS[head]), WIDTH, HEIGHT)
            listeners[head] = listener
        return listeners

    def wait_begun(self, *names):
        patience.wait_until(lambda: all((self.folder / name).exists() and
                                        (self.folder / name).stat().st_size for name in names),
                            f"all of {names} have begun")

    def test_each_in_its_file(self):
        qemu = self.qemu(gpus=(("pci/0000/02.0", 3),))
        process = self.record("vm/0", "vm/1", "2")
        self.show(qemu, 3)
        names = ("vm-0.mp4", "vm-1.mp4", "2.mp4")
        self.wait_begun(*names)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        for head, name in enumerate(names):
            self.assertIn(f"vm/{head}: ", err)
            self.assertTrue(frames(self.folder / name)[-1].shows(COLOURS[head]), name)

    def test_one_fails(self):
        """One scanout is not there, and the file of another cannot be written: both are told, and
        the third is recorded."""
        qemu = self.qemu()
        (self.folder / "0.h264").symlink_to("/dev/full")
        process = self.record("0", "1", "7", options=("--format", "h264", "--json"))
        self.show(qemu, 2)
        self.wait_begun("1.h264")
        told = {json.loads(process.stderr.readline())["error"] for _ in range(2)}
        self.assertEqual(told, {"NoSuchScanout", "OutputFailed"})
        process.send_signal(signal.SIGINT)
        (recorded,) = json.loads(self.finish(process, 1))["recordings"]
        self.assertEqual(recorded["recorded"], str(self.folder / "1.h264"))
        self.assertEqual(len(frames(self.folder / "1.h264")), recorded["frames"])

    def test_all_fail(self):
        """It ends when nothing is left to record."""
        self.qemu()
        process = self.record("8", "9")
        _, err = process.communicate()
        self.assertEqual((process.returncode, err.count("NoSuchScanout: ")), (1, 2), err)

    def test_usage(self):
        self.qemu()
        path = self.folder / "x.mp4"
        self.finish(self.start("record", "-o", path, "0", "1"), 2,
                    f"Several scanouts need a folder: '{path}' is none. Type: mkdir -p ")
        self.finish(self.start("record", "-o", "-", "0", "1"), 2, "Several scanouts need a folder")
        self.finish(self.record("0", "1", "0"), 2, "'0' is named twice.")
        self.finish(self.start("record", "-o", path), 2, "Name a scanout by its head")


if __name__ == "__main__":
    unittest.main()

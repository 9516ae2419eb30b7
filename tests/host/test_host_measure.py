#!/usr/bin/python3
"""scanout-host measure: what came is counted, of each scanout, by maps and by messages."""
import json
import unittest

from fake_qemu import pixels
from host_rig import BLUE, GREEN, HEIGHT, RED, WIDTH, Case

GPU = "pci/0000/02.0"


class Measure(Case):
    def measure(self, *args, **options):
        return self.start("measure", "--seconds", 1, *args, **options)

    def rows(self, process):
        found = json.loads(self.finish(process, 0))
        self.assertEqual(found["seconds"], 1)
        self.assertGreater(found["cpu_usec"], 0)
        return {row["id"]: row for row in found["scanouts"]}

    def flip_until_over(self, process, listener):
        """Flips until the program has ended."""
        fds = [self.picture(colour) for colour in (RED, GREEN)]
        try:
            while process.poll() is None:
                for fd in fds:
                    listener.show(fd, WIDTH, HEIGHT)
        except Exception:  # it hung up, as it does at its end
            pass

    def test_flips(self):
        """Of two scanouts, one flips and the other is still."""
        qemu = self.qemu(gpus=((GPU, 2),))
        process = self.measure("--json")
        listeners = {}
        for _ in range(2):
            _, head, listener = qemu.registered.get()
            listeners[head] = listener
        listeners[1].show(self.picture(BLUE), WIDTH, HEIGHT)
        self.flip_until_over(process, listeners[0])
        rows = self.rows(process)
        self.assertEqual(list(rows), ["vm/0", "vm/1"])
        flips, still = rows.values()
        self.assertEqual((flips["capture"], still["capture"]), ("map", "map"))
        self.assertGreater(flips["frames"], 0)
        self.assertGreaterEqual(flips["frames"], flips["read"])
        self.assertEqual(flips["bytes"], flips["read"] * WIDTH * HEIGHT * 4)
        self.assertLessEqual(flips["age_p50_usec"], flips["age_p99_usec"])
        self.assertEqual((still["frames"], still["read"], still["bytes"]), (0, 0, 0))

    def test_damage(self):
        """Only what has changed is read."""
        qemu = self.qemu(gpus=((GPU, 1),))
        process = self.measure("--json", "0")
        listener = qemu.wait_listener(0)
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        try:
            while process.poll() is None:
                listener.update_map(8, 8, 4, 2)
        except Exception:  # it hung up
            pass
        row = self.rows(process)["vm/0"]
        self.assertGreater(row["read"], 0)
        self.assertEqual(row["bytes"], row["read"] * 4 * 2 * 4)

    def test_copies(self):
        """QEMU is not told of the shared memory, and sends messages."""
        qemu = self.qemu()
        process = self.measure("--copies", "1")
        listener = qemu.wait_listener(1)
        self.assertEqual(listener.interfaces, [])
        listener.scanout(WIDTH, HEIGHT, pixels(WIDTH, HEIGHT, RED))
        out = self.finish(process, 0)
        self.assertRegex(out, r"^SCANOUT +CAPTURE +FRAMES/S +READ/S +AGE MS +P99 MS\n"
                              r"vm/1 +messages +0\.0 +0\.0 +0\.00 +0\.00\n"
                              r"0\.0 pictures read a second in all; 0\.00 ms of CPU for each\n$")

    def test_without_a_picture(self):
        """A scanout of which nothing comes does not hold the others up."""
        qemu = self.qemu(gpus=((GPU, 2),))
        process = self.measure("--json")
        for _ in range(2):
            _, head, listener = qemu.registered.get()
            if head == 0:
                listener.show(self.picture(RED), WIDTH, HEIGHT)
        self.assertEqual(self.rows(process)["vm/1"]["capture"], "")

    def test_refused(self):
        self.finish(self.measure("0"), 3, "NoQemu: ")
        for args, said in ((("--seconds", "0"), "--seconds is a number from 1 to 3600."),
                           (("--seconds", "x"), "--seconds is a number from 1 to 3600."),
                           (("--frob",), "'--frob' is not an option here.")):
            self.finish(self.start("measure", *args), 2, said)
        two = ("--vm", "other=unix:path=/nonexistent")
        self.finish(self.measure(*two), 2, "Name scanouts of one VM")
        self.finish(self.measure(*two, "vm/0", "other/0"), 2, "'other/0' is of another VM")
        self.qemu(gpus=((GPU, 1), ("pci/0000/03.0", 1)))
        self.finish(self.measure("9"), 1, "NoSuchScanout: 'vm' has no scanout '9'.")
        self.finish(self.measure("0"), 1, "AmbiguousScanout: ")

    def test_qemu_gone(self):
        qemu = self.qemu()
        process = self.start("measure", "--seconds", 3600)
        qemu.wait_listener()
        qemu.wait_listener()
        qemu.kill()
        self.finish(process, 3, "QemuGone: ")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanout-host record: what it encodes when, and how recordings end."""
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import unittest
from dataclasses import dataclass

from fake_qemu import FakeQemu, Refused, pixels
from host_rig import BLUE, GREEN, HEIGHT, RED, WIDTH, Case, patience

PROBE_VIDEO = os.environ.get("PROBE_VIDEO", "build/probe-video")
MAX_REPAINTS = 3


@dataclass
class Frame:
    usec: int
    is_key: bool
    size: tuple
    colour: tuple

    def shows(self, colour):
        return all(abs(one - other) < 24 for one, other in zip(self.colour, colour))


def frames(path):
    """What a player shows of a video."""
    out = subprocess.run([PROBE_VIDEO, path], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in out.splitlines()]
    return [Frame(usec, bool(key), (width, height), (red, green, blue))
            for usec, key, width, height, red, green, blue in rows]


def slices(video):
    """The sizes of the pictures of an Annex B file, each of which is one slice."""
    units = re.split(rb"\x00\x00\x00?\x01", video)[1:]
    return [len(unit) for unit in units if unit[0] & 31 in (1, 5)]


class Record(Case):
    def record(self, *args, name="x.mp4", **options):
        self.path = self.folder / name
        self.process = self.start("record", "0", "-o", self.path, *args, **options)
        return self.process

    def stop(self, process, code=0, said="vm/0: "):
        process.send_signal(signal.SIGINT)
        return self.finish(process, code, said)

    def wait_bytes(self, n):
        """Until the file is larger: what was shown before is in it."""
        def look():
            self.assertIsNone(self.process.poll(), "it records no more")
            size = self.path.stat().st_size
            return size > n and size
        return patience.wait_until(look, f"the recording has more than {n} bytes")

    def wait_rest(self):
        """Until nothing is encoded any more: the improved pictures are written."""
        seen = 0
        while (now := len(frames(self.path))) < 1 + MAX_REPAINTS or now != seen:
            seen = now
        return seen

    def test_h264(self):
        """The first frame is a key frame; each colour that was shown is there, in order."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264")
        listener = qemu.wait_listener()
        size = 0
        for colour in (RED, GREEN, BLUE):
            listener.show(self.picture(colour), WIDTH, HEIGHT)
            size = self.wait_bytes(size)
        self.stop(process)
        found = frames(self.path)
        self.assertTrue(found[0].is_key)
        self.assertTrue(found[0].shows(RED), found[0])
        self.assertEqual([frame.is_key for frame in found[1:]], [False] * (len(found) - 1))
        seen = [colour for frame in found for colour in (RED, GREEN, BLUE) if frame.shows(colour)]
        self.assertEqual(len(seen), len(found))
        self.assertEqual(seen, sorted(seen, key=(RED, GREEN, BLUE).index))
        self.assertEqual(seen[-1], BLUE)

    def test_mp4(self):
        """SIGINT completes the file: the last picture lasts until then."""
        qemu = self.qemu()
        process = self.record("--json")
        qemu.wait_listener().show(self.picture(GREEN), WIDTH, HEIGHT)
        self.wait_bytes(0)
        told = json.loads(self.stop(process, said=""))
        found = frames(self.path)
        self.assertEqual(told["recorded"], str(self.path))
        self.assertEqual(told["frames"], len(found))
        self.assertEqual(told["bytes"], self.path.stat().st_size)
        self.assertTrue(all(frame.shows(GREEN) for frame in found), found)
        self.assertEqual(found[0].usec, 0)
        self.assertAlmostEqual(found[-1].usec, told["usec"], delta=1e6)

    def test_messages(self):
        """Copied updates are put where they belong; those outside are refused."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264")
        listener = qemu.wait_listener()
        listener.scanout(WIDTH, HEIGHT, pixels(WIDTH, HEIGHT, RED))
        size = self.wait_bytes(0)
        listener.update((0, 0, WIDTH, HEIGHT // 4), pixels(WIDTH, HEIGHT // 4, BLUE))
        listener.update((0, HEIGHT // 4, WIDTH, HEIGHT // 2), pixels(WIDTH, HEIGHT // 2, GREEN))
        self.wait_bytes(size)
        for area, data in (((1, 0, WIDTH, 1), bytes(4 * WIDTH)), ((0, 0, -1, 1), b""),
                           ((0, HEIGHT, 1, 1), bytes(4)), ((0, 0, 2, 2), bytes(15)),
                           ((-1, 0, 1, 1), bytes(4))):
            with self.assertRaisesRegex(Refused, "InvalidArgs"):
                listener.update(area, data)
        self.stop(process, said="QEMU's update is refused: it is outside of the picture")
        self.assertTrue(frames(self.path)[-1].shows(GREEN))

    def test_update_outside(self):
        """What is outside of the picture is not read, wherever it begins or ends."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264")
        listener = qemu.wait_listener()
        fd = self.picture(RED)
        listener.show(fd, WIDTH, HEIGHT)
        size = self.wait_bytes(0)
        big = 2**31 - 1
        for area in ((-big, -big, big, big), (0, 0, -1, -1), (0, 0, -2**31, -2**31),
                     (WIDTH, HEIGHT, big, big), (big, big, big, big), (-5, -5, 5, big)):
            listener.update_map(*area)
        os.pwrite(fd, pixels(WIDTH, HEIGHT, BLUE), 0)
        listener.update_map(-5, 1, big, big)
        self.wait_bytes(size)
        self.stop(process)
        self.assertTrue(frames(self.path)[-1].shows(BLUE))

    def test_still(self):
        """A still desktop is encoded a few times more, and then not at all: not when it flips to
        the same picture either."""
        qemu = self.qemu()
        process = self.record(name="x.h264")
        listener = qemu.wait_listener()
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        self.wait_rest()
        for _ in range(20):
            listener.show(self.picture(RED), WIDTH, HEIGHT)
            listener.update_map(0, 0, WIDTH, HEIGHT)
        self.stop(process)
        self.assertEqual(len(frames(self.path)), 1 + MAX_REPAINTS + 1)

    def test_repaint(self):
        """What is encoded of a picture at rest is better than of a moving one."""
        qemu = self.qemu()
        process = self.record(name="x.h264")
        noise = self.memory(4 * WIDTH * HEIGHT, os.urandom(4 * WIDTH * HEIGHT))
        qemu.wait_listener().show(noise, WIDTH, HEIGHT)
        self.wait_rest()
        self.stop(process)
        first, *others = slices(self.path.read_bytes())
        self.assertGreater(sum(others), 0.2 * first, others)

    def test_sizes(self):
        """The video keeps its size; another picture is fitted into it."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264")
        listener = qemu.wait_listener()
        listener.show(self.picture(RED, 33, 17), 33, 17)
        size = self.wait_bytes(0)
        for width, height in ((5, 300), (300, 5), (1, 1), (1000, 700)):
            listener.show(self.picture(BLUE, width, height), width, height)
            size = self.wait_bytes(size)
            listener.show(self.picture(GREEN, width, height), width, height)
            size = self.wait_bytes(size)
        self.stop(process)
        found = frames(self.path)
        self.assertEqual({frame.size for frame in found}, {(34, 18)})
        self.assertTrue(found[0].shows(RED) and found[-1].shows(GREEN), (found[0], found[-1]))

    def test_size(self):
        qemu = self.qemu()
        process = self.record("--size", "128x96", name="x.h264")
        qemu.wait_listener().show(self.picture(BLUE), WIDTH, HEIGHT)
        self.wait_bytes(0)
        self.stop(process)
        found = frames(self.path)
        self.assertEqual(found[0].size, (128, 96))
        self.assertTrue(found[-1].shows(BLUE))

    def test_cut_while_mapped(self):
        """Memory that goes away is no picture; the recording goes on with the next one."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264")
        listener = qemu.wait_listener()
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        size = self.wait_bytes(0)
        fd = self.picture(GREEN)
        listener.scanout_map(fd, WIDTH, HEIGHT)
        os.truncate(fd, 0)
        listener.update_map(0, 0, WIDTH, HEIGHT)
        listener.show(self.picture(BLUE), WIDTH, HEIGHT)
        self.wait_bytes(size)
        self.stop(process)
        found = frames(self.path)
        self.assertTrue(all(frame.shows(RED) or frame.shows(BLUE) for frame in found), found)
        self.assertTrue(found[-1].shows(BLUE), found[-1])

    def test_qemu_restarts(self):
        """QEMU goes away mid-frame: the recording waits, and goes on with the next one."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264")
        listener = qemu.wait_listener()
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        size = self.wait_bytes(0)
        listener.scanout_map(self.picture(BLUE), WIDTH, HEIGHT)
        qemu.kill()
        self.assertIn("vm/0: QEMU is gone. Waiting until it is back.", process.stderr.readline())
        qemu = FakeQemu(self.bus.address)
        qemu.wait_listener().show(self.picture(GREEN), WIDTH, HEIGHT)
        self.assertIn("vm/0: QEMU is back.", process.stderr.readline())
        self.wait_bytes(size)
        self.stop(process)
        self.assertTrue(frames(self.path)[-1].shows(GREEN))

    def test_nothing_came(self):
        qemu = self.qemu()
        process = self.record()
        qemu.wait_listener()
        self.stop(process, 1, "NoPicture: There was no picture to record")

    def test_signals(self):
        """SIGTERM completes as well, and a second signal does not break that off."""
        qemu = self.qemu()
        process = self.record()
        qemu.wait_listener().show(self.picture(RED), WIDTH, HEIGHT)
        self.wait_bytes(0)
        for _ in range(50):
            process.send_signal(signal.SIGTERM)
        self.finish(process, 0, "pictures in")
        self.assertTrue(frames(self.path)[-1].shows(RED))

    # How it ends by itself

    def test_disk_full(self):
        qemu = self.qemu()
        process = self.start("record", "0", "-o", "/dev/full", "--format", "mp4")
        qemu.wait_listener().show(self.picture(RED), WIDTH, HEIGHT)
        self.finish(process, 1, "OutputFailed: '/dev/full' cannot be written: The disk is full.")

    def test_file_limit(self):
        """What was written before can be played."""
        qemu = self.qemu()
        process = self.record("--fps", "240", name="x.h264", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (16384, 16384)))
        listener = qemu.wait_listener()
        while process.poll() is None:
            noise = self.memory(4 * WIDTH * HEIGHT, os.urandom(4 * WIDTH * HEIGHT))
            try:
                listener.show(noise, WIDTH, HEIGHT)
            except Refused:
                break  # it has gone
        self.finish(process, 1, "The file may not become larger.")
        self.assertEqual(self.path.stat().st_size, 16384)

    def test_pipe_closed(self):
        qemu = self.qemu()
        process = self.start("record", "0", "-o", "-", "--format", "h264", text=False)
        listener = qemu.wait_listener()
        listener.show(self.picture(RED), WIDTH, HEIGHT)
        self.assertTrue(process.stdout.read(4))
        process.stdout.close()
        with contextlib.suppress(Refused):  # it may have noticed already
            listener.show(self.picture(GREEN), WIDTH, HEIGHT)
        err = process.stderr.read().decode()
        self.check(process.wait(), "", err, 1, "OutputFailed: '-' cannot be written: The reader has")

    def test_stalled_reader(self):
        """A reader that does not read holds up nobody but itself; SIGQUIT ends it all, also where
        a script has started it in the background."""
        qemu = self.qemu()

        def ignore():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        process = self.start("record", "0", "-o", "-", "--format", "h264", "--fps", "240",
                             preexec_fn=ignore)
        listener = qemu.wait_listener()
        big = os.urandom(4 * 640 * 480)
        for _ in range(5):
            listener.show(self.memory(len(big), big), 640, 480)
        for _ in range(100):
            listener.show(self.picture(GREEN), WIDTH, HEIGHT)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGQUIT)
        self.assertEqual(process.wait(), -signal.SIGQUIT)

    def test_unreachable(self):
        self.finish(self.record(), 3, "NoQemu: ")

    def test_usage(self):
        for said, *args in (
                ("Name a file by -o", "0"), ("--fps is a number from 1 to 240", "--fps", "0"),
                ("--fps is a number", "--fps", "x"), ("--size is WIDTHxHEIGHT", "--size", "1x1"),
                ("--size is WIDTHxHEIGHT", "--size", "100"),
                ("'avi' is no format: mp4 or h264.", "--format", "avi"),
                ("'x.avi' does not say which format", "0", "-o", "x.avi"),
                ("'-' does not say which format", "0", "-o", "-")):
            self.finish(self.start("record", *args), 2, said)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""What a broken QEMU, or whoever broke out into it, may send: each is refused with one line that
says why, harms nothing else, and a right picture afterwards is shown."""
import os
import tempfile
import unittest

import PIL.Image

from fake_qemu import LISTENER, MAP, GLib, Refused, pixels
from host_rig import BLUE, GREEN, HEIGHT, RED, WIDTH, Case

INVALID = "InvalidArgs"


class Input(Case):
    def setUp(self):
        super().setUp()
        self.process, self.listener = self.shoot(self.qemu())

    def shoot(self, qemu):
        process = self.start("shot", "0", "-o", self.folder / "x.png")
        return process, qemu.wait_listener()

    def refused(self, send, *args, error=INVALID, **options):
        with self.assertRaisesRegex(Refused, error):
            send(*args, **options)

    def finish_well(self, *said):
        """A right picture by messages, as QEMU sends after a refusal, and what was told."""
        self.listener.scanout(WIDTH, HEIGHT, pixels(WIDTH, HEIGHT, GREEN))
        self.finish_with(GREEN, *said)

    def finish_with(self, colour, *said):
        out, err = self.process.communicate()
        self.check(self.process.returncode, out, err, 0, said[0] if said else "")
        self.assertEqual(len(err.splitlines()), len(said), err)
        for line, part in zip(err.splitlines(), said):
            self.assertIn(part, line)
        picture = PIL.Image.open(self.folder / "x.png")
        self.assertEqual(picture.getcolors(), [(WIDTH * HEIGHT, colour)])

    def wrong_map(self, fd, said, *, width=WIDTH, height=HEIGHT, **shape):
        self.refused(self.listener.scanout_map, fd, width, height, **shape)
        self.finish_well(f"vm/0: QEMU's shared picture is refused: {said}")

    # Of ScanoutMap: fds

    def test_null(self):
        """What QEMU 10 passes with blob=on is its stdin."""
        with open("/dev/null", "rb") as file:
            self.wrong_map(file.fileno(), "its fd is no shared memory (does the GPU have blob=on?)")

    def test_pipe(self):
        ends = os.pipe()
        self.addCleanup(os.close, ends[0])
        self.addCleanup(os.close, ends[1])
        self.wrong_map(ends[0], "its fd is no shared memory")

    def test_file(self):
        """A file that was QEMU's stdin is nobody's picture, even if it is long enough."""
        (self.folder / "secret").write_bytes(bytes(4 * WIDTH * HEIGHT))
        with open(self.folder / "secret", "rb") as file:
            self.wrong_map(file.fileno(), "its fd is no shared memory")

    def test_file_in_memory(self):
        """Nor is one in a tmpfs, as /tmp is on Debian 13."""
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            file.truncate(4 * WIDTH * HEIGHT)
            self.wrong_map(file.fileno(), "its fd is no shared memory")

    def test_directory(self):
        fd = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.wrong_map(fd, "its fd is no shared memory")

    def test_short(self):
        self.wrong_map(self.memory(4 * WIDTH * HEIGHT - 1), "its memory is too small for it")

    def test_empty(self):
        self.wrong_map(self.memory(0), "its memory is too small for it")

    def test_offset(self):
        self.wrong_map(self.memory(4 * WIDTH * HEIGHT), "its memory is too small", offset=1)

    def test_offset_wraps(self):
        self.wrong_map(self.memory(4 * WIDTH * HEIGHT), "its memory is too small",
                       offset=2**32 - 4)

    # Of ScanoutMap: shapes

    def test_no_stride(self):
        self.wrong_map(self.picture(RED), "the length of its rows is wrong", stride=0)

    def test_short_stride(self):
        self.wrong_map(self.picture(RED), "the length of its rows is wrong", stride=4 * WIDTH - 1)

    def test_long_stride(self):
        self.wrong_map(self.picture(RED), "the length of its rows is wrong", stride=2**32 - 1)

    def test_huge(self):
        self.wrong_map(self.picture(RED), "it is larger than any screen", width=100000,
                       stride=400000)

    def test_huge_height(self):
        self.wrong_map(self.picture(RED), "it is larger than any screen", height=2**32 - 1)

    def test_huge_wraps(self):
        self.wrong_map(self.picture(RED), "it is larger than any screen", width=2**30, stride=0)

    def test_no_pixels(self):
        self.wrong_map(self.picture(RED), "it has no pixels", width=0)

    def test_format(self):
        self.wrong_map(self.picture(RED), "the format of its pixels is not known", pixman=0x10020565)

    def test_arguments(self):
        """Another number or type of arguments never reaches what reads them."""
        for member, value in (("ScanoutMap", GLib.Variant("(uuuuuu)", (0,) * 6)),
                              ("ScanoutMap", GLib.Variant("(h)", (0,))),
                              ("UpdateMap", GLib.Variant("(uuuu)", (0,) * 4)), ("UpdateMap", None)):
            self.refused(self.listener.call, MAP, member, value)
        self.refused(self.listener.call, MAP, "Frob", None, error="UnknownMethod")
        self.refused(self.listener.call, LISTENER, "Scanout", GLib.Variant("(s)", ("x",)))
        self.finish_well()

    # Of UpdateMap

    def test_update_first(self):
        self.refused(self.listener.update_map, 0, 0, 1, 1)
        self.listener.show(self.picture(BLUE), WIDTH, HEIGHT)
        self.finish_with(BLUE, "QEMU's update is refused: there is no picture yet")

    def test_update_after_disable(self):
        self.listener.scanout_map(self.picture(RED), WIDTH, HEIGHT)
        self.listener.disable()
        self.refused(self.listener.update_map, 0, 0, 1, 1)
        self.finish_well("QEMU's update is refused: there is no picture yet")

    def test_cut_while_mapped(self):
        """The memory goes away between the check and the look: no picture, no crash."""
        fd = self.picture(RED)
        self.listener.scanout_map(fd, WIDTH, HEIGHT)
        os.truncate(fd, 0)
        self.listener.update_map(0, 0, WIDTH, HEIGHT)
        self.finish(self.process, 1, "NoPicture: The picture cannot be read (QEMU took its memory")
        self.assertFalse((self.folder / "x.png").exists())

    def test_disabled(self):
        """No picture is shown after QEMU said that there is none."""
        self.listener.scanout_map(self.picture(RED), WIDTH, HEIGHT)
        self.listener.disable()
        self.finish_well()

    # Of Scanout and Update

    def test_array_too_short(self):
        self.refused(self.listener.scanout, WIDTH, HEIGHT, bytes(4 * WIDTH * HEIGHT - 1))
        self.finish_well("vm/0: QEMU's picture is refused: it is shorter than it says")

    def test_array_empty(self):
        self.refused(self.listener.scanout, WIDTH, HEIGHT, b"")
        self.finish_well("it is shorter than it says")

    def test_array_too_long(self):
        """What is more than the picture is ignored."""
        self.listener.scanout(WIDTH, HEIGHT, pixels(WIDTH, HEIGHT + 1, BLUE))
        self.finish_with(BLUE)

    def test_scanout_shapes(self):
        for shape in ({"stride": 0}, {"pixman": 0}, {"stride": 2**32 - 4}):
            self.refused(self.listener.scanout, WIDTH, HEIGHT, bytes(4 * WIDTH * HEIGHT), **shape)
        self.refused(self.listener.scanout, 2**16, 2**16, bytes(16), stride=2**18)
        self.finish_well("the length of its rows is wrong")

    def test_copied_update_first(self):
        self.refused(self.listener.update, (0, 0, 1, 1), bytes(4))
        self.finish_well("QEMU's update is refused: there is no picture yet")

    def test_copied_update_of_a_map(self):
        """Nothing is written into QEMU's memory."""
        self.listener.scanout_map(self.picture(RED), WIDTH, HEIGHT)
        self.refused(self.listener.update, (0, 0, 1, 1), bytes(4))
        self.finish_well("there is no picture yet")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""libscanout-preload.so: every way to open the card, and nothing else. SCANOUT_PRELOAD names it."""
import ctypes
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PRELOAD = os.environ.get("SCANOUT_PRELOAD", str(ROOT / "build" / "libscanout-preload.so"))
CARD, LEASE, SPARE, OTHER = "/dev/full", "/dev/null", "/dev/zero", "/dev/random"
CREATE_LEASE, GETCONNECTOR = 0xC01864C6, 0xC05064A7
CONNECTOR, PREFERRED = 40, 1 << 3  # of fake_lease.so
FAKE_LEASE = os.environ.get("FAKE_LEASE", str(ROOT / "build" / "tests" / "fake_lease.so"))
EINVAL, ENOTTY = 22, 25
O_RDWR, O_CLOEXEC, O_PATH = os.O_RDWR, os.O_CLOEXEC, os.O_PATH


class CreateLease(ctypes.Structure):
    _fields_ = [("object_ids", ctypes.c_uint64), ("object_count", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("lessee_id", ctypes.c_uint32),
                ("fd", ctypes.c_uint32)]


class Mode(ctypes.Structure):
    _fields_ = [("clock", ctypes.c_uint32), *((name, ctypes.c_uint16) for name in (
        "hdisplay", "hsync_start", "hsync_end", "htotal", "hskew", "vdisplay", "vsync_start",
        "vsync_end", "vtotal", "vscan")), ("vrefresh", ctypes.c_uint32), ("flags", ctypes.c_uint32),
        ("type", ctypes.c_uint32), ("name", ctypes.c_char * 32)]


class GetConnector(ctypes.Structure):
    _fields_ = [("encoders", ctypes.c_uint64), ("modes", ctypes.c_uint64), ("props", ctypes.c_uint64),
                ("values", ctypes.c_uint64), *((name, ctypes.c_uint32) for name in (
                    "n_modes", "n_props", "n_encoders", "encoder", "id", "type", "type_id",
                    "connection", "width", "height", "subpixel", "pad"))]


def device(fd):
    return os.fstat(fd).st_rdev


def run_child():
    """Runs with the library loaded and prints what each call gave."""
    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "open": lambda p, f: libc.open(p, f), "open64": lambda p, f: libc.open64(p, f),
        "openat": lambda p, f: libc.openat(-100, p, f),
        "openat64": lambda p, f: libc.openat64(-100, p, f),
        "__open_2": lambda p, f: libc.__getattr__("__open_2")(p, f),
        "__open64_2": lambda p, f: libc.__getattr__("__open64_2")(p, f),
        "__openat_2": lambda p, f: libc.__getattr__("__openat_2")(-100, p, f),
        "__openat64_2": lambda p, f: libc.__getattr__("__openat64_2")(-100, p, f),
    }
    for name, call in calls.items():
        fd = call(CARD.encode(), O_RDWR)
        sealed = call(CARD.encode(), O_RDWR | O_CLOEXEC)
        print(name, device(fd) == os.stat(LEASE).st_rdev, os.get_inheritable(fd),
              os.get_inheritable(sealed),
              device(call(OTHER.encode(), os.O_RDONLY)) == os.stat(OTHER).st_rdev)
    fd = libc.open(CARD.encode(), O_PATH)
    print("path", device(fd) == os.stat(CARD).st_rdev)
    print("stat", os.stat(CARD).st_rdev != os.stat(LEASE).st_rdev)
    made = libc.open(b"preload-test-file", os.O_CREAT | os.O_EXCL | O_RDWR, 0o640)
    print("mode", oct(os.fstat(made).st_mode & 0o777))
    os.unlink("preload-test-file")
    render = libc.open(b"/dev/dri/renderD200", O_RDWR | O_CLOEXEC)
    print("render", render >= 0 and device(render) == os.stat(SPARE).st_rdev)
    print("missing", libc.open(b"/nowhere", O_RDWR), ctypes.get_errno())


def run_lease():
    """fake_lease.so, below the library, answers CREATE_LEASE with EINVAL as a lease does."""
    libc = ctypes.CDLL(None, use_errno=True)
    for count, fd in ((0, 0), (2, 0)):
        lease = CreateLease(object_count=count, flags=O_CLOEXEC)
        r = libc.ioctl(fd, ctypes.c_ulong(CREATE_LEASE), ctypes.byref(lease))
        if r == 0:
            print(count, device(lease.fd) == os.stat(SPARE).st_rdev,
                  os.get_inheritable(lease.fd))
        else:
            print(count, ctypes.get_errno())


def run_renderer():
    """What a program finds of wlroots' variables."""
    for name in ("WLR_RENDERER", "WLR_RENDERER_ALLOW_SOFTWARE"):
        print(os.environ.get(name, "-"))


def run_modes():
    """Asks as libdrm does: how many there are, then for all of them."""
    libc = ctypes.CDLL(None, use_errno=True)
    modes = (Mode * 8)()
    # What lies there without being an answer looks like one.
    modes[1].hdisplay, modes[1].vdisplay = 1280, 720
    before = bytes(modes)
    for room in (0, 1, len(modes)):
        assert bytes(modes) == before
        query = GetConnector(id=CONNECTOR, modes=ctypes.addressof(modes), n_modes=room)
        assert libc.ioctl(0, ctypes.c_ulong(GETCONNECTOR), ctypes.byref(query)) == 0
        shown = [f"{m.hdisplay}x{m.vdisplay}{'!' if m.type & PREFERRED else ''}"
                 for m in modes[:query.n_modes]]
        print(*(shown if query.n_modes <= room else [query.n_modes]))


class Preload(unittest.TestCase):
    def child(self, what, preload=PRELOAD, **env):
        lease, spare = os.open(LEASE, O_RDWR), os.open(SPARE, O_RDWR)
        self.addCleanup(os.close, lease)
        self.addCleanup(os.close, spare)
        values = {"SCANOUT_DEVICE": CARD, "SCANOUT_LEASE_FD": str(lease),
                  "SCANOUT_SPARE_FD": str(spare), "LD_PRELOAD": preload,
                  "PATH": os.environ["PATH"], **env}
        got = subprocess.run(
            [sys.executable, os.path.abspath(__file__), "--child", what], text=True,
            env={k: v for k, v in values.items() if v is not None}, pass_fds=(lease, spare),
            capture_output=True, check=True, cwd="/tmp", stdin=subprocess.DEVNULL)
        self.assertEqual(got.stderr, "")
        return got.stdout.splitlines()

    def test_every_open(self):
        out = self.child("child")
        names = ["open", "open64", "openat", "openat64"]
        names += ["__open_2", "__open64_2", "__openat_2", "__openat64_2"]
        self.assertEqual(out[:8], [f"{name} True True False True" for name in names])
        self.assertEqual(out[8:], ["path True", "stat True", "mode 0o640", "render True",
                                   "missing -1 2"])

    def test_render_node_without_spare(self):
        """A render node that is not there stays so if there is nothing to give instead."""
        self.assertIn("render False", self.child("child", SCANOUT_SPARE_FD=None))

    def test_left_alone(self):
        """Without a descriptor, with a closed one, with nonsense: as if it were not there."""
        for value in (None, "", "x", "7x", "-1", "999", "99999999999999999999"):
            out = self.child("child", SCANOUT_LEASE_FD=value)
            self.assertTrue(out[0].startswith("open False"), (value, out[0]))
        self.assertTrue(self.child("child", SCANOUT_DEVICE=None)[0].startswith("open False"))

    def test_ioctl_that_is_no_lease(self):
        """Only EINVAL means a lease; /dev/null says ENOTTY, and that is passed on."""
        self.assertEqual(self.child("lease"), [f"0 {ENOTTY}", f"2 {ENOTTY}"])

    def test_renderer(self):
        """What wlroots is to draw with is what the container says, and else what we say."""
        ours = {"SCANOUT_RENDERER": "pixman"}
        self.assertEqual(self.child("renderer"), ["-", "-"])
        self.assertEqual(self.child("renderer", **ours), ["pixman", "1"])
        for name, value, found in (("WLR_RENDERER", "gles2", ["gles2", "-"]),
                                   ("WLR_RENDERER_ALLOW_SOFTWARE", "1", ["-", "1"]),
                                   ("WLR_RENDER_DRM_DEVICE", "/dev/dri/renderD129", ["-", "-"])):
            self.assertEqual(self.child("renderer", **ours, **{name: value}), found)

    def test_empty_lease(self):
        both = f"{PRELOAD}:{FAKE_LEASE}"
        self.assertEqual(self.child("lease", preload=both), ["0 True False", f"2 {EINVAL}"])
        self.assertEqual(self.child("lease", preload=both, SCANOUT_SPARE_FD=None),
                         [f"0 {EINVAL}", f"2 {EINVAL}"])

    def modes(self, **env):
        """The lists for no room, for one, and for enough."""
        return self.child("modes", preload=f"{PRELOAD}:{FAKE_LEASE}", **env)

    def test_size_of_an_unsized_output(self):
        """The first mode of that size is preferred, and moves to the front; counts stay."""
        self.assertEqual(self.modes(SCANOUT_SIZE="1280x720"),
                         ["3", "3", "1280x720! 1920x1080 1280x720"])
        self.assertEqual(self.modes(SCANOUT_SIZE="1920x1080")[2], "1920x1080! 1280x720 1280x720")

    def test_size_of_a_sized_output(self):
        """The host's counts, and what was preferred before it is gone."""
        self.assertEqual(self.modes(SCANOUT_SIZE="1280x720", FAKE_LEASE_PREFERS="1366x768"),
                         ["4", "4", "1366x768! 1920x1080"])
        self.assertEqual(self.modes(SCANOUT_SIZE="1280x720", FAKE_LEASE_PREFERS="1280x720"),
                         ["4", "4", "1280x720! 1920x1080 1280x720 1280x720"])

    def test_no_size(self):
        """Nothing is changed without one, for one that is not there, and for nonsense."""
        for size in (None, "", "1280", "x720", "1280x", "800x600", "-1x-1", "99999999999x720",
                     "1280 720"):
            self.assertEqual(self.modes(SCANOUT_SIZE=size)[2], "1920x1080 1280x720 1280x720", size)

    def seat(self, *answer):
        """A seat's socket for spares that answers each call like that."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "spare")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def serve():
            while True:
                try:
                    client = listener.accept()[0]
                except OSError:
                    return
                with client:
                    if answer:
                        socket.send_fds(client, [struct.pack("=II", *answer)], [0])
        thread = threading.Thread(target=serve)
        thread.start()

        def end():
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            listener.close()
        self.addCleanup(end)
        return path

    def test_size_by_a_seat(self):
        """In a container that has all by CDI, the seat tells; the variable counts more."""
        for answer, shown in (((1280, 720), "1280x720! 1920x1080 1280x720"),
                              ((0, 0), "1920x1080 1280x720 1280x720"),
                              ((), "1920x1080 1280x720 1280x720")):
            path = self.seat(*answer)
            self.assertEqual(self.modes(SCANOUT_SPARE=path)[2], shown)
        self.assertEqual(self.modes(SCANOUT_SPARE=path, SCANOUT_SIZE="1920x1080")[2],
                         "1920x1080! 1280x720 1280x720")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        globals()["run_" + sys.argv[2]]()
    else:
        unittest.main()

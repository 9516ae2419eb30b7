#!/usr/bin/python3
"""scanout-run against a fake scanoutd, on a private bus and on a guest socket.

SCANOUT_RUN, FAKE_SCANOUTD, FAKE_LEASE and SCANOUT_PRELOAD name what is under test. Needs
dbus-daemon.
"""
import os
import pathlib
import queue
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
SCANOUT_RUN = os.environ.get("SCANOUT_RUN", str(BUILD / "scanout-run"))
FAKE_SCANOUTD = os.environ.get("FAKE_SCANOUTD", str(BUILD / "tests" / "fake_scanoutd"))
FAKE_LEASE = os.environ.get("FAKE_LEASE", str(BUILD / "tests" / "fake_lease.so"))
PRELOAD = os.environ.get("SCANOUT_PRELOAD", str(BUILD / "libscanout-preload.so"))
PATIENCE = 15
SELF = os.path.abspath(__file__)

# What the tests start as a command; `test_run.py --as NAME ARG...`.


def as_show(*names):
    """Prints variables, and '-' for those that are not set."""
    print("\n".join(os.environ.get(name, "-") for name in names))


def as_device(fd):
    """The device behind a descriptor."""
    st = os.fstat(int(fd))
    print(os.major(st.st_rdev), os.minor(st.st_rdev))


def as_seatd(times):
    """Opens the card by seatd, as often as wanted."""
    sys.path.insert(0, os.path.dirname(SELF))
    import test_seatd

    class Here:
        def path(self, _name):
            return os.environ["SEATD_SOCK"]

    for _ in range(int(times)):
        client = test_seatd.Client(Here()).enable()
        client.open(os.environ["SCANOUT_DEVICE"])
        client.close()
        time.sleep(0.1)  # the end of the connection is seen before the next one comes
    print("done", flush=True)


def as_hold(how="seatd"):
    """Holds the card and tells each event of the seat."""
    sys.path.insert(0, os.path.dirname(SELF))
    import test_seatd

    class Here:
        def path(self, _name):
            return os.environ["SEATD_SOCK"]

    client = test_seatd.Client(Here()).enable()
    client.open(os.environ["SCANOUT_DEVICE"])
    print("held", flush=True)
    while True:
        event = client.receive()
        print(hex(event[0]), flush=True)
        if event[0] == test_seatd.EVENT_DISABLE:
            client.send(test_seatd.DISABLE)


def as_signals():
    """Tells each signal; TERM ends it with 42."""
    def tell(number, _frame):
        os.write(1, (signal.Signals(number).name + "\n").encode())
        if number == signal.SIGTERM:
            os._exit(42)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, tell)
    print("ready", flush=True)
    while True:
        signal.pause()


def as_weston():
    """Opens the card over weston-launch and tells what kind of packet came back."""
    link = socket.socket(fileno=int(os.environ["WESTON_LAUNCHER_SOCK"]))
    link.send(struct.pack("=ii", 0, 2) + os.environ["SCANOUT_DEVICE"].encode() + b"\0")
    print(struct.unpack_from("=i", link.recv(64))[0], flush=True)
    signal.pause()


def as_orphan(flag):
    """At first leaves a child behind that holds the card; then opens the card itself."""
    sys.path.insert(0, os.path.dirname(SELF))
    import test_seatd

    class Here:
        def path(self, _name):
            return os.environ["SEATD_SOCK"]

    first = not os.path.exists(flag)
    client = test_seatd.Client(Here()).enable()
    client.open(os.environ["SCANOUT_DEVICE"])
    print("held", flush=True)
    if first:
        pathlib.Path(flag).touch()
        if os.fork() == 0:
            client.receive()
            print("hung up on", flush=True)
        else:
            os._exit(1)


def as_wait():
    """Does nothing until it is told to end, and then ends well."""
    def end(_number, _frame):
        os.write(1, b"ended\n")
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    os.write(1, b"waiting\n")
    while True:
        signal.pause()


class Fake:
    """A fake_scanoutd whose lines can be waited for."""

    def __init__(self, *args):
        self.process = subprocess.Popen([FAKE_SCANOUTD, *args], stdout=subprocess.PIPE,
                                        text=True)
        self.lines = queue.Queue()
        self.connected = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.expect("ready")

    def read(self):
        for line in self.process.stdout:
            if line == "connected\n":
                self.connected.set()
            else:
                self.lines.put(line.strip())
        self.lines.put(None)

    def expect(self, line):
        got = self.lines.get(timeout=PATIENCE)
        assert got == line, f"expected {line!r}, got {got!r}"

    def wait(self, line):
        """Until it tells this, whatever comes before."""
        while (got := self.lines.get(timeout=PATIENCE)) != line:
            assert got is not None, f"it ended, but never told {line!r}"

    def rest(self):
        """All that it told after what was expected."""
        rest = []
        while True:
            try:
                rest.append(self.lines.get(timeout=0.2))
            except queue.Empty:
                return rest

    def stop(self):
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self.thread.join()
        self.process.stdout.close()
        return code


class RunTest(unittest.TestCase):
    peer = False

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="run-")
        self.addCleanup(self.folder.cleanup)
        self.home = pathlib.Path(self.folder.name)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home),
                    "SCANOUT_PRELOAD": PRELOAD, "XDG_RUNTIME_DIR": str(self.home),
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}
        if self.peer:
            self.address = str(self.home / "guest")
            self.env["SCANOUT_ADDRESS"] = "unix:path=" + self.address
        else:
            daemon = subprocess.Popen(
                ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address",
                 f"--address=unix:path={self.home}/sys"], stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True)
            self.addCleanup(daemon.stdout.close)
            self.addCleanup(daemon.wait)
            self.addCleanup(daemon.terminate)
            self.address = daemon.stdout.readline().strip()
            self.env["DBUS_SYSTEM_BUS_ADDRESS"] = self.address

    def fake(self, *mode):
        fake = Fake("peer" if self.peer else "bus", self.address, *mode)
        self.addCleanup(lambda: self.assertEqual(fake.stop(), 0))
        return fake

    def start(self, *args, **env):
        process = subprocess.Popen(
            [SCANOUT_RUN, *args], env={**self.env, **env}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)

        def end():
            if process.poll() is None:
                process.kill()
                process.wait()
        self.addCleanup(end)
        return process

    def run_it(self, *args, **env):
        """(status, output, errors)"""
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertNotIn("ERROR: ", err)
        self.assertNotIn("runtime error", err)
        # What it made is gone when it is.
        self.assertEqual([p.name for p in self.home.glob("scanout-*")], [])
        return process.returncode, out, err

    def me(self, *words):
        return ["--", sys.executable, SELF, "--as", *words]


class Start(RunTest):
    def test_status(self):
        """The command's exit status is ours; a signal's is 128 more."""
        self.fake()
        for script, status in (("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137),
                               ("kill -SEGV $$", 139)):
            self.assertEqual(self.run_it("--", "sh", "-c", script)[0], status, script)

    def test_not_found(self):
        self.fake()
        status, _out, err = self.run_it("--", "/nowhere/mutter")
        self.assertEqual(status, 127)
        self.assertEqual(err.splitlines()[-1],
                         "scanout-run: Command '/nowhere/mutter' is not in this image: "
                         "install it, or correct its name")

    def test_not_executable(self):
        self.fake()
        self.assertEqual(self.run_it("--seat=fd", "--", "/etc/passwd")[0], 126)
        self.assertEqual(self.run_it("--seat=fd", "--", "/etc")[0], 126)

    def test_wishes_are_passed_on(self):
        fake = self.fake()
        self.run_it("--label", "desk", "--scanout=card0-Virtual-4", "--size", "800x600",
                    "--linger=1min", "--seat=fd", "--", "true")
        fake.expect("request scanout=card0-Virtual-4 label=desk width=800 height=600 timeout "
                    "linger")
        fake.expect("release card0-Virtual-4#1")

    def test_daemon_that_cannot_size(self):
        """width refused: asked again without; the program is told by its configuration."""
        fake = self.fake("no-size")
        self.assertEqual(self.run_it("--size=800x600", "--seat=fd", "--", "true")[0], 0)
        fake.expect("request width=800 height=600 timeout")
        fake.expect("request timeout")

    def test_bad_usage(self):
        for args in ((), ("--size=800", "true"), ("--size=0x5", "true"), ("--seat=x", "true"),
                     ("--restart=always", "true"), ("--timeout=soon", "true"),
                     ("--timeout=nan", "true"), ("--linger=long", "true"), ("--timeout=2d", "true"),
                     ("--input=/dev/dri/card0", "true"), ("--libseat=1", "true"),
                     ("--bogus", "true"), ("--size=800x600x", "true")):
            status, out, err = self.run_it(*args)
            self.assertEqual((status, out), (125, ""), args)
            self.assertEqual(len(err.splitlines()), 1, err)

    def test_help_and_version(self):
        self.assertIn("--label", self.run_it("--help")[1])
        self.assertIn("scanout-run ", self.run_it("--version")[1])

    def test_no_free_scanout(self):
        self.fake("busy")
        status, _out, err = self.run_it("--", "true")
        self.assertEqual(status, 125)
        self.assertEqual(err, "scanout-run: No scanout: All 16 scanouts are taken. Wait.\n")

    def test_daemon_down(self):
        """Nobody there: it waits, says so once, and gives up in time."""
        before = time.monotonic()
        status, _out, err = self.run_it("--timeout=700ms", "--", "true")
        self.assertEqual(status, 125)
        self.assertGreater(time.monotonic() - before, 0.6)
        lines = err.splitlines()
        self.assertEqual(len(lines), 2, err)
        self.assertIn("Waiting for scanoutd", lines[0])
        self.assertIn("Found no scanoutd", lines[1])

    def test_daemon_comes_up(self):
        process = self.start("--timeout=10s", "--seat=fd", "--", "true")
        self.assertIn("Waiting for scanoutd", process.stderr.readline())
        self.fake()
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_told_to_end_while_waiting(self):
        process = self.start("--timeout=1min", "--", "true")
        self.assertIn("Waiting for scanoutd", process.stderr.readline())
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 143)

    def test_signals_are_passed_on(self):
        self.fake()
        process = self.start("--seat=fd", *self.me("signals"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        for name in ("SIGUSR1", "SIGHUP", "SIGTERM"):
            process.send_signal(getattr(signal, name))
            self.assertEqual(process.stdout.readline(), name + "\n")
        self.assertEqual(process.wait(PATIENCE), 42)

    def test_restart(self):
        """on-failure: started again on the same scanout, but not after success."""
        fake = self.fake()
        flag = self.home / "flag"
        status, _out, err = self.run_it(
            "--restart=on-failure", "--seat=fd", "--", "sh", "-c",
            f"test -e {flag} && exit 0; touch {flag}; exit 7")
        self.assertEqual(status, 0)
        self.assertIn("ended with status 7", err)
        self.assertIn("Starting it again in 1 s", err)
        self.assertEqual(fake.rest(), ["request timeout", "release card0-Virtual-4#1",
                                       "request scanout=card0-Virtual-4 timeout",
                                       "release card0-Virtual-4#2"])

    def test_told_to_end_between_restarts(self):
        self.fake()
        process = self.start("--restart=on-failure", "--seat=fd", "--", "false")
        self.assertIn("ended with status 1", process.stderr.readline())
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 143)

    def test_killed_command_is_not_restarted_after_term(self):
        self.fake()
        process = self.start("--restart=on-failure", "--seat=fd", *self.me("signals"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 42)

    def test_orphans_are_collected(self):
        """As the first process of a container it collects what others leave behind."""
        self.fake()
        status, out, _err = self.run_it(
            "--seat=fd", "--", "sh", "-c", "(sleep 0.1 &) ; sleep 0.3; echo fine")
        self.assertEqual((status, out), (0, "fine\n"))


class PeerStart(Start):
    """The same over a guest socket, without a bus."""

    peer = True


class Hand(RunTest):
    def test_fd(self):
        """fd: the lease is descriptor 3, and scanout-run keeps no copy of it."""
        self.fake()
        names = ("SCANOUT_LEASE_FD", "DRM_LEASE_FD", "SLINT_DRM_LEASE_FD", "WLR_DRM_LEASE_FD",
                 "KWIN_DRM_LEASE_FD", "LISTEN_FDS", "LISTEN_FDNAMES", "SCANOUT_ID",
                 "SCANOUT_INDEX", "SCANOUT_DEVICE", "DBUS_SYSTEM_BUS_ADDRESS", "LD_PRELOAD")
        _status, out, _err = self.run_it("--seat=fd", *self.me("show", *names))
        self.assertEqual(out.split(), ["3"] * 5 + ["1", "drm-lease", "card0-Virtual-4", "3",
                                                   "/dev/full", self.address, "-"])
        _status, out, _err = self.run_it("--seat=fd", *self.me("device", "@FD@"))
        self.assertEqual(out, "1 7\n")
        status, out, _err = self.run_it(
            "--seat=fd", "--", "sh", "-c", "echo fd @FD@,@FD@; test $LISTEN_PID = $$")
        self.assertEqual((status, out), (0, "fd 3,3\n"))

    def test_no_copy_is_kept(self):
        self.fake()
        script = ("for f in /proc/$PPID/fd/*; do "
                  "[ $(stat -Lc %t:%T $f 2>/dev/null) = 1:7 ] && readlink $f; done; echo end")
        process = self.start("--seat=fd", "--", "sh", "-c", script)
        self.assertEqual(process.communicate(timeout=PATIENCE)[0], "end\n")

    def test_fd_mark_without_fd(self):
        self.fake()
        status, _out, err = self.run_it("--seat=seatd", "--", "echo", "@FD@")
        self.assertEqual(status, 125)
        self.assertIn("add --seat=fd", err)

    def test_preload(self):
        """A program that opens the card's path gets the lease; others files are left alone."""
        self.fake()
        script = ("import os; fd = os.open('/dev/full', os.O_RDWR); "
                  "print(os.fstat(fd).st_rdev == os.fstat(3).st_rdev, os.get_inheritable(fd), "
                  "os.fstat(os.open('/dev/null', os.O_RDWR)).st_rdev == 259)")
        _status, out, err = self.run_it("--seat=preload", "--", sys.executable, "-c", script)
        self.assertEqual(out, "True False True\n", err)

    def test_spare(self):
        """A wlroots program gets the spare lease, and only the preload library for it."""
        fake = self.fake()
        sway = self.home / "sway"
        sway.write_text(f"#!/bin/sh\nexec {sys.executable} {SELF} --as \"$@\"\n")
        sway.chmod(0o755)
        _status, out, _err = self.run_it(
            "--", str(sway), "show", "SCANOUT_SPARE_FD", "SCANOUT_LEASE_FD", "LIBSEAT_BACKEND",
            "WLR_DRM_DEVICES", "WLR_LIBINPUT_NO_DEVICES")
        self.assertEqual(out.split(), ["3", "-", "seatd", "/dev/full", "1"])
        fake.expect("request spare=1 timeout")
        _status, out, _err = self.run_it("--", str(sway), "device", "3")
        self.assertEqual(out, "1 5\n")

    def test_logind(self):
        self.fake()
        status, out, _err = self.run_it(
            "--seat=logind", "--", "sh", "-c",
            "busctl --address=$DBUS_SYSTEM_BUS_ADDRESS call org.freedesktop.login1 "
            "/org/freedesktop/login1 org.freedesktop.login1.Manager GetSession s "
            "$XDG_SESSION_ID; cat /run/systemd/sessions/$XDG_SESSION_ID | grep ACTIVE")
        self.assertIn('"/org/freedesktop/login1/session/scanout3"', out)
        if os.getuid() == 0:
            self.assertIn("ACTIVE=1", out)
            self.assertFalse(os.path.exists("/run/systemd/sessions/scanout3"))

    def test_weston(self):
        self.fake()
        weston = self.home / "weston"
        weston.write_text(f"#!/bin/sh\nexec {sys.executable} {SELF} --as \"$@\"\n")
        weston.chmod(0o755)
        _status, out, _err = self.run_it("--", str(weston), "show", "WESTON_LAUNCHER_SOCK",
                                         "LIBSEAT_BACKEND", "WAYLAND_DISPLAY",
                                         WAYLAND_DISPLAY="wayland-7", DISPLAY=":1")
        self.assertEqual(out.split(), ["3", "seatd", "-"])

    def test_runtime_folder(self):
        """Made if there is none, with the right mode, and gone afterwards."""
        self.fake()
        del self.env["XDG_RUNTIME_DIR"]
        _status, out, _err = self.run_it(
            "--seat=fd", "--", "sh", "-c", "echo $XDG_RUNTIME_DIR; stat -c %a $XDG_RUNTIME_DIR")
        path, mode = out.split()
        self.assertEqual(mode, "700")
        self.assertFalse(os.path.exists(path))


class Lease(RunTest):
    def test_fresh_lease_for_each_client(self):
        """The first client gets the lease that was asked for first, each later one a new one."""
        fake = self.fake()
        status, out, err = self.run_it("--label=x", "--seat=seatd", *self.me("seatd", "3"))
        self.assertEqual((status, out), (0, "done\n"), err)
        again = "request scanout=card0-Virtual-4 label=x timeout"
        self.assertEqual(fake.rest(), [
            "request label=x spare=1 timeout", "release card0-Virtual-4#1", again,
            "release card0-Virtual-4#2", again, "release card0-Virtual-4#3"])

    def test_revoked(self):
        """scanoutd takes the lease back: the command is told, and ended."""
        fake = self.fake()
        process = self.start("--seat=seatd", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        fake.process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(PATIENCE), 143)
        err = process.stderr.read()
        self.assertIn("scanoutd has taken card0-Virtual-4 back (revoked)", err)

    def test_orphan(self):
        """What a command leaves behind loses the seat, so that the next run can have it."""
        self.fake()
        status, out, _err = self.run_it("--restart=on-failure", "--seat=seatd",
                                        *self.me("orphan", str(self.home / "flag")))
        self.assertEqual((status, out), (0, "held\nhung up on\nheld\n"))

    def test_restarted_weston(self):
        """The next weston finds a socket without what the last one left unread."""
        fake = self.fake()
        weston = self.home / "weston"
        weston.write_text(f"#!/bin/sh\nexec {sys.executable} {SELF} --as weston\n")
        weston.chmod(0o755)
        process = self.start("--restart=on-failure", "--", str(weston))
        for _run in range(2):
            # Its first word is the answer to its first request.
            self.assertEqual(process.stdout.readline(), "3\n")
            fake.process.send_signal(signal.SIGUSR1)
        process.terminate()
        process.wait(PATIENCE)

    def test_revoked_before_it_is_taken(self):
        """The lease that waits for its first client is taken back: it is not handed on later."""
        fake = self.fake()
        process = self.start("--restart=on-failure", "--seat=seatd", *self.me("wait"))
        self.assertEqual(process.stdout.readline(), "waiting\n")
        fake.process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.stdout.readline(), "ended\n")
        # Status 0, but not of its own will: started again, on a new lease.
        self.assertEqual(process.stdout.readline(), "waiting\n")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(fake.rest(), ["request spare=1 timeout",
                                       "request scanout=card0-Virtual-4 spare=1 timeout",
                                       "release card0-Virtual-4#2"])

    def test_resized(self):
        """Another size from the host makes the seat blink; the same one told again does not."""
        fake = self.fake()
        process = self.start("--seat=seatd", "--libseat=0.9", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGHUP):
            fake.process.send_signal(number)
            fake.wait("told")
        self.assertEqual([process.stdout.readline().strip() for _ in range(3)],
                         ["0x8005", "0x8009", "0x8006"])
        fake.process.send_signal(signal.SIGHUP)
        fake.wait("told")
        process.terminate()
        process.wait(PATIENCE)
        self.assertEqual(process.stdout.read(), "")

    def restarted(self, generation):
        """scanoutd goes and comes back, with this lease in its books."""
        fake = Fake("peer" if self.peer else "bus", self.address)
        process = self.start("--seat=seatd", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        self.assertEqual(fake.stop(), 0)
        return process, self.fake(generation)

    def test_restarted_scanoutd_kept_the_lease(self):
        """Nothing happens, and what the new one tells is heard."""
        process, fake = self.restarted("1")
        time.sleep(2)  # the check is due after one
        self.assertIsNone(process.poll())
        fake.process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(PATIENCE), 143)
        self.assertIn("(revoked)", process.stderr.read())

    def test_resized_while_scanoutd_was_away(self):
        """What the next one says counts."""
        process, _fake = self.restarted("1:1280")
        self.assertEqual(process.stdout.readline(), "0x8005\n")
        process.terminate()
        process.wait(PATIENCE)

    def test_restarted_scanoutd_lost_the_lease(self):
        process, _fake = self.restarted("0")
        self.assertEqual(process.wait(PATIENCE), 143)
        self.assertIn("(lost)", process.stderr.read())


class PeerLease(Lease):
    peer = True


class Size(RunTest):
    """--size reaches each compositor by its own configuration, on top of the user's."""

    def size(self, name, *args, size="1280x720", script=""):
        program = self.home / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        self.env["LD_PRELOAD"] = FAKE_LEASE
        return self.run_it("--size", size, "--", str(program), *args)

    def test_mutter(self):
        self.fake()
        status, out, err = self.size("mutter", "--wayland", script=(
            "cat ${XDG_CONFIG_DIRS%%:*}/monitors.xml; echo dirs ${XDG_CONFIG_DIRS#*:}"))
        self.assertEqual(status, 0, err)
        for text in ("<connector>Virtual-4</connector>", "<vendor>unknown</vendor>",
                     "<width>1280</width>", "<rate>59.940</rate>", "dirs /etc/xdg"):
            self.assertIn(text, out)

    def test_sway(self):
        self.fake()
        config = self.home / ".config" / "sway"
        config.mkdir(parents=True)
        (config / "config").write_text("exec foot\n")
        _status, out, _err = self.size("sway", "-d", script='[ "$1" = -c ] && cat "$2"; echo $3')
        self.assertEqual(out, f'include "{config}/config"\n'
                         "output Virtual-4 mode 1280x720@59.940Hz\n-d\n")
        _status, out, _err = self.size("sway", "--config=/x y", size="1000x500",
                                       script='cat "$2"; echo $#')
        self.assertEqual(out, 'include "/x y"\noutput Virtual-4 mode --custom 1000x500@60.000Hz\n'
                         "2\n")

    def test_weston(self):
        self.fake()
        ini = self.home / "mine.ini"
        ini.write_text("[core]\nidle-time=0\n")
        _status, out, _err = self.size("weston", "-c", str(ini),
                                       script='cat "${1#--config=}"; echo $#')
        self.assertEqual(out, "[output]\nname=Virtual-4\nmode=1280x720\n\n"
                         "[core]\nidle-time=0\n1\n")
        self.assertEqual(ini.read_text(), "[core]\nidle-time=0\n")

    def test_xorg(self):
        self.fake()
        _status, out, _err = self.size("Xorg", ":1", "-masterfd", "@FD@",
                                       script='echo "$1 $3 $4 $5"; cat "$2"')
        self.assertIn("-config :1 -masterfd 3\n", out)
        self.assertIn('Option "PreferredMode" "1280x720"', out)

    def test_size_that_is_not_there(self):
        self.fake()
        status, _out, err = self.size("mutter", size="1000x500")
        self.assertEqual(status, 125)
        self.assertEqual(err, "scanout-run: Virtual-4 has no mode 1000x500 for mutter; choose a "
                         "--size it has: 1920x1080, 1280x720\n")

    def test_program_that_takes_none(self):
        self.fake()
        status, _out, err = self.size("cage", script="exit 5")
        self.assertEqual(status, 5)
        self.assertIn("cage cannot be told --size", err)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as"]:
        globals()["as_" + sys.argv[2]](*sys.argv[3:])
    else:
        unittest.main()

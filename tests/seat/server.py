"""Runs seat_server and talks to it; SEAT_SERVER names the program."""
import array
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import patience  # noqa: E402, F401 - what waits in vain fails
SEAT_SERVER = os.environ.get("SEAT_SERVER", os.path.join(ROOT, "build", "tests", "seat_server"))


class Server:
    def __init__(self, *options, **env):
        self.folder = tempfile.mkdtemp(prefix="seat-")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([SEAT_SERVER, self.folder, *options], stdin=theirs,
                                        env={**os.environ, **env})
        theirs.close()
        self.log = []
        self.untold = []
        self.problems = []
        self.wait("ready")

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def address(self):
        return "unix:path=" + self.path("bus")

    def next(self):
        """The next thing it tells, but for its log: (text, descriptors)."""
        return self.untold.pop(0) if self.untold else self.receive()

    def receive(self):
        while True:
            data, ancillary, _flags, _address = self.control.recvmsg(
                1024, socket.CMSG_SPACE(4))
            fds = array.array("i")
            for _level, _type, content in ancillary:
                fds.frombytes(content)
            text = data.decode()
            if text.startswith("log "):
                self.log.append(text[4:])
            elif text.startswith("problem "):
                self.problems.append(text[8:])
            else:
                return text, list(fds)

    def wait(self, expected):
        text, fds = self.next()
        assert text == expected, f"expected {expected!r}, was told {text!r}"
        return fds

    def is_silent(self):
        """Whether it has nothing to tell by the time it has done what was sent before."""
        # The event loop sees what is there in the first round, and has served that before the
        # next; what its clients caused by that comes in the ones after it.
        for _round in range(4):
            self.command("round")
        return not self.untold

    def command(self, word):
        """Returns when it is done; what was told meanwhile comes with next()."""
        self.control.send(word.encode())
        while (told := self.receive())[0] != "ok":
            self.untold.append(told)

    def stop(self):
        self.control.close()
        code = self.process.wait()
        shutil.rmtree(self.folder)
        return code


class ServerTest(unittest.TestCase):
    """A test with a server of its own, which must survive it and leak nothing."""

    options = ()
    env: dict[str, str] = {}
    hung_up = ConnectionError  # what a client sees that is hung up on

    def setUp(self):
        self.server = Server(*self.options, **self.env)
        self.addCleanup(self.stop)

    def stop(self):
        self.assertEqual(self.server.stop(), 0)

    def assert_alive(self):
        self.assertTrue(self.is_alive())

    def wait_for_room(self):
        """After a crowd has left: a new client may come before the server has seen that."""
        patience.wait_until(self.finds_room, "a place is free again")

    def finds_room(self):
        try:
            return self.is_alive()
        except self.hung_up:
            return False

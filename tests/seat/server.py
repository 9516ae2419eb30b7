"""Runs seat_server and talks to it; SEAT_SERVER names the program."""
import array
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEAT_SERVER = os.environ.get("SEAT_SERVER", os.path.join(ROOT, "build", "tests", "seat_server"))
PATIENCE = 10


class Server:
    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="seat-")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE)
        self.process = subprocess.Popen([SEAT_SERVER, self.folder, *options], stdin=theirs)
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
        self.control.settimeout(0.2)
        try:
            self.next()
            return False
        except TimeoutError:
            return True
        finally:
            self.control.settimeout(PATIENCE)

    def command(self, word):
        """Returns when it is done; what was told meanwhile comes with next()."""
        self.control.send(word.encode())
        while (told := self.receive())[0] != "ok":
            self.untold.append(told)

    def stop(self):
        self.control.close()
        code = self.process.wait(PATIENCE)
        shutil.rmtree(self.folder)
        return code


class ServerTest(unittest.TestCase):
    """A test with a server of its own, which must survive it and leak nothing."""

    options = ()

    def setUp(self):
        self.server = Server(*self.options)
        self.addCleanup(self.stop)

    def stop(self):
        self.assertEqual(self.server.stop(), 0)

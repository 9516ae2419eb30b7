#!/usr/bin/python3
"""The weston-launch protocol, packet by packet."""
import array
import os
import socket
import struct
import unittest

from server import ServerTest

OPEN, DEACTIVATE_DONE = 0, 2
ACTIVATE, DEACTIVATE, OPEN_REPLY = 0, 1, 3
CARD = b"/dev/null\0"


class WestonLaunchTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.socket = self.connect()

    def connect(self):
        self.server.command("weston")
        end = socket.socket(fileno=self.server.wait("weston")[0])
        self.addCleanup(end.close)
        return end

    def ask(self, path):
        self.socket.send(struct.pack("=ii", OPEN, os.O_RDWR) + path)

    def reply(self):
        """(result, descriptors)"""
        data, ancillary, _flags, _address = self.socket.recvmsg(64, socket.CMSG_SPACE(16))
        fds = array.array("i")
        for _level, _type, content in ancillary:
            fds.frombytes(content)
        event, result = struct.unpack("=ii", data)
        self.assertEqual(event, OPEN_REPLY)
        return result, list(fds)

    def open(self):
        self.ask(CARD)
        result, fds = self.reply()
        self.assertEqual((result, len(fds)), (0, 1))
        try:
            return os.pread(fds[0], 64, 0).decode()
        finally:
            os.close(fds[0])

    def test_open_and_death(self):
        self.assertEqual(self.open(), "take 1")
        self.server.wait("take 1")
        self.socket.close()
        self.server.wait("drop")

    def test_second_weston_on_the_same_socket(self):
        """The protocol has no close: who asks again has let go."""
        self.assertEqual(self.open(), "take 1")
        self.assertEqual(self.open(), "take 2")
        for event in ("take 1", "drop", "take 2"):
            self.server.wait(event)

    def test_other_devices_are_refused(self):
        for path in (b"/dev/zero\0", b"/dev/dri/card7\0", b"/dev/input/event0\0"):
            self.ask(path)
            self.assertEqual(self.reply(), (-1, []))

    def test_no_lease_to_be_had(self):
        self.server.command("refuse")
        self.ask(CARD)
        self.assertEqual(self.reply(), (-1, []))
        self.assertTrue(self.server.is_silent())

    def test_pause_and_resume(self):
        self.open()
        self.server.command("pause")
        self.assertEqual(self.socket.recv(64), struct.pack("=i", DEACTIVATE))
        self.socket.send(struct.pack("=i", DEACTIVATE_DONE))
        self.server.command("resume")
        self.assertEqual(self.socket.recv(64), struct.pack("=i", ACTIVATE))

    def test_nonsense_is_hung_up_on(self):
        """Each of these ends the connection, drops the lease, and leaves the server whole."""
        packets = (b"x", b"\0" * 4, struct.pack("=i", 77), struct.pack("=ii", OPEN, 0),
                   struct.pack("=ii", OPEN, 0) + b"\0", struct.pack("=ii", OPEN, 0) + b"/dev/null",
                   struct.pack("=ii", OPEN, 0) + b"/dev\0/null\0", os.urandom(60000),
                   struct.pack("=ii", OPEN, 0) + b"/" * 300 + b"\0")
        for number, packet in enumerate(packets, 1):
            self.socket = self.connect()
            self.assertEqual(self.open(), f"take {number}")
            self.server.wait(f"take {number}")
            self.socket.send(packet)
            self.assertEqual(self.socket.recv(64), b"", packet[:16])
            self.server.wait("drop")

    def test_client_that_never_reads(self):
        with self.assertRaises(ConnectionError):
            for _ in range(100000):
                self.ask(b"/dev/zero\0")
        self.socket = self.connect()
        self.assertEqual(self.open(), "take 1")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""The mini bus, as raw bytes."""
import os
import pathlib
import socket
import struct
import unittest

from dbus_message import message
from gdbus import DEVICE, LOGIN1, SESSION, GLib, Login1Test

HELLO = message(1, path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
                member="Hello", destination="org.freedesktop.DBus")
AUTH = b"\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


def get_id(serial, flags=0):
    return message(serial, flags=flags, path="/org/freedesktop/DBus",
                   interface="org.freedesktop.DBus", member="GetId",
                   destination="org.freedesktop.DBus")


class BadInput(Login1Test):
    env = {"LSAN_OPTIONS": f"suppressions={pathlib.Path(__file__).parents[1] / 'libsystemd.supp'}"}

    def raw(self):
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.server.path("bus"))
        self.addCleanup(link.close)
        return link

    def is_dropped(self, link):
        try:
            while link.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    hung_up = GLib.Error

    def is_alive(self):
        return self.client().manager("GetSession", "(s)", "auto") == (SESSION,)

    def test_all_in_one_piece(self):
        """Handshake and first calls in one write are answered without another byte."""
        link = self.raw()
        link.sendall(AUTH + HELLO + get_id(2))
        got = b""
        while got.count(b"l\x02") < 2:
            got += link.recv(65536)
        self.assertIn(b"NameAcquired", got)

    def test_hello_comes_first(self):
        """A call before Hello is refused; Hello still works, once."""
        link = self.raw()
        link.sendall(AUTH + get_id(2))
        got = b""
        while b"AccessDenied" not in got:
            got += link.recv(65536)
        link.sendall(HELLO + HELLO)
        while b"said already" not in got:
            got += link.recv(65536)
        self.assertIn(b"NameAcquired", got)

    def test_garbage(self):
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"\0AUTH NONSENSE\r\n" * 5000,
                     AUTH + b"\xff" * 64, AUTH + os.urandom(4096),
                     AUTH + struct.pack("<cBBBIII", b"l", 1, 0, 1, 2**31, 1, 2**31),
                     AUTH + HELLO + HELLO[:16] + b"\xff" * len(HELLO[16:]),
                     AUTH + HELLO + message(2, path="/", member="a" * 300)):
            link = self.raw()
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self.assertTrue(self.is_dropped(link), data[:16])
        self.assert_alive()

    def test_half_a_message_holds_nobody_up(self):
        link = self.raw()
        link.sendall(AUTH + HELLO[:20])
        silent = self.raw()
        self.assert_alive()
        link.sendall(HELLO[20:])
        self.assertIn(b"NameAcquired"[:1], link.recv(65536))
        silent.close()

    def test_flood_without_reading(self):
        """Calls without end whose answers nobody reads: hung up on, others are served."""
        link = self.raw()
        link.sendall(AUTH + HELLO)
        burst = b"".join(get_id(n) for n in range(2, 500))
        with self.assertRaises(ConnectionError):
            for _ in range(10000):
                link.sendall(burst)
        self.assert_alive()

    def test_flood_with_reading(self):
        """A client that floods and reads has its turn, and so have the others."""
        link = self.raw()
        pid = os.fork()
        if pid == 0:
            try:
                link.sendall(AUTH + HELLO)
                burst = b"".join(get_id(n, flags=1) for n in range(2, 2000))
                while True:
                    link.sendall(burst)
            finally:
                os._exit(0)
        try:
            for _ in range(5):
                self.assert_alive()
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def test_signals_and_replies_from_clients(self):
        """What nobody asked for is swallowed, also calls that want no reply."""
        link = self.raw()
        link.sendall(AUTH + HELLO)
        for kind, flags in ((4, 0), (2, 0), (3, 0), (1, 1)):
            link.sendall(message(7, kind=kind, flags=flags, path="/a", interface="b.c",
                                 member="d", destination="e.f"))
        link.sendall(get_id(9))
        got = b""
        while got.count(b"l\x02") < 2:
            got += link.recv(65536)
        self.assertNotIn(b"l\x03", got)

    def test_crowd(self):
        crowd = [self.raw() for _ in range(90)]
        for link in crowd:
            try:
                link.sendall(AUTH + HELLO)
            except ConnectionError:
                pass
        for link in crowd:
            link.close()
        self.wait_for_room()

    def test_clients_that_vanish(self):
        """Clients that hang up at every stage of taking the card leave nothing behind."""
        stages = [b"", AUTH[:5], AUTH, AUTH + HELLO, AUTH + HELLO + message(
            2, path=SESSION, interface=LOGIN1 + ".Session", member="TakeControl",
            destination=LOGIN1, signature="b", body=b"\0\0\0\0")]
        stages.append(stages[-1] + message(
            3, path=SESSION, interface=LOGIN1 + ".Session", member="TakeDevice",
            destination=LOGIN1, signature="uu", body=struct.pack("<II", *DEVICE)))
        for data in stages:
            link = self.raw()
            link.sendall(data)
            if data == stages[-1]:
                self.server.wait("take 1")
            link.close()
        self.server.wait("drop")
        self.assertTrue(self.server.is_silent())
        self.assert_alive()


if __name__ == "__main__":
    unittest.main()

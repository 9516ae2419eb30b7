#!/usr/bin/python3
"""The seatd protocol, byte by byte."""
import array
import errno
import os
import socket
import struct
import unittest

from server import ServerTest

OPEN_SEAT, CLOSE_SEAT, OPEN_DEVICE, CLOSE_DEVICE, DISABLE, SWITCH, PING = range(1, 8)
SEAT_OPENED, SEAT_CLOSED, DEVICE_OPENED, DEVICE_CLOSED = range(0x8001, 0x8005)
EVENT_DISABLE, EVENT_ENABLE, PONG, SWITCHED, DISABLED = range(0x8005, 0x800A)
ERROR = 0xFFFF
CARD = "/dev/null"


class Client:
    def __init__(self, server):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(server.path("seatd"))

    def send(self, opcode, payload=b""):
        self.socket.sendall(struct.pack("=HH", opcode, len(payload)) + payload)

    def receive(self):
        """(opcode, payload, descriptors), or None at the end."""
        data, ancillary, _flags, _address = self.socket.recvmsg(4, socket.CMSG_SPACE(16))
        if not data:
            return None
        opcode, size = struct.unpack("=HH", data)
        payload = b""
        fds = array.array("i")
        while len(payload) < size:
            payload += self.socket.recv(size - len(payload))
        for _level, _type, content in ancillary:
            fds.frombytes(content)
        return opcode, payload, list(fds)

    def is_dropped(self):
        try:
            while self.socket.recv(4096):
                pass
            return True
        except ConnectionError:
            return True

    def open_seat(self):
        self.send(OPEN_SEAT)
        assert self.receive() == (SEAT_OPENED, struct.pack("=H", 5) + b"seat0", [])

    def enable(self):
        self.open_seat()
        assert self.receive() == (EVENT_ENABLE, b"", [])
        return self

    def ask(self, path):
        data = path.encode() + b"\0"
        self.send(OPEN_DEVICE, struct.pack("=H", len(data)) + data)

    def open(self, path=CARD):
        self.ask(path)
        opcode, payload, fds = self.receive()
        assert opcode == DEVICE_OPENED and len(fds) == 1, (hex(opcode), payload)
        return struct.unpack("=i", payload)[0], fds[0]

    def refusal(self):
        opcode, payload, fds = self.receive()
        assert opcode == ERROR and not fds, hex(opcode)
        return struct.unpack("=i", payload)[0]

    def close(self):
        self.socket.close()


class SeatdTest(ServerTest):
    def client(self):
        client = Client(self.server)
        self.addCleanup(client.close)
        return client

    def is_alive(self):
        client = self.client()
        client.send(PING)
        return client.receive() == (PONG, b"", [])

    def read(self, fd):
        self.addCleanup(os.close, fd)
        return os.pread(fd, 64, 0).decode()


class Devices(SeatdTest):
    def test_each_open_takes_a_fresh_lease(self):
        """Card opened, closed, opened again: two different leases, the first one dropped."""
        client = self.client().enable()
        device, fd = client.open()
        self.server.wait("take 1")
        self.assertEqual(self.read(fd), "take 1")
        client.send(CLOSE_DEVICE, struct.pack("=i", device))
        self.assertEqual(client.receive()[0], DEVICE_CLOSED)
        self.server.wait("drop")
        _device, fd = client.open()
        self.server.wait("take 2")
        self.assertEqual(self.read(fd), "take 2")

    def test_death_drops_the_lease(self):
        """A client with the card hangs up: dropped, and the next one gets its own."""
        client = self.client().enable()
        client.open()
        self.server.wait("take 1")
        client.close()
        self.server.wait("drop")
        self.client().enable().open()
        self.server.wait("take 2")

    def test_closing_the_seat_drops_the_lease(self):
        client = self.client().enable()
        client.open()
        self.server.wait("take 1")
        client.send(CLOSE_SEAT)
        self.assertEqual(client.receive()[0], SEAT_CLOSED)
        self.server.wait("drop")

    def test_card_is_lent_once(self):
        client = self.client().enable()
        client.open()
        client.ask(CARD)
        self.assertEqual(client.refusal(), errno.EBUSY)

    def test_no_lease_to_be_had(self):
        """The lender refuses: its errno reaches the client, and nothing is dropped later."""
        self.server.command("refuse")
        client = self.client().enable()
        client.ask(CARD)
        self.assertEqual(client.refusal(), errno.ETIMEDOUT)
        client.close()
        self.assertTrue(self.server.is_silent())

    def test_other_devices_are_refused(self):
        client = self.client().enable()
        for path, error in (("/dev/dri/card7", errno.ENOENT), ("/dev/zero", errno.ENOENT),
                            ("/dev/input/event0", errno.EACCES), ("/dev//null", errno.ENOENT),
                            ("/dev/input/../null", errno.EACCES)):
            client.ask(path)
            self.assertEqual(client.refusal(), error, path)
        self.assertIn("Refused device '/dev/zero'", "".join(self.drain()))

    def drain(self):
        self.server.is_silent()
        return self.server.log

    def test_unknown_device_id(self):
        client = self.client().enable()
        for device in (0, -1, 1, 128, 129, 2**31 - 1):
            client.send(CLOSE_DEVICE, struct.pack("=i", device))
            self.assertEqual(client.refusal(), errno.EBADF)

    def test_not_before_enabled(self):
        """A client that waits for the seat gets no devices."""
        self.client().enable()
        second = self.client()
        second.open_seat()
        second.ask(CARD)
        self.assertEqual(second.refusal(), errno.EPERM)


class Inputs(SeatdTest):
    options = ("--input=/dev/input/*",)

    def test_allowed_name_that_is_no_input(self):
        """A glob allows names; what is not an evdev node stays refused behind such a name."""
        client = self.client().enable()
        client.ask("/dev/input/nothing-here")
        self.assertEqual(client.refusal(), errno.ENOENT)
        client.ask("/dev/input/../null")
        self.assertEqual(client.refusal(), errno.EACCES)
        client.ask("/dev/input/by-path/../../null")
        self.assertEqual(client.refusal(), errno.EACCES)


class Turns(SeatdTest):
    def test_one_client_at_a_time(self):
        """Two clients: the second is enabled when the first is gone."""
        first = self.client().enable()
        second = self.client()
        second.open_seat()
        second.send(PING)
        self.assertEqual(second.receive(), (PONG, b"", []))
        first.close()
        self.assertEqual(second.receive(), (EVENT_ENABLE, b"", []))

    def test_pause_and_resume(self):
        client = self.client().enable()
        self.server.command("pause")
        self.assertEqual(client.receive(), (EVENT_DISABLE, b"", []))
        client.send(DISABLE)
        self.assertEqual(client.receive(), (DISABLED, b"", []))
        client.ask(CARD)
        self.assertEqual(client.refusal(), errno.EPERM)
        self.server.command("resume")
        self.assertEqual(client.receive(), (EVENT_ENABLE, b"", []))
        client.open()

    def test_resume_waits_for_the_answer(self):
        """Resumed before the client said it had stopped: enabled only after it did."""
        client = self.client().enable()
        self.server.command("pause")
        self.assertEqual(client.receive(), (EVENT_DISABLE, b"", []))
        self.server.command("resume")
        client.send(PING)
        self.assertEqual(client.receive(), (PONG, b"", []))
        client.send(DISABLE)
        self.assertEqual(client.receive(), (DISABLED, b"", []))
        self.assertEqual(client.receive(), (EVENT_ENABLE, b"", []))

    def test_opened_while_paused(self):
        self.server.command("pause")
        client = self.client()
        client.open_seat()
        client.send(PING)
        self.assertEqual(client.receive(), (PONG, b"", []))
        self.server.command("resume")
        self.assertEqual(client.receive(), (EVENT_ENABLE, b"", []))

    def test_switch_session(self):
        client = self.client().enable()
        client.send(SWITCH, struct.pack("=i", 2))
        self.assertEqual(client.receive(), (SWITCHED, b"", []))


class OldTurns(SeatdTest):
    options = ("--old",)

    def test_no_answers_that_old_clients_die_of(self):
        """libseat 0.7 gets no reply to DISABLE_SEAT and SWITCH_SESSION."""
        client = self.client().enable()
        client.send(SWITCH, struct.pack("=i", 2))
        self.server.command("pause")
        self.assertEqual(client.receive(), (EVENT_DISABLE, b"", []))
        client.send(DISABLE)
        client.send(PING)
        self.assertEqual(client.receive(), (PONG, b"", []))
        self.server.command("resume")
        self.assertEqual(client.receive(), (EVENT_ENABLE, b"", []))


class EitherTurns(SeatdTest):
    options = ("--either",)

    def test_not_told_of_a_pause(self):
        """A client of which nobody knows what it expects hears of no pause, and keeps its card."""
        client = self.client().enable()
        client.open()
        self.server.wait("take 1")
        for word in ("pause", "resume", "blink"):
            self.server.command(word)
            client.send(PING)
            self.assertEqual(client.receive(), (PONG, b"", []), word)
        self.assertTrue(self.server.is_silent())

    def test_opened_while_paused(self):
        """One that comes while the seat is paused has to wait all the same."""
        self.server.command("pause")
        client = self.client()
        client.open_seat()
        client.send(PING)
        self.assertEqual(client.receive(), (PONG, b"", []))
        self.server.command("resume")
        self.assertEqual(client.receive(), (EVENT_ENABLE, b"", []))


class BadInput(SeatdTest):
    def test_nonsense_is_hung_up_on(self):
        """Each of these ends its connection, and no other."""
        keeper = self.client().enable()
        path = b"/dev/null"
        for data in (
            b"\xff" * 4096, os.urandom(512) + b"\xff" * 512,
            struct.pack("=HH", 99, 0), struct.pack("=HH", OPEN_SEAT, 3) + b"abc",
            struct.pack("=HH", OPEN_SEAT, 0) * 2, struct.pack("=HH", CLOSE_SEAT, 0),
            struct.pack("=HH", PING, 60000) + b"x" * 60000,
            struct.pack("=HHH", OPEN_DEVICE, 2, 0), struct.pack("=HH", OPEN_DEVICE, 0),
            struct.pack("=HHH", OPEN_DEVICE, 2 + len(path), len(path)) + path,
            struct.pack("=HHH", OPEN_DEVICE, 2 + len(path), 500) + path,
            struct.pack("=HH", CLOSE_DEVICE, 1) + b"x",
        ):
            client = self.client()
            try:
                client.socket.sendall(data)
            except ConnectionError:
                pass
            self.assertTrue(client.is_dropped(), data[:16])
        keeper.send(PING)
        self.assertEqual(keeper.receive(), (PONG, b"", []))

    def test_message_in_pieces(self):
        """A request that comes byte by byte, and one with another's head on its tail."""
        client = self.client()
        for byte in struct.pack("=HH", OPEN_SEAT, 0):
            client.socket.sendall(bytes([byte]))
        self.assertEqual(client.receive()[0], SEAT_OPENED)
        self.assertEqual(client.receive()[0], EVENT_ENABLE)
        ping = struct.pack("=HH", PING, 0)
        client.socket.sendall(ping + ping[:3])
        self.assertEqual(client.receive()[0], PONG)
        client.socket.sendall(ping[3:] + ping)
        self.assertEqual(client.receive()[0], PONG)
        self.assertEqual(client.receive()[0], PONG)

    def test_half_a_message_holds_nobody_up(self):
        half = self.client()
        half.socket.sendall(b"\x01")
        self.assert_alive()

    def test_client_that_never_reads(self):
        """A flood whose answers nobody reads ends in a hang-up; others do not notice."""
        client = self.client()
        pings = struct.pack("=HH", PING, 0) * 1024
        with self.assertRaises(ConnectionError):
            for _ in range(10000):
                client.socket.sendall(pings)
        self.assert_alive()

    def test_crowd(self):
        """More connections than there is room for: the rest is hung up on, places come back."""
        crowd = [self.client() for _ in range(40)]
        for client in crowd:
            try:
                client.send(PING)
            except ConnectionError:
                pass
        alive = 0
        for client in crowd:
            try:
                alive += client.receive() is not None
            except ConnectionError:
                pass
        self.assertEqual(alive, 32)
        for client in crowd:
            client.close()
        self.wait_for_room()

    def test_descriptors_sent_to_the_server(self):
        """A client may send descriptors; the server does not keep them."""
        client = self.client()
        before = len(os.listdir(f"/proc/{self.server.process.pid}/fd"))
        for _ in range(20):
            socket.send_fds(client.socket, [struct.pack("=HH", PING, 0)], [0, 1, 2])
            self.assertEqual(client.receive()[0], PONG)
        after = len(os.listdir(f"/proc/{self.server.process.pid}/fd"))
        self.assertLessEqual(after, before + 1)


if __name__ == "__main__":
    unittest.main()

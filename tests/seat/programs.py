#!/usr/bin/python3
"""What the tests of scanout-run start as a command: `programs.py NAME ARG...`."""
import os
import pathlib
import signal
import socket
import struct
import sys
import time

import test_seatd


def seatd():
    """A client of the seat that scanout-run provides, enabled."""
    class Here:
        def path(self, _name):
            return os.environ["SEATD_SOCK"]
    return test_seatd.Client(Here()).enable()


def seatd_with_card():
    client = seatd()
    client.open(os.environ["SCANOUT_DEVICE"])
    return client


def show(*names):
    """Prints variables, and '-' for those that are not set."""
    print("\n".join(os.environ.get(name, "-") for name in names))


def device(fd):
    """The device behind a descriptor."""
    st = os.fstat(int(fd))
    print(os.major(st.st_rdev), os.minor(st.st_rdev))


def reopen():
    """Opens the card by seatd and closes it, once for each line of input."""
    for _line in sys.stdin:
        seatd_with_card().close()
    print("done", flush=True)


def hold():
    """Holds the card and tells each event of the seat."""
    client = seatd_with_card()
    print("held", flush=True)
    while True:
        event = client.receive()
        print(hex(event[0]), flush=True)
        if event[0] == test_seatd.EVENT_DISABLE:
            client.send(test_seatd.DISABLE)


def signals():
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


def weston():
    """Opens the card over weston-launch and tells what kind of packet came back."""
    link = socket.socket(fileno=int(os.environ["WESTON_LAUNCHER_SOCK"]))
    link.send(struct.pack("=ii", 0, 2) + os.environ["SCANOUT_DEVICE"].encode() + b"\0")
    print(struct.unpack_from("=i", link.recv(64))[0], flush=True)
    signal.pause()


def leave_holder(flag):
    """At first leaves a child behind that holds the card; then opens the card itself."""
    first = not os.path.exists(flag)
    client = seatd_with_card()
    print("held", flush=True)
    if first:
        pathlib.Path(flag).touch()
        if os.fork() == 0:
            client.receive()
            print("hung up on", flush=True)
        else:
            os._exit(1)


def leave_orphan():
    """Leaves a child to whoever started this, ends it, and waits until it is collected."""
    out, orphans_in = os.pipe()
    told, tell = os.pipe()
    if os.fork() == 0:
        orphan = os.fork()
        if orphan == 0:
            os.close(orphans_in)
            os.read(out, 1)
        else:
            os.write(tell, struct.pack("=i", orphan))
        os._exit(0)
    os.wait()
    orphan = struct.unpack("=i", os.read(told, 4))[0]
    os.close(orphans_in)
    try:
        # A pidfd tells when it ends; that somebody else has collected it, nothing tells.
        while True:
            os.kill(orphan, 0)
            time.sleep(0.01)
    except ProcessLookupError:
        print("collected", flush=True)


def wait():
    """Does nothing until it is told to end, and then ends well."""
    def end(_number, _frame):
        os.write(1, b"ended\n")
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    os.write(1, b"waiting\n")
    while True:
        signal.pause()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

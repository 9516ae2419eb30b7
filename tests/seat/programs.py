#!/usr/bin/python3
"""What the tests of scanout-run start as a command: `programs.py NAME ARG...`."""
import os
import pathlib
import select
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


def fail():
    sys.exit(1)


def seatd_and_fail():
    """Comes to the seat, and ends without having asked for anything."""
    seatd()
    sys.exit(1)


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
    """Holds the card and tells each event of the seat. A line of input makes a ping to it, whose
    answer is told behind the events before it."""
    client = seatd_with_card()
    print("held", flush=True)
    while True:
        if sys.stdin in select.select([client.socket, sys.stdin], [], [])[0]:
            sys.stdin.readline()
            client.send(test_seatd.PING)
        event = client.receive()
        print(hex(event[0]), flush=True)
        if event[0] == test_seatd.EVENT_DISABLE:
            client.send(test_seatd.DISABLE)


def signals():
    """Tells each signal; TERM ends it with 42."""
    # Not with pause(): Python calls no handler for what comes just before it.
    numbers = {signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    print("ready", flush=True)
    number = None
    while number != signal.SIGTERM:
        number = signal.sigwait(numbers)
        print(number.name, flush=True)
    sys.exit(42)


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
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
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


def linger(how=""):
    """Tells its pid and stays until it is told to end; by LINGER_IGNORES also then."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("LINGER_IGNORES")
                  else signal.SIG_DFL)
    print(os.getpid(), flush=True)
    if how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        signal.pause()


def as_orphan():
    """Opens the card in a process whose parents are gone."""
    out, tell = os.pipe()
    if os.fork() == 0:
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent:
                time.sleep(0.01)
            seatd_with_card()
            os.write(tell, b"held")
        os._exit(0)
    os.wait()
    os.close(tell)
    print(os.read(out, 16).decode(), flush=True)


def wait():
    """Does nothing until it is told to end, and then ends well."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    print("waiting", flush=True)
    signal.sigwait({signal.SIGTERM})
    print("ended", flush=True)


if __name__ == "__main__":
    # Not what scanout-run adds for a program of this name.
    name, *words = [word for word in sys.argv[1:] if not word.startswith("--")]
    globals()[name](*words)

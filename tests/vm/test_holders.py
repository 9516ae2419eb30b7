"""Holders and callers that end in every way but the usual one: a lease lives as long as its last
copy, wherever that is."""

import json

from machine import wait_until
from scanouts import (OPEN, PROBE, row, rows, start_daemon, wait_all_free, wait_blank, wait_shown,
                      wait_state)

setup = start_daemon
MODE = "--mode 640x480"
GUEST_SOCKET = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/scanoutd/guest/bus"


def begin(vm, command: str, *, prefix: str = ""):
    """A probe, and its first line."""
    process = vm.spawn(f"{prefix} exec {PROBE} {command} {OPEN}")
    line = process.readline(30)
    assert line, process.err
    return process, json.loads(line)


def shown(vm, said: dict):
    assert row(vm, said["scanout"])["state"] == "leased"
    wait_shown(vm, said["index"])


def ended(vm, said: dict):
    wait_state(vm, said["scanout"], "free")
    wait_blank(vm, said["index"])


def wait_gone(vm, pid: int):
    """A process that is gone has no files any more."""
    vm.run(f"while kill -0 {pid} 2>/dev/null; do sleep 0.05; done", timeout=20)


def kill(vm, pid: int):
    vm.run(f"kill -KILL {pid}")
    wait_gone(vm, pid)


def test_never_reads(vm):
    """A caller whose lease has come, on the system bus or on the guest socket, does not read it:
    it has the lease, until it is killed."""
    for prefix in ("", GUEST_SOCKET):
        caller, said = begin(vm, "leave-unread --label unread", prefix=prefix)
        assert said == {"unread": True}, said
        now = [r for r in rows(vm).values() if r["label"] == "unread"]
        assert len(now) == 1 and now[0]["holder"]["pid"] == caller.pid, now
        caller.terminate("KILL")
        wait_state(vm, now[0]["id"], "free")


def test_guest_leaves_in_flight(vm):
    """Guests exit between their request and the reply: what is granted to them does not stay."""
    since = vm.now()

    def granted():
        vm.run(f"{GUEST_SOCKET} {PROBE} leave-in-flight")
        return vm.journal("scanoutd", since).count("Leased to") >= 3  # MaxPerHolder= is more
    wait_until(granted, 40, "three are granted")
    wait_all_free(vm)


def test_spread(vm):
    """Three processes have the lease, as a dup() of which the first is closed, by fork(), and
    through a socket: it lives until the last of them is killed."""
    _, said = begin(vm, f"spread --request {MODE}")
    for pid in said["holders"]:
        shown(vm, said)
        kill(vm, pid)
    ended(vm, said)


def test_in_a_socket(vm):
    """The lease is sent to a process that never reads it, and the sender exits: the lease is in
    the socket alone, and its picture stands. The process is killed: both end."""
    sender, said = begin(vm, f"send-away --request {MODE}")
    wait_gone(vm, sender.pid)
    shown(vm, said)
    kill(vm, said["receiver"][0])
    ended(vm, said)


def test_mapped(vm):
    """The file of the lease is closed, but two buffers of it are mapped: the lease goes on, and so
    does the picture. It ends when the last of them is unmapped; its process lives on."""
    vm.run("rm -f /run/unmap; mkfifo /run/unmap")
    process = vm.spawn(f"exec {PROBE} map --request {MODE} 0<>/run/unmap")
    said = json.loads(process.readline(30))
    shown(vm, said)
    vm.run("echo >/run/unmap")
    process.readline(20)
    shown(vm, said)
    vm.run("echo >/run/unmap")
    process.readline(20)
    ended(vm, said)
    assert process.poll() is None, "the process has gone on"
    process.terminate("KILL")

"""Callers that are killed at any moment, by the thousand."""

import os

from machine import wait_until
from scanouts import (configure, daemon_status, kernel_clients, override, probe, rows,
                      start_daemon, wait_all_free)
from test_faults import MACHINE  # noqa: F401  the same machine

CYCLES = int(os.environ.get("CYCLES", "1000"))
SEED = int(os.environ.get("SEED", "4"))
WARM_UP = 400 + CYCLES // 10
# A storm with a worse moment than all before it leaves a larger heap, once: the machine was busier,
# so more callers were there at once. A leak makes it larger each time.
ROUNDS = 4

# What is freed goes back to the kernel at once. Else the memory after a storm is that of its worst
# moment, which differs, and a leak of a few bytes a call would hide in it.
TRIM = ("[Service]\nEnvironment=GLIBC_TUNABLES=glibc.malloc.trim_threshold=0:"
        "glibc.malloc.top_pad=0:glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0\n")


def setup(vm):
    start_daemon(vm)
    override(vm, TRIM)
    configure(vm, "[Policy]\nMaxPerHolder=64\n")  # all of them are one holder


def storm(vm, cycles: int, seed: int) -> dict:
    ids = " ".join(f"--scanout {id}" for id in rows(vm))
    said = probe(vm, f"kill-storm {cycles} --seed {seed} --mode 640x480 {ids}",
                 timeout=60 + cycles / 10)
    wait_all_free(vm, 60)
    return said


def test_killed(vm):
    """Callers on both sockets ask for any of 16 scanouts, with and without labels, takeovers and
    timeouts, and are killed at a moment that is drawn by lot: before they ask, before the answer,
    before they read it, with the lease, with a picture on it. Afterwards 16 scanouts are free; no
    lessee, no file and no memory is left."""
    storm(vm, WARM_UP, SEED + ROUNDS)
    clients = kernel_clients(vm)
    for seed in range(SEED, SEED + ROUNDS):
        grown = measured_storm(vm, seed)
        if abs(grown) <= 64:
            break
    assert abs(grown) <= 64, f"{grown} KiB more RSS after each storm"
    assert kernel_clients(vm) == clients


def measured_storm(vm, seed: int) -> int:
    """How much larger the daemon is after it, in KiB."""
    before = daemon_status(vm)
    said = storm(vm, CYCLES, seed)
    after = wait_until(lambda: now if (now := daemon_status(vm))["fds"] <= before["fds"] else None,
                       20, "no file is left")
    print(f"    {said}; RSS {before['rss']} KiB before, {after['rss']} KiB after")
    assert said["count"] == CYCLES
    # How many of each there are depends on how fast this machine is.
    assert all(said[phase] > 0 for phase in ("asked", "unread", "refused", "holding")), said
    assert after["pid"] == before["pid"] and after["fds"] == before["fds"], (before, after)
    return after["rss"] - before["rss"]

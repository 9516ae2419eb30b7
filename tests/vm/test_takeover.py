"""A new request replaces the old lease of its holder, and the picture stands."""

import json

from machine import wait_until
from scanouts import OPEN, PROBE, hold, row, rows, start_daemon, wait_all_free, wait_blank
from watch import Watch

setup = start_daemon
ORANGE, BLUE = (0xff, 0x88, 0x00), (0x00, 0x44, 0xff)


def take_over(vm, command: str):
    process = vm.spawn(f"exec {PROBE} {command} --request --takeover --label desk {OPEN}")
    ready = json.loads(process.readline(30))
    assert ready.get("ready"), ready
    return process, ready


def picture_stands(vm, how: str = ""):
    monitor = vm.spawn("exec scanoutctl monitor")
    first, ready = hold(vm, f"--label desk --fill ff8800 {how}")
    scanout, head = ready["scanout"], ready["index"]
    wait_until(lambda: not vm.is_blank(head), 5, "the first one's picture is there")
    watch = Watch(vm, head)
    watch.wait(5)
    second, now = take_over(vm, "sit")
    assert now["scanout"] == scanout and now["generation"] > ready["generation"], (ready, now)
    watch.wait(5)
    first.terminate("KILL")
    watch.wait(10)
    assert row(vm, scanout)["generation"] == now["generation"]
    third, last = take_over(vm, f"hold --fill 0044ff --mode 1920x1080 {how}")
    assert last["scanout"] == scanout and last["generation"] > now["generation"], (now, last)
    second.terminate("KILL")
    watch.wait(10)
    seen = watch.end()
    changes = [c for i, c in enumerate(seen) if i == 0 or seen[i - 1] != c]
    print(f"    {len(seen)} captures: {changes}")
    assert changes == [ORANGE, BLUE], changes
    wait_until(lambda: monitor.out.count("takeover") >= 2, 10, "monitor tells of both")
    third.terminate()
    wait_all_free(vm)
    wait_blank(vm, head)
    monitor.terminate()


def test_picture_stands(vm):
    """A desk's lease is taken over by one that draws nothing yet, and the old desk is killed: its
    picture stands. That one is taken over by a third, which draws: at no moment is the head blank.
    The ends are told as `takeover`."""
    picture_stands(vm)


def test_picture_stands_atomic(vm):
    """The same of desks that commit atomically, with a cursor."""
    picture_stands(vm, "--atomic")


def flipping(vm, how: str = ""):
    flip = f"{PROBE} flip-rate 86400 --keep --request --label desk --mode 1920x1080 --fill ff8800 {how}"
    desk = vm.spawn(f"exec {flip} {OPEN}")
    wait_until(lambda: any(r["width"] == 1920 for r in rows(vm).values()), 20, "it shows")
    head = next(r["index"] for r in rows(vm).values() if r["label"] == "desk")
    wait_until(lambda: not vm.is_blank(head), 5, "its picture is there")
    watch = Watch(vm, head)
    for _ in range(10):
        sitter, _ = take_over(vm, "sit")
        desk.terminate("KILL")
        watch.wait(2)
        desk = vm.spawn(f"exec {flip} --takeover {OPEN}")
        wait_until(lambda: any(
            r["label"] == "desk" and r["holder"]["pid"] == desk.pid for r in rows(vm).values()),
            20, "the next one has it")
        sitter.terminate("KILL")
        watch.wait(2)
    seen = watch.end()
    print(f"    {len(seen)} captures, {seen.count(None)} of them blank")
    assert set(seen) == {ORANGE}, set(seen)
    desk.terminate("KILL")
    wait_all_free(vm)


def test_flipping(vm):
    """The desk that is taken over flips as fast as it can, ten times over, and stays, like a
    compositor, until it is ended: the head is never blank before the next one shows its own."""
    flipping(vm)


def test_flipping_atomic(vm):
    """The same with commits that do not block, one always on its way."""
    flipping(vm, "--atomic")

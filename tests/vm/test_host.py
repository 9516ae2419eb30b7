"""The host's side: scanout-host on the bed's own QEMU, beside what the bed sees by itself."""

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import host
from machine import wait_until
from PIL import ImageChops
from scanouts import hold, start_daemon, wait_all_free, wait_shown

setup = start_daemon
MODE = (1920, 1080)


def qemu_fds(vm) -> int:
    return len(os.listdir(f"/proc/{vm.qemu.pid}/fd"))


def test_list(vm):
    """All heads, in order, each captured by shared memory."""
    found = json.loads(host.run(vm.bus_address, "list", "--probe", "--json"))["scanouts"]
    assert [row["head"] for row in found] == list(range(vm.head_count)), found
    assert {(row["device"], row["capture"]) for row in found} == {("pci/0000/02.0", "map")}, found


def test_shots(vm):
    """Four heads in colours of their own: the picture of each is what QEMU's own screendump shows,
    pixel for pixel, and that of a head without a lease is QEMU's placeholder."""
    held = [hold(vm, f"--label desk{n} --fill {0x114477 * (n + 1):06x}") for n in range(4)]
    for _, ready in held:
        wait_shown(vm, ready["index"])
    free = next(n for n in range(vm.head_count) if n not in {r["index"] for _, r in held})
    seen = set()
    for head in [ready["index"] for _, ready in held] + [free]:
        ours = host.shot(vm.bus_address, head, vm.workdir / f"shot-{head}.png")
        theirs = vm.capture(head)
        assert ours.size == theirs.size, (head, ours.size, theirs.size)
        assert ImageChops.difference(ours, theirs).getbbox() is None, f"head {head} differs"
        seen.add(ours.getpixel((ours.width // 2, ours.height // 3)))
    assert len(seen) == 5, seen
    for process, _ in held:
        process.terminate()
    wait_all_free(vm)


def test_record(vm):
    """A moving test card is recorded for two key frames' distance of pictures: a player shows all,
    in the size of the desktop, with a key frame first and times that grow."""
    path = vm.workdir / "record.mp4"
    card = vm.spawn("exec /usr/lib/scanoutd-tests/testcard --name desk --mode 1920x1080 --fps 20 "
                    "--scanout card0-Virtual-1")
    wait_shown(vm, 0)
    with host.recording(vm.bus_address, 0, path) as process:
        size = 0
        for _ in range(4):
            size = host.wait_recorded(path, size)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 0 and "pictures in" in err, (process.returncode, err)
    found = host.frames(path)
    times = [frame[0] for frame in found]
    print(f"    {len(found)} pictures in {times[-1] / 1e6:.1f} s")
    assert len(found) > 10, found
    assert found[0][1] == 1 and times[0] == 0 and times == sorted(set(times)), found
    assert {frame[2:4] for frame in found} == {MODE}, found
    card.terminate()
    wait_all_free(vm)


def test_record_several(vm):
    """Nine desktops in colours of their own are recorded at once: each file shows its desktop."""
    fills = [(40 + 20 * n, 220 - 20 * n, 30 + 25 * (n % 3)) for n in range(9)]
    held = [hold(vm, f"--label desk{n} --scanout card0-Virtual-{n + 1} "
                 f"--fill {'%02x%02x%02x' % fill}") for n, fill in enumerate(fills)]
    for _, ready in held:
        wait_shown(vm, ready["index"])
    folder = vm.workdir / "several"
    shutil.rmtree(folder, ignore_errors=True)  # of a run before
    folder.mkdir()
    with host.recording(vm.bus_address, range(9), folder, "--format", "h264") as process:
        for n in range(9):
            wait_until(lambda: (folder / f"{n}.h264").exists(), 30, f"{n}.h264 is there")
            host.wait_recorded(folder / f"{n}.h264", 0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 0 and err.count("pictures in") == 9, (process.returncode, err)
    for n, fill in enumerate(fills):
        *_, (_, _, width, height, *colour) = host.frames(folder / f"{n}.h264")
        assert (width, height) == MODE, (n, width, height)
        assert all(abs(one - other) < 12 for one, other in zip(colour, fill)), (n, fill, colour)
    for process, _ in held:
        process.terminate()
    wait_all_free(vm)


def measured(vm, *arguments) -> list[dict]:
    """For so long that something came of the first two, however slow the machine is."""
    for seconds in (3, 30, 300):
        said = host.run(vm.bus_address, "measure", "--json", "--seconds", seconds, *arguments)
        found = json.loads(said)["scanouts"]
        if all(row["read"] for row in found[:2]):
            break
    rate = sum(row["frames"] for row in found) / seconds
    print(f"    {rate:.1f} pictures a second by {found[0]['capture']}")
    assert all(row["read"] for row in found[:2]), found
    return found


def test_measure(vm):
    """Two desktops flip as fast as they can, and a head shows nothing: the pictures of both come by
    shared memory, and by messages if QEMU may not share it; of the third, none."""
    cards = [vm.spawn("exec /usr/lib/scanoutd-tests/testcard --name desk --mode 1920x1080 "
                      f"--scanout card0-Virtual-{n + 1}") for n in range(2)]
    for head in range(2):
        wait_shown(vm, head)
    for options, path in ((), "map"), (("--copies",), "messages"):
        found = measured(vm, *options, 0, 1, 2)
        assert [row["capture"] for row in found] == [path] * 3, found
        assert all(row["frames"] >= row["read"] for row in found[:2]), found
        assert found[2]["frames"] == 0, found
    for card in cards:
        card.terminate()
    wait_all_free(vm)


def test_killed(vm):
    """scanout-host is killed ten times while a desktop flips as fast as it can: the desktop goes on
    and is captured as before. QEMU 10.0 keeps one socket for each, never more; 'list' leaves none."""
    card = vm.spawn("exec /usr/lib/scanoutd-tests/testcard --name desk --mode 1920x1080 "
                    "--scanout card0-Virtual-1")
    wait_shown(vm, 0)
    before = qemu_fds(vm)
    for turn in range(10):
        path = vm.workdir / f"killed-{turn}.h264"
        with host.recording(vm.bus_address, 0, path) as process:
            host.wait_recorded(path, 0)
            assert qemu_fds(vm) > before
            process.kill()
    wait_until(lambda: qemu_fds(vm) <= before + 10, 10, f"QEMU has at most {before} + 10 open files")
    kept = qemu_fds(vm)
    print(f"    QEMU keeps {kept - before} sockets of 10 listeners")
    for _ in range(5):
        host.run(vm.bus_address, "list")
    assert qemu_fds(vm) <= kept
    found = json.loads(host.run(vm.bus_address, "list", "--probe", "--json"))["scanouts"]
    assert found[0]["capture"] == "map", found[0]
    first = host.shot(vm.bus_address, 0, vm.workdir / "killed.png")
    wait_until(lambda: ImageChops.difference(
        first, host.shot(vm.bus_address, 0, vm.workdir / "killed.png")).getbbox(), 10,
        "the desktop moves")
    card.terminate()
    wait_all_free(vm)


def test_qemu_gone(vm):
    """A QEMU, started as 'qemu-args' says, is killed while it is recorded, and started again: the
    recording waits, goes on with the new one, and is completed."""
    with tempfile.TemporaryDirectory(prefix="scanoutd-qemu-") as folder:
        path = vm.workdir / "gone.mp4"
        with host.BareQemu(Path(folder)) as bare:
            bare.start()
            wait_until(lambda: can_list(bare.address), 30, "QEMU is on its bus")
            with host.recording(bare.address, 1, path) as process:
                host.wait_recorded(path, 0)
                bare.kill()
                assert "QEMU is gone. Waiting" in process.stderr.readline()
                bare.start()
                assert "QEMU is back." in process.stderr.readline()
                process.send_signal(signal.SIGINT)
                _, err = process.communicate()
        assert process.returncode == 0 and "pictures in" in err, (process.returncode, err)
        assert host.frames(path)


def can_list(address: str) -> bool:
    try:
        host.run(address, "list")
    except AssertionError:
        return False
    return True

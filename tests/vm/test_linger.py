"""The last picture of a lease stays on its head for the time that was asked for."""

import json

from events import Events
from machine import wait_until
from scanouts import (COUNT, OPEN, PROBE, configure, daemon_status, probe, row, rows, start_daemon,
                      wait_all_free, wait_blank, wait_shown, wait_state)
from test_restart import crash, restart
from watch import Watch

ORANGE, BLUE = (0xff, 0x88, 0x00), (0x00, 0x44, 0xff)
# Longer than any test takes: what is to be seen while a picture lingers can be looked at in peace.
LONG, LONG_USEC = "--linger 1h", 3_600_000_000
HOLD = "hold --mode 1920x1080 --fill ff8800"
FLIP = "flip-rate 86400 --mode 1920x1080 --fill ff8800"


def setup(vm):
    start_daemon(vm)
    configure(vm, "[Policy]\nMaxLinger=3600\n")


def start(vm, arguments: str = LONG, command: str = HOLD):
    """A desk that shows, its scanout and its head."""
    desk = vm.spawn(f"exec scanoutctl request --label desk {arguments} -- {PROBE} {command} {OPEN}")
    def shown():
        return next((r for r in rows(vm).values() if r["label"] == "desk" and r["width"]), None)
    found = wait_until(shown, 30, "the desk shows")
    return desk, found["id"], found["index"]


def linger(vm, *arguments):
    """The same, with its picture seen on the head."""
    desk, scanout, head = start(vm, *arguments)
    wait_shown(vm, head)
    return desk, scanout, head


def lingering(vm, scanout: str) -> dict:
    found = wait_state(vm, scanout, "draining")
    return wait_until(lambda: "lingers" in row(vm, scanout)["reason"] and row(vm, scanout), 10,
                      f"{scanout} lingers, not {found}")


def untils(vm) -> list[str]:
    """When each picture is to go, as the daemon has it written down for the next one."""
    cards = json.loads(vm.run("cat /run/scanoutd/leases.json").out)["cards"]
    return [lease["until"] for card in cards for lease in card["leases"] if "until" in lease]


def now_usec(vm) -> int:
    """The clock that `since` is of."""
    return int(vm.run("date +%s%6N").out)


def cut(vm, scanout: str, head: int):
    """root ends it."""
    vm.run(f"scanoutctl release {scanout}")
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)


def killed(vm, command: str):
    desk, scanout, head = linger(vm, LONG, command)
    assert row(vm, scanout)["linger"] == LONG_USEC
    watch = Watch(vm, head)
    watch.wait(2)
    desk.terminate("KILL")
    found = lingering(vm, scanout)
    assert found["reason"] == "the last picture lingers for 3600 s", found
    assert found["holder"] is None and found["label"] == "", found
    watch.wait(3)
    assert set(watch.end()) == {ORANGE}
    cut(vm, scanout, head)

    desk, scanout, head = linger(vm, "--linger 3s", command)
    events = Events(vm)
    begun = now_usec(vm)
    desk.terminate("KILL")
    freed = events.wait(scanout, "free")
    assert freed["since"] >= begun + 3_000_000, (begun, freed)
    wait_blank(vm, head)
    assert '"reason":"closed"' in events.monitor.out, events.monitor.out
    events.end()

    desk, scanout, head = linger(vm, "", command)
    desk.terminate("KILL")
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)


def test_killed(vm):
    """A desk is killed: its picture stands, at no moment was the head blank, and the state says
    why. After the time, and not earlier, it is blank and free. Without linger it is blank at
    once."""
    killed(vm, HOLD)


def test_killed_atomic(vm):
    """The same of one that commits atomically, with a cursor."""
    killed(vm, f"{HOLD} --atomic")


def killed_while_it_flips(vm, command: str):
    desk, scanout, head = linger(vm, LONG, command)
    watch = Watch(vm, head)
    for _ in range(5):
        watch.wait(2)
        desk.terminate("KILL")
        lingering(vm, scanout)
        watch.wait(1)
        desk, again, _ = start(vm, LONG, command)
        assert again == scanout, "who had the picture gets it"
    seen = watch.end()
    print(f"    {len(seen)} captures, {seen.count(None)} of them blank")
    assert set(seen) == {ORANGE}, set(seen)
    desk.terminate("KILL")
    lingering(vm, scanout)
    cut(vm, scanout, head)


def test_killed_while_it_flips(vm):
    """Desks are killed in the middle of their flips, one after the other: the head shows what they
    did, all the time."""
    killed_while_it_flips(vm, FLIP)


def test_killed_while_it_commits(vm):
    """The same in the middle of commits that do not block."""
    killed_while_it_flips(vm, f"{FLIP} --atomic")


def test_process_group_killed(vm):
    """What systemd and container engines do: all processes at once, the one that asked and the
    compositor that is its child. The picture stands."""
    desk = vm.spawn(f"exec scanoutctl request --label desk {LONG} -- sh -c "
                    f"'{PROBE} hold --mode 1920x1080 --fill ff8800 {OPEN}; exit 1'")
    ready = json.loads(desk.readline(30))
    scanout, head = ready["scanout"], ready["index"]
    wait_shown(vm, head)
    watch = Watch(vm, head)
    watch.wait(2)
    desk.terminate("KILL")
    lingering(vm, scanout)
    watch.wait(3)
    assert set(watch.end()) == {ORANGE}
    cut(vm, scanout, head)


def test_released(vm):
    """A lease is released while its desk goes on: the picture stands, also when the desk ends at
    last. One whose holder takes its picture away itself leaves nothing."""
    desk, scanout, head = linger(vm)
    watch = Watch(vm, head)
    watch.wait(2)
    vm.run(f"scanoutctl release {scanout}")
    lingering(vm, scanout)
    watch.wait(2)
    desk.terminate("KILL")
    watch.wait(2)
    assert set(watch.end()) == {ORANGE}
    cut(vm, scanout, head)

    desk, scanout, head = linger(vm)
    desk.terminate()
    wait_state(vm, scanout, "free")
    wait_blank(vm, head)


def test_handed_on(vm):
    """The process that asked hands the file on and exits, before its child shows anything: the
    lease is the child's, and when that is killed its scanout is blank and free at once."""
    desk = vm.spawn(f"exec scanoutctl request --label desk {LONG} -- sh -c "
                    f"'setsid {PROBE} hold --mode 1920x1080 --fill ff8800 {OPEN} & echo $!'")
    child = int(desk.readline(30))
    ready = json.loads(desk.readline(30))
    wait_until(lambda: vm.run(f"ps -o ppid= {child}").out.strip() == "1", 10, "its parent is gone")
    now = wait_until(lambda: (r := row(vm, ready["scanout"]))["linger"] == 0 and r, 10,
                     "it does not linger any more")
    assert now["state"] == "leased", now
    vm.run(f"kill -KILL {child}")
    wait_state(vm, ready["scanout"], "free")
    wait_blank(vm, ready["index"])


def peek_after(vm, command: str):
    """What is left of a lingering picture for whoever else asks for the scanout."""
    desk, scanout, _ = linger(vm, LONG, command)
    desk.terminate("KILL")
    lingering(vm, scanout)
    seen = probe(vm, f"peek --request --scanout {scanout}")
    assert (seen["buffer_id"], seen["primary_fb"], seen["cursor_fb"]) == (0, 0, 0), seen
    assert not seen["mode_valid"] and not seen["visible"], seen
    wait_all_free(vm)


def test_next_lessee_sees_nothing(vm):
    """Whoever else asks for the scanout of a lingering picture gets it blanked, and that of one with
    a cursor as well; when all others are taken it is cut short."""
    peek_after(vm, HOLD)
    peek_after(vm, f"{HOLD} --atomic")

    desk, scanout, head = linger(vm)
    desk.terminate("KILL")
    ended = lingering(vm, scanout)["since"]
    others = [vm.spawn("exec scanoutctl request -- sleep infinity") for _ in range(COUNT)]
    wait_until(lambda: all(r["state"] == "leased" for r in rows(vm).values()), 60,
               "everybody gets one")
    assert row(vm, scanout)["since"] < ended + LONG_USEC, "it was cut short"
    wait_blank(vm, head)
    for other in others:
        other.terminate("KILL")
    wait_all_free(vm)


def test_restart_while_it_lingers(vm):
    """The daemon is restarted, and killed, while a picture lingers: it goes on to, until its
    time, and its holder still gets it with the picture."""
    desk, scanout, head = linger(vm)
    desk.terminate("KILL")
    before, until = lingering(vm, scanout), untils(vm)
    watch = Watch(vm, head)
    watch.wait(1)
    for end in (restart, crash):
        end(vm)
        after = lingering(vm, scanout)
        assert untils(vm) == until
        for key in ("since", "generation", "linger", "reason"):
            assert after[key] == before[key], (key, before, after)
    watch.wait(1)
    heir, now, _ = start(vm, "--linger 5s", "hold --mode 1920x1080 --fill 0044ff")
    assert now == scanout
    wait_until(lambda: BLUE in watch.seen, 30, "its holder draws")
    seen = watch.end()
    assert [c for i, c in enumerate(seen) if i == 0 or seen[i - 1] != c] == [ORANGE, BLUE], set(seen)
    killed = now_usec(vm)
    heir.terminate("KILL")
    restart(vm)
    freed = wait_state(vm, scanout, "free", 20)
    assert freed["since"] >= killed + 5_000_000, (killed, freed)
    wait_blank(vm, head)


def test_restart_before(vm):
    """The daemon is restarted while the desk shows; and the desk dies while no daemon runs: its
    picture stands all the time."""
    desk, scanout, head = linger(vm)
    watch = Watch(vm, head)
    restart(vm)
    assert row(vm, scanout)["linger"] == LONG_USEC
    crash(vm, f"kill -KILL {desk.pid}")
    lingering(vm, scanout)
    watch.wait(3)
    assert set(watch.end()) == {ORANGE}
    cut(vm, scanout, head)


def test_store_is_left_clean(vm):
    """What was kept for lingering is given back: systemd holds the card alone, the daemon as many
    files as before."""
    stored = lambda: int(vm.run("systemctl show -p NFileDescriptorStore --value scanoutd").out)
    wait_until(lambda: stored() == 1, 10, "the store has the card alone")
    files = daemon_status(vm)["fds"]
    desk, scanout, head = linger(vm)
    wait_until(lambda: stored() == 3, 10, "the store has what the lease needs")
    desk.terminate("KILL")
    lingering(vm, scanout)
    wait_until(lambda: stored() == 1, 10, "it is given back")
    cut(vm, scanout, head)
    wait_until(lambda: daemon_status(vm)["fds"] == files, 10, "the daemon has closed all of it")


def test_too_long(vm):
    """MaxLinger= is a minute, unless it is set."""
    start_daemon(vm)
    refused = vm.run("scanoutctl request --json --linger 61s -- true", check=False)
    assert refused.rc == 1 and json.loads(refused.err)["error"] == "InvalidOption", refused
    wait_all_free(vm)

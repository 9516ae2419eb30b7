"""Leases on the real driver: what is found, handed out, shown, and how it ends."""

import json

from events import Events
from machine import wait_until
from scanouts import (COUNT, GUEST, OPEN, OTHER, PROBE, call, configure, hold, probe, row, rows,
                      start_daemon, wait_all_free, wait_blank, wait_shown, wait_state,
                      wait_strip)

setup = start_daemon


def test_found(vm):
    """A card with 16 heads: 16 scanouts, and a lease of each shows its connector, one CRTC, one
    primary and one cursor plane, all different."""
    found = rows(vm)
    assert list(found) == [f"card0-Virtual-{n + 1}" for n in range(COUNT)], list(found)
    assert [r["index"] for r in found.values()] == list(range(COUNT))
    seen = set()
    for scanout in found:
        on_fd = probe(vm, f"objects --request --scanout {scanout}")
        names = [c["name"] for c in on_fd["connectors"]]
        assert names == [scanout.removeprefix("card0-")], (scanout, names)
        assert len(on_fd["crtcs"]) == 1, on_fd
        assert sorted(p["type"] for p in on_fd["planes"]) == ["cursor", "primary"], on_fd
        ids = {("connector", on_fd["connectors"][0]["id"]), ("crtc", str(on_fd["crtcs"][0]))}
        ids |= {("plane", p["id"]) for p in on_fd["planes"]}
        assert not ids & seen, (scanout, ids & seen)
        seen |= ids
    wait_all_free(vm)


def test_journal(vm):
    """What is logged of a scanout is found by its fields: `journalctl SCANOUT_LABEL=…`."""
    vm.run(["scanoutctl", "request", "--label", "logged", "--", "true"])
    wait_all_free(vm)
    told = vm.run("journalctl -b -o json SCANOUT_LABEL=logged").out.splitlines()
    first, *_, last = [json.loads(line) for line in told]
    id, message = first["SCANOUT_ID"], first["MESSAGE"]
    assert message.startswith(f"{id}: Leased to") and first["PRIORITY"] == "6", first
    assert message.endswith(f"as lessee {first['SCANOUT_LESSEE']}"), first
    assert last["MESSAGE"].startswith(f"{id}: Lease ended"), last
    for line in first, last:
        assert line["_SYSTEMD_UNIT"] == "scanoutd.service", line
        assert line["SCANOUT_UID"] == "0" and int(line["SCANOUT_PID"]) > 1, line
        assert line["SCANOUT_CONTAINER"] == "" and int(line["SCANOUT_GENERATION"]) > 0, line
        assert line["SCANOUT_STATE"], line


def test_sixteen_at_once(vm):
    """Sixteen lessees mode-set 1920x1080 and flip 100 times at once; the 17th is refused; those
    who wait get what is freed, in the order in which they came."""
    keep = f"{PROBE} flip 100 --mode 1920x1080 && exec {PROBE} hold --mode 1920x1080 {OPEN}"
    desks = [vm.spawn(f"exec scanoutctl request --label desk{n} -- sh -c '{keep}'")
             for n in range(COUNT)]
    for desk in desks:
        flipped = json.loads(desk.readline(150))
        assert flipped["flips"] >= 100 and "errno" not in flipped, flipped
        assert json.loads(desk.readline(60))["ready"]
    leased = rows(vm)
    assert all(r["state"] == "leased" for r in leased.values()), leased
    wait_until(lambda: all((r["width"], r["height"]) == (1920, 1080) for r in rows(vm).values()), 10,
               "all are listed in their mode")
    assert len({r["lessee"] for r in leased.values()}) == COUNT

    rc, said = call(vm, "RequestScanout 'a{sv}' 0")
    assert rc == 1 and "No scanout is free" in said, said
    refused = vm.run("scanoutctl request --json -- true", check=False)
    assert refused.rc == 1 and json.loads(refused.err)["error"] == "NoFreeScanout", refused

    waiting = "exec scanoutctl request --timeout infinity -- sh -c 'echo $SCANOUT_ID; exec sleep infinity'"
    first, second = vm.spawn(waiting), None
    wait_until(lambda: waiters(vm) == 1, 20, "the first one waits")
    second = vm.spawn(waiting)
    wait_until(lambda: waiters(vm) == 2, 20, "the second one waits")
    by_label = {r["label"]: r["id"] for r in leased.values()}
    desks[4].terminate("KILL")
    assert first.readline(20) == by_label["desk4"]
    assert second.out == ""
    desks[9].terminate("KILL")
    assert second.readline(20) == by_label["desk9"]

    for process in [*desks, first, second]:
        process.terminate("KILL")
    wait_all_free(vm)


def waiters(vm) -> int:
    """Processes that are still scanoutctl have no scanout yet: with one they become the command."""
    return int(vm.run("pgrep -xc scanoutctl || true").out)


def test_timeout(vm):
    """All are taken and nobody leaves: a request that waits 300 ms is refused with Timeout, and not
    earlier."""
    desks = [vm.spawn("exec scanoutctl request -- sleep infinity") for _ in range(COUNT)]
    wait_until(lambda: all(r["state"] == "leased" for r in rows(vm).values()), 60,
               "all are leased")
    refused = vm.run("cat /proc/uptime; scanoutctl request --json --timeout 300ms -- true; r=$?; "
                     "cat /proc/uptime; exit $r", check=False)
    assert refused.rc == 1 and json.loads(refused.err)["error"] == "Timeout", refused
    begun, ended = (float(line.split()[0]) for line in refused.out.splitlines())
    assert ended - begun > 0.29, refused  # the clock shows hundredths
    for desk in desks:
        desk.terminate("KILL")
    wait_all_free(vm)


def test_index_is_head(vm):
    """A picture drawn through scanout i, for all 16 at once, is the one that the host captures on
    head i."""
    holders = []
    for scanout in rows(vm):
        holders.append(hold(vm, f"--scanout {scanout} --name {scanout}"))
    for _, ready in holders:
        strip = wait_strip(vm, ready["index"], ready["scanout"])
        assert strip["index"] == ready["index"], (strip, ready)
    for process, _ in holders:
        process.terminate()
    wait_all_free(vm)


def test_handed_on(vm):
    """A process requests, hands the fd to its child and exits: the lease stays. The child is
    killed: without being asked, scanoutd tells that the scanout is free, and its head is blank."""
    heir = probe(vm, "handoff --request --mode 1920x1080")
    scanout, child = heir["scanout"], heir["child"]
    assert row(vm, scanout)["state"] == "leased"
    wait_shown(vm, heir["index"])
    events = Events(vm)
    vm.run(f"kill -KILL {child}")
    events.wait(scanout, "free")
    wait_blank(vm, heir["index"])
    events.end()


def test_release_by_holder(vm):
    """The holder, no admin, releases its scanout: it is free and blank, and the fd that is still
    open sees ENOENT; releasing it again is refused and touches nobody."""
    vm.run("rm -f /tmp/go; mkfifo -m 666 /tmp/go")
    desk = vm.spawn(f"exec {GUEST} {PROBE} errno-after-release --request --mode 1920x1080 </tmp/go")
    opener = vm.spawn("exec sleep infinity >/tmp/go")
    ready = json.loads(desk.readline(30))
    scanout = ready["scanout"]
    rc, said = call(vm, f"ReleaseScanout s {scanout}", prefix=OTHER)
    assert rc == 1 and "Another holder" in said, said
    assert row(vm, scanout)["state"] == "leased"
    generation = row(vm, scanout)["generation"]
    rc, said = call(vm, f"ReleaseScanout s {scanout}", prefix=GUEST)
    assert rc == 0, said
    wait_state(vm, scanout, "free")
    wait_blank(vm, ready["index"])
    vm.run("echo go >/tmp/go")
    seen = json.loads(desk.readline(30))
    assert seen == {"page_flip": "ENOENT", "set_crtc": "ENOENT", "get_crtc": "ENOENT"}, seen
    opener.terminate()

    rc, said = call(vm, f"ReleaseScanout s {scanout}", prefix=GUEST)
    assert rc == 1 and "ended already" in said, said
    following, _ = hold(vm, f"--scanout {scanout}")
    rc, said = call(vm, f"ReleaseScanout s '{scanout}#{generation}'")
    assert rc == 1 and "ended already" in said, said
    assert row(vm, scanout)["state"] == "leased"
    following.terminate()
    wait_all_free(vm)


def test_release_by_root(vm):
    """root releases another's scanout by its label: it is free, and the holder is told why."""
    monitor = vm.spawn("exec scanoutctl monitor")
    assert monitor.readline(20)
    desk, ready = hold(vm, "--label somebody", prefix=GUEST)
    vm.run("scanoutctl release somebody")
    wait_state(vm, ready["scanout"], "free")
    wait_until(lambda: "revoked" in monitor.out, 10, "monitor tells of the revoked lease")
    desk.terminate("KILL")
    monitor.terminate()


def test_next_lessee_sees_nothing(vm):
    """A lessee is revoked while it keeps its fd and buffers: whoever gets the scanout next finds
    no framebuffer on the CRTC or the planes. One that closed leaves no framebuffer at all."""
    victim, ready = hold(vm, "--fill ff8800")
    scanout = ready["scanout"]
    vm.run(f"scanoutctl release {scanout}")
    wait_state(vm, scanout, "free")
    seen = probe(vm, f"peek --request --scanout {scanout}")
    assert seen["getcrtc"] == "0" or seen["getcrtc"] in ("", "OK", "ok"), seen
    assert (seen["buffer_id"], seen["primary_fb"], seen["cursor_fb"]) == (0, 0, 0), seen
    assert not seen["mode_valid"] and not seen["visible"], seen
    victim.terminate("KILL")
    wait_all_free(vm)

    before = {f["id"] for f in peek_all(vm, scanout)}
    victim, _ = hold(vm, f"--scanout {scanout} --fill ff8800")
    victim.terminate("KILL")
    wait_all_free(vm)
    after = {f["id"] for f in peek_all(vm, scanout)}
    assert after <= before, f"framebuffers left behind: {after - before}"


def peek_all(vm, scanout: str) -> list[dict]:
    """The framebuffers that a fresh lessee can name at all, its own aside."""
    seen = probe(vm, f"peek --request --scanout {scanout} --scan 400")
    wait_all_free(vm)
    return seen["framebuffers"]


def test_label_sticks(vm):
    """A label that had a scanout gets the same again although others are free, also at once after
    its holder was killed; another label does not get it while there are fresh ones."""
    first, ready = hold(vm, "--label alpha")
    other, taken = hold(vm, "--label beta")
    first.terminate("KILL")
    again, now = hold(vm, "--label alpha")
    assert now["scanout"] == ready["scanout"], (ready, now)
    again.terminate("KILL")
    third, gamma = hold(vm, "--label gamma")
    assert gamma["scanout"] not in (ready["scanout"], taken["scanout"]), gamma
    for process in (other, third):
        process.terminate("KILL")
    wait_all_free(vm)


def test_same_label_twice(vm):
    """A holder asks a second time with a label that it has in use: ScanoutBusy, naming where."""
    desk, ready = hold(vm, "--label twice")
    refused = vm.run("scanoutctl request --json --label twice -- true", check=False)
    said = json.loads(refused.err)
    assert said["error"] == "ScanoutBusy" and ready["scanout"] in said["message"], said
    desk.terminate()
    wait_all_free(vm)


def test_quota(vm):
    """A holder that is no admin has its MaxPerHolder=: one more is QuotaExceeded; root may."""
    configure(vm, "[Policy]\nMaxPerHolder=2\n")
    holders = [hold(vm, "", prefix=GUEST)[0] for _ in range(2)]
    refused = vm.run(f"{GUEST} scanoutctl request --json -- true", check=False)
    assert json.loads(refused.err)["error"] == "QuotaExceeded", refused
    holders.append(hold(vm, "")[0])
    for process in holders:
        process.terminate()
    start_daemon(vm)


def test_spare(vm):
    """With `spare` there is a second fd: an empty lease, with no output on it, master all the
    same, which is what wlroots asks the kernel for."""
    said = vm.run(f"scanoutctl request --spare -- sh -c 'SCANOUT_LEASE_FD=$SCANOUT_SPARE_FD "
                  f"exec {PROBE} objects'")
    seen = json.loads(said.out.splitlines()[-1])
    assert seen["connectors"] == [] and seen["crtcs"] == [] and seen["planes"] == [], seen
    wait_all_free(vm)

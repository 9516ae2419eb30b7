"""What callers may send, and what they may not."""

import json
import shlex

from scanouts import (GUEST, PROBE, SIZED, configure, daemon_status, hold, kernel_clients, probe,
                      row, rows, start_daemon, wait_all_free, wait_mode, wait_state)

setup = start_daemon
LONG = "a" * 10240

# Options of RequestScanout in GVariant's words, and the error's name.
MALFORMED = {
    "unknown option": ("{'colour': <'red'>}", "InvalidOption"),
    "label of another type": ("{'label': <uint32 7>}", "InvalidOption"),
    "empty label": ("{'label': <''>}", "InvalidOption"),
    "label of 10 KB": (f"{{'label': <'{LONG}'>}}", "InvalidOption"),
    "label with a slash": ("{'label': <'a/b'>}", "InvalidOption"),
    "negative timeout": ("{'timeout': <int64 -5>}", "InvalidOption"),
    "huge timeout": ("{'timeout': <uint64 18446744073709551615>}", "InvalidOption"),
    "spare of another type": ("{'spare': <'yes'>}", "InvalidOption"),
    "the same option twice": ("{'label': <'a'>, 'label': <'b'>}", "InvalidOption"),
    "takeover without a label": ("{'takeover': <true>}", "InvalidOption"),
    "linger of another type": ("{'linger': <5.0>}", "InvalidOption"),
    "huge linger": ("{'linger': <uint64 60000001>}", "InvalidOption"),
    "width, of a later version": ("{'width': <uint32 640>}", "InvalidOption"),
    "path as id": ("{'scanout': <'/org/scanoutd/Scanout1/card0_2dVirtual_2d1'>}",
                   "NoSuchScanout"),
    "id of another card": ("{'scanout': <'card7-Virtual-1'>}", "NoSuchScanout"),
    "id of 10 KB": (f"{{'scanout': <'{LONG}'>}}", "NoSuchScanout"),
    "empty id": ("{'scanout': <''>}", "NoSuchScanout"),
}


def error_of(vm, method: str, argument: str, prefix: str = "") -> str:
    """The D-Bus error that a call is answered with, name and text."""
    said = vm.run(f"{prefix} gdbus call --system -d org.scanoutd.Scanout1 "
                  "-o /org/scanoutd/Scanout1 "
                  f"-m org.scanoutd.Scanout1.Manager.{method} {shlex.quote(argument)}",
                  check=False)
    assert said.rc == 1, said
    return said.err


def test_malformed(vm):
    """Wrong calls of every kind: each gets the error with its name, and the daemon lives on."""
    before = daemon_status(vm)
    for what, (options, error) in MALFORMED.items():
        said = error_of(vm, "RequestScanout", options)
        assert f"org.scanoutd.Scanout1.Error.{error}:" in said, (what, said[:300])
        assert len(said) < 600, what
    for id in ("/dev/dri/card0", "card0-Virtual-99", "card0-Virtual-1#0", "card0-Virtual-1#x",
               "", LONG):
        said = error_of(vm, "ReleaseScanout", f"'{id}'")
        assert "org.scanoutd.Scanout1.Error.NoSuchScanout:" in said, (id[:40], said[:300])
    # A wrong signature and an unknown method are D-Bus's own errors.
    said = vm.run("busctl call org.scanoutd.Scanout1 /org/scanoutd/Scanout1 "
                  "org.scanoutd.Scanout1.Manager RequestScanout s hello", check=False)
    assert said.rc == 1 and "Invalid arguments" in said.err, said
    said = vm.run("busctl call org.scanoutd.Scanout1 /org/scanoutd/Scanout1 "
                  "org.scanoutd.Scanout1.Manager Explode", check=False)
    assert said.rc == 1 and "Unknown method" in said.err, said
    assert daemon_status(vm)["pid"] == before["pid"]
    assert all(r["state"] == "free" for r in rows(vm).values())


def test_strangers(vm):
    """Somebody who is neither root nor in the group `scanout` is kept out by the bus; a member
    gets in, but not to another's scanout."""
    stranger = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    assert "AccessDenied" in error_of(vm, "RequestScanout", "{}", stranger)
    desk, ready = hold(vm, "--label mine")
    said = error_of(vm, "ReleaseScanout", f"'{ready['scanout']}'", GUEST)
    assert "org.scanoutd.Scanout1.Error.NotHolder:" in said, said
    assert row(vm, ready["scanout"])["label"] == "mine"
    desk.terminate()
    wait_all_free(vm)


def test_gone_before_the_reply(vm):
    """A caller exits between its request and the reply: no lease stays, again and again."""
    for _ in range(5):
        probe(vm, "leave-in-flight")
    wait_all_free(vm)


def test_thousand_cycles(vm):
    """1,000 times request and close over all scanouts: no lessee, no fd and no memory is left."""
    ids = " ".join(f"--scanout {id}" for id in rows(vm))
    probe(vm, f"storm 200 {ids}", timeout=120)
    wait_all_free(vm)
    before, clients = daemon_status(vm), kernel_clients(vm)
    stormed = probe(vm, f"storm 1000 {ids}", timeout=180)
    assert stormed["granted"] == 1000 and not stormed["failures"], stormed
    wait_all_free(vm)
    after = daemon_status(vm)
    assert after["pid"] == before["pid"]
    assert after["fds"] == before["fds"], (before, after)
    assert after["anon"] <= before["anon"] + 64, (before, after)
    assert kernel_clients(vm) == clients


def test_tools(vm):
    """A healthy machine with one desk: doctor is content, status tells the desk's mode, monitor
    tells of its beginning and end."""
    monitor = vm.spawn("exec scanoutctl monitor --json")
    assert monitor.readline(20)
    desk, ready = hold(vm, "--label desk")
    wait_mode(vm, ready["scanout"], (1920, 1080))
    shown = json.loads(vm.run("scanoutctl status desk --json").out)
    assert (shown["id"], shown["width"], shown["height"]) == (ready["scanout"], 1920, 1080), shown
    assert shown["holder"]["uid"] == 0 and shown["lessee"] == ready["lessee"], shown
    said = vm.run("scanoutctl doctor")
    assert "FAIL" not in said.out, said.out
    desk.terminate()
    wait_all_free(vm)
    monitor.terminate()
    events = [json.loads(line) for line in monitor.out.splitlines()]
    assert any("leased" in json.dumps(e).lower() for e in events), events
    assert any("closed" in json.dumps(e) for e in events), events


def test_exclude(vm):
    """Exclude= keeps an output away from everybody, with its name in the refusal."""
    configure(vm, "[Scanouts]\nExclude=card0-Virtual-2\n")
    assert row(vm, "card0-Virtual-2")["state"] == "excluded"
    said = error_of(vm, "RequestScanout", "{'scanout': <'card0-Virtual-2'>}")
    assert "org.scanoutd.Scanout1.Error.NotAllowed:" in said and "Exclude=" in said, said
    start_daemon(vm)


def test_not_forced(vm):
    """With ForceConnect=no only what the host has connected can be had; an output becomes free
    when the host connects it."""
    vm.run("for c in /sys/class/drm/card0-*/status; do echo detect > $c; done")
    configure(vm, "[Card]\nForceConnect=no\n")
    states = {id: r["state"] for id, r in rows(vm).items()}
    assert list(states.values()) == ["free"] * SIZED + ["absent"] * (len(states) - SIZED), states
    said = error_of(vm, "RequestScanout", "{'scanout': <'card0-Virtual-16'>}")
    assert "org.scanoutd.Scanout1.Error.NoSuchScanout:" in said and "ForceConnect" in said, said
    vm.size_head(15, 1280, 720)
    wait_state(vm, "card0-Virtual-16", "free")
    shown = vm.run(f"scanoutctl request --scanout card0-Virtual-16 -- {PROBE} flip 3")
    assert json.loads(shown.out.splitlines()[-1])["flips"] == 3
    vm.size_head(15, 0, 0)
    start_daemon(vm)

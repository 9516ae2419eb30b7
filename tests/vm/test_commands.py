"""What people type: README's tour as it is written there, and the wrappers in which they put a
command, with a release and a stop, by processes that join a container as well."""

import re
import shlex
from pathlib import Path

from machine import wait_until
from scanouts import rows, start_daemon, wait_all_free, wait_state
from test_badinput import PODMAN
from test_guest import ADDRESS

README = Path(__file__).resolve().parents[2] / "README.md"
# Of what is printed, what differs each time.
VARIES = ((r"\b[0-9a-f]{64}\b", "CONTAINER"), (r"podman:[0-9a-f]{12}", "podman:ID"),
          (r"\bpid \d+", "pid N"), (r"\b\d+ (s|min)\b", "TIME"))
DESK = f"{PODMAN} -v /run/scanoutd/guest:/run/scanoutd/guest:ro --name desk --rootfs /:O"
# The command is the same in each, so that it can be counted; some of them end before it does.
WRAPPERS = {
    "sh": "sh -c 'sleep {n}; true'",
    "timeout": "timeout 1h sleep {n}",
    "setsid": "sh -c '(setsid sleep {n} &); sleep 1h'",
    "dbus": "dbus-run-session sleep {n}",
    "script": "script -qec 'sleep {n}' /dev/null",
}


def setup(vm):
    # Labels of other tests would give the tour another scanout.
    vm.run("systemctl stop scanoutd.service scanoutd.socket")
    start_daemon(vm)


def tour() -> list[tuple[str, str]]:
    """The commands of README's tour, and what each prints."""
    block = README.read_text().split("\n## A tour\n")[1].split("```")[3]
    return [tuple(part.partition("\n")[::2])
            for part in re.split(r"^# ", block.replace("\\\n", " "), flags=re.M)[1:]]


def plain(said: str) -> list[list[str]]:
    """The words of what was said."""
    for pattern, name in VARIES:
        said = re.sub(pattern, name, said)
    return [line.split() for line in said.splitlines()]


def test_tour(vm):
    """Each of its commands prints what the page has, but for ids and times. What it begins with has
    made this machine: the build."""
    commands = tour()
    assert [command for command, _ in commands[:2]] == ["make && make install", "systemd-sysusers"]
    for command, wanted in commands[1:]:
        said = []

        def look():
            # A list may be repeated: a scanout is blanked before it is free.
            if not said or command.startswith("scanoutctl list"):
                said.append(vm.run(command, timeout=170).out)
            return plain(said[-1]) == plain(wanted)
        try:
            wait_until(look, 10, f"'{command}' prints what README has")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{said[-1]}") from None
    wait_all_free(vm)


def sleeping(vm, n: int) -> bool:
    return vm.run(["pgrep", "-fx", f"sleep {n}"], check=False).rc == 0


def label(vm, name: str) -> dict | None:
    return next((row for row in rows(vm).values() if row["label"] == name), None)


def start(vm, prefix: str, name: str, n: int):
    """A command in a wrapper, below scanout-run: the process, and the row of its scanout."""
    process = vm.spawn(f"exec {prefix} scanout-run --seat=fd --label={name} -- "
                       + WRAPPERS[name].format(n=n))
    wait_until(lambda: sleeping(vm, n), 60, f"{name} has started its command")
    return process, label(vm, name)


def check_gone(vm, process, row: dict, n: int):
    """The command has ended before scanout-run has, and by its own doing."""
    process.wait()  # script(1) ends with 0
    assert not sleeping(vm, n), (process.out, process.err)
    assert "in time" not in process.err, process.err
    wait_state(vm, row["id"], "free")


def test_wrappers(vm):
    """In a container that goes on, each wrapper is started by 'podman exec': it is a holder in that
    container, as its first process is. Released by another process of it, nothing of the command is
    left."""
    desk = vm.spawn(f"exec {DESK} sleep infinity")
    wait_until(lambda: vm.run("podman container exists desk", check=False).rc == 0
               and vm.run("podman exec desk true", check=False).rc == 0, 60, "there is a container")
    id = vm.run("podman inspect -f '{{.Id}}' desk").out.strip()
    for n, name in enumerate(WRAPPERS, 471100):
        process, row = start(vm, "podman exec desk", name, n)
        assert (row["holder"]["engine"], row["holder"]["container"]) == ("podman", id), row
        vm.run(f"podman exec desk scanoutctl --address={ADDRESS} release {name}")
        check_gone(vm, process, row, n)
        assert f"has ended the lease on {row['id']} (released)" in process.err, process.err
    vm.run("podman kill -s KILL desk")
    desk.wait()


def test_without_a_container(vm):
    """In the VM itself, where no end of a container helps: released and told to stop, the same."""
    for n, name in enumerate(WRAPPERS, 471200):
        process, row = start(vm, "", name, n)
        vm.run(f"scanoutctl release {name}")
        check_gone(vm, process, row, n)
        process, row = start(vm, "", name, n)
        process.terminate()
        check_gone(vm, process, row, n)


def test_stop(vm):
    """'podman stop' with a long time to end: the container ends at once, by SIGTERM."""
    command = WRAPPERS["setsid"].format(n=471300)
    desk = vm.spawn(f"exec {DESK} scanout-run --seat=fd --label=stop -- {command}")
    wait_until(lambda: sleeping(vm, 471300), 60, "the command has started")
    vm.run("podman stop -t 100000 desk", timeout=120)
    assert desk.wait() == 143, desk.err
    assert not sleeping(vm, 471300)
    wait_all_free(vm)


def test_advice(vm):
    """scanoutctl in a container without anything of the VM's says what to mount and what to add;
    typed so, it works."""
    bare = f"{PODMAN} {{}} --rootfs /:O scanoutctl {{}} list"
    said = vm.run(bare.format("", ""), check=False, timeout=90)
    told = re.search(r"In a container, start that with (--mount \S+) and add (--address=\S+)\n",
                     said.err)
    assert said.rc == 3 and told, said
    said = vm.run(bare.format(told[1], ""), check=False, timeout=90)
    assert said.rc == 3 and said.err.endswith(f". In a container, add {told[2]}\n"), said
    said = vm.run(bare.format(told[1], told[2]), check=False, timeout=90)
    assert said.rc == 0 and shlex.split(said.out)[:1] in ([], ["SCANOUT"]), said

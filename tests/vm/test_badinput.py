"""What people get wrong with containers: each is one line that says what to do next.

A container is the guest's own root with a throw-away layer, run as a uid that nobody knows.
"""

import json
import re
import shlex

from machine import Result, wait_until
from scanouts import configure, daemon_status, hold, row, start_daemon, wait_all_free

setup = start_daemon

PODMAN = "podman run --rm --network none --log-driver none --user 4711:4711"
GUEST = "--mount type=bind,src=/run/scanoutd/guest,dst=/run/scanoutd/guest,ro"
# All that scanout-run asks for, so that nothing is said of what a test is not about.
MOUNTS = (f"{GUEST} --device /dev/dri/card0:/dev/dri/card0:m --tmpfs /run/systemd:rw,mode=1777 "
          "--tmpfs /run/udev:rw,mode=1777")
TINY = "/run/tiny"


def podman(command: str, options: str = MOUNTS, root: str = "/:O") -> str:
    return f"{PODMAN} {options} --rootfs {root} {command}"


def run(vm, command: str, options: str = MOUNTS, root: str = "/:O"):
    return vm.run(podman(command, options, root), check=False, timeout=90)


def answer(process) -> Result:
    """What a command in a container said, on standard output or error, up to its status."""
    said = ""
    while not (status := re.fullmatch(r"status (\d+)", line := process.readline())):
        assert line, (said, process.err)
        said += line + "\n"
    return Result(int(status[1]), said, said)


class Commands:
    """Commands one after the other in one container, since a container takes long to start."""

    def __init__(self, vm, *commands: str):
        self.left = len(commands)
        script = "; ".join(f"{{ {command}; }} 2>&1; echo status $?" for command in commands)
        self.process = vm.spawn("exec " + podman(f"sh -c {shlex.quote(script)}"))

    def next(self) -> Result:
        self.left -= 1
        return answer(self.process)

    def all(self) -> list[Result]:
        said = [self.next() for _ in range(self.left)]
        assert self.process.wait() == 0, self.process.err
        return said


def check_said(said, status: int, *sentences: str):
    """The exit status, and on standard error these sentences, a line each, and nothing else."""
    assert said.rc == status, said
    assert said.err.splitlines() == [f"scanout-run: {sentence}" for sentence in sentences], said


def test_no_scanout_free(vm):
    """The only scanout is taken: refused at once with --timeout 0, after the time with another
    one, and by name; one who waits gets it when it is given back."""
    left_out = " ".join(f"card0-Virtual-{n}" for n in range(2, 17))
    configure(vm, f"[Scanouts]\nExclude={left_out}\n")
    try:
        holder = vm.spawn("exec scanoutctl request -- sh -c 'echo has it; exec sleep infinity'")
        assert holder.readline() == "has it", holder.err
        before = daemon_status(vm)["fds"]
        commands = Commands(
            vm, "scanout-run -t 0 true", "scanout-run -t 300ms true",
            "scanout-run -t 0 -o card0-Virtual-1 true", "scanout-run -o card0-Virtual-99 true",
            "scanout-run -t 1h --seat fd sh -c 'echo $SCANOUT_ID'")
        none, late, busy, unknown = (commands.next() for _ in range(4))
        check_said(none, 125,
                   "No scanout: No scanout is free. 'scanoutctl list' shows who has them; release "
                   "one, or ask with a timeout to wait for one.")
        check_said(late, 125,
                   "No scanout: No scanout became free within 300 ms. 'scanoutctl list' shows who "
                   "has them; release one, or ask again with a longer timeout.")
        check_said(busy, 125,
                   "No scanout: card0-Virtual-1 is leased. Ask for another, or with a timeout to "
                   "wait for it.")
        check_said(unknown, 125,
                   "No scanout: There is no scanout 'card0-Virtual-99'. 'scanoutctl list' shows "
                   "the ids.")
        wait_until(lambda: daemon_status(vm)["fds"] > before, 30, "one more is connected")
        holder.terminate("KILL")
        waited, = commands.all()
        assert waited == Result(0, "card0-Virtual-1\n", "card0-Virtual-1\n"), waited
    finally:
        start_daemon(vm)


def test_daemon_down(vm):
    """No scanoutd: scanout-run says that it waits, and gives up in time; when scanoutd comes up
    meanwhile, it goes on."""
    vm.run("systemctl stop scanoutd.socket scanoutd.service")
    why = ("at /run/scanoutd/guest/bus: Connection refused; type 'systemctl stop "
           "scanoutd.socket; systemctl restart scanoutd' in the VM")
    commands = Commands(vm, "scanout-run -t 0 true", "scanout-run -t 500ms true",
                        "scanout-run -t 1h --seat fd sh -c 'echo $SCANOUT_ID'")
    check_said(commands.next(), 125, f"Found no scanoutd {why}")
    check_said(commands.next(), 125, f"Waiting for scanoutd {why}", f"Found no scanoutd {why}")
    assert commands.process.readline() == f"scanout-run: Waiting for scanoutd {why}"
    vm.run("systemctl stop scanoutd.socket; systemctl restart scanoutd")
    patient, = commands.all()
    assert patient.rc == 0 and re.fullmatch(r"card0-Virtual-\d+\n", patient.out), patient


def test_socket_removed(vm):
    """Somebody has tidied up /run, so that scanoutd listens where nobody finds it, and to start it
    helps nobody: what is said to be typed does, and ends no lease."""
    desk, ready = hold(vm, "--label desk")
    vm.run("rm /run/scanoutd/guest/bus")
    said = run(vm, "scanout-run -t 0 --seat fd true")
    assert said.rc == 125, said
    typed = said.err.split("type '")[1].split("' in the VM")[0]
    vm.run("systemctl start scanoutd")
    assert run(vm, "scanout-run -t 0 --seat fd true").rc == 125
    vm.run(typed)
    assert run(vm, "scanout-run --seat fd true").rc == 0
    assert row(vm, ready["scanout"])["label"] == "desk"
    desk.terminate()
    wait_all_free(vm)


def test_size(vm):
    """Sizes that are none, and one that the output does not have, for a compositor that takes no
    other."""
    sizes = ("800", "0x600", "1920x1080x60", "99999x1")
    *wrong, said = Commands(vm, *(f"scanout-run -s {size} true" for size in sizes),
                            "scanout-run -o card0-Virtual-1 -s 1000x501 mutter").all()
    for size, refused in zip(sizes, wrong):
        check_said(refused, 125, f"'{size}' is not a size; write it like 1920x1080")
    assert said.rc == 125, said
    assert re.fullmatch(r"scanout-run: mutter accepts only sizes that Virtual-1 has; choose a --size "
                        r"of these: (\d+x\d+, )+\d+x\d+\n", said.err), said
    assert "1920x1080" in said.err, said


def test_mounts(vm):
    """A container with nothing, not even a /run or /tmp that can be written to. Its errors name
    one missing option after the other; with those added as they are told, the command starts."""
    options = "--read-only --read-only-tmpfs=false"
    told = []
    # Mutter, which cannot do without any of them; here it is not installed. What it reads in /run is
    # led elsewhere by the preloaded library.
    while (said := run(vm, "scanout-run -t 0 mutter", options)).rc == 125:
        for line in said.err.splitlines():
            advice = re.fullmatch(r"scanout-run: .*; start .*the container with (--?\w+ \S+)", line)
            assert advice and advice[1] not in told, (said, told)
            told.append(advice[1])
            options += f" {advice[1]}"
    check_said(said, 127, "Command 'mutter' is not in this image: install it, or correct its name")
    assert told == [GUEST, "--tmpfs /tmp", "--device /dev/dri/card0:/dev/dri/card0:m"], told


def test_command(vm):
    """A command that is not there, that has no interpreter, or that is no program: 127 and 126,
    as a shell has it, and no lease stays."""
    missing, bare, file, folder, none = Commands(
        vm, "scanout-run /no/such",
        "printf '#!/no/shell\\n' > /tmp/x; chmod 755 /tmp/x; scanout-run /tmp/x",
        "scanout-run /etc/passwd", "scanout-run /etc", "scanout-run").all()
    check_said(missing, 127,
               "Command '/no/such' is not in this image: install it, or correct its name")
    check_said(bare, 127,
               "Command '/tmp/x' exists, but the program that runs it does not: install the one "
               "that its first line names, or its dynamic loader")
    for said, name in ((file, "/etc/passwd"), (folder, "/etc")):
        check_said(said, 126, f"Command '{name}' is not executable: make it so, or name another")
    check_said(none, 125,
               "No command given; write it after the options, as in 'scanout-run -- sway'")
    wait_all_free(vm)


def test_libraries(vm):
    """An image with nothing but scanout-run: who loads it says what is missing, in one line. With
    libc and libsystemd, and what those need, it runs: no bus, no libcjson, nothing else."""
    vm.run(f"rm -rf {TINY}; mkdir -p {TINY}/usr/bin {TINY}/usr/lib64 {TINY}/tmp {TINY}/proc "
           f"{TINY}/dev {TINY}/sys {TINY}/run && ln -s usr/bin usr/lib64 {TINY}/ && "
           f"ln -s usr/lib64 {TINY}/lib && chmod 1777 {TINY}/tmp && "
           f"cp /usr/bin/scanout-run {TINY}/usr/bin/")
    command = "scanout-run --seat fd scanout-run --version"
    said = run(vm, command, root=TINY)
    assert said.rc != 0 and "missing dynamic library?" in said.err, said
    assert len(said.err.splitlines()) == 1, said

    def add(pattern: str):
        vm.run(f"ldd /usr/bin/scanout-run | grep -o '/[^ ]*' | grep -E '{pattern}' | "
               f"xargs cp -Lt {TINY}/usr/lib64")
    add("/(ld-linux|libc)[.-]")
    said = run(vm, command, root=TINY)
    assert said.rc == 127 and said.err == (
        "scanout-run: error while loading shared libraries: libsystemd.so.0: cannot open shared "
        "object file: No such file or directory\n"), said
    add("lib(systemd|cap|gcrypt|gpg-error|lzma|zstd|lz4|m)[.]")
    said = run(vm, command, root=TINY)
    assert said.rc == 0 and said.out.startswith("scanout-run "), said
    vm.run(f"rm -rf {TINY}")


def test_stale_mount(vm):
    """The socket was mounted in place of its folder, and is a new one now; or the folder itself is
    a new one. Both are told from a scanoutd that is down. The folder with a new socket is right."""
    started = {}
    for name, mount in (("socket", "/run/scanoutd/guest/bus"), ("folder", "/run/scanoutd/guest")):
        vm.run(f"rm -f /run/{name}; mkfifo /run/{name}")
        started[name] = vm.spawn("exec " + podman(
            "sh -c 'while read -r word && [ $word = ask ]; do scanout-run -t 0 --seat fd true 2>&1; "
            "echo status $?; done'",
            f"{MOUNTS.replace(GUEST, '')} -i -v {mount}:{mount}") + f" 0<>/run/{name}")

    def ask(name: str) -> Result:
        vm.run(f"echo ask > /run/{name}")
        return answer(started[name])
    assert ask("socket").rc == 0 and ask("folder").rc == 0
    vm.run("systemctl stop scanoutd.socket scanoutd.service && systemctl start scanoutd")
    advice = ("what is mounted there is gone in the VM; start the container again, with "
              "--mount type=bind,src=/run/scanoutd/guest,dst=/run/scanoutd/guest,ro")
    assert ask("folder").rc == 0
    check_said(ask("socket"), 125, "Found no scanoutd at /run/scanoutd/guest/bus: Connection "
               f"refused; {advice}")
    vm.run("systemctl stop scanoutd.socket scanoutd.service && rm -r /run/scanoutd/guest && "
           "systemctl start scanoutd")
    check_said(ask("folder"), 125, "Found no scanoutd: there is neither /run/scanoutd/guest/bus "
               f"nor a system bus here; {advice}")
    for name, process in started.items():
        vm.run(f"echo end > /run/{name}")
        process.wait()


def test_cdi_version(vm):
    """podman 4.3 reads CDI specifications up to version 0.5.0. What is written for it is one; of
    one that podman does not know it says, like of a device that is not there, that it cannot be
    resolved."""
    device = "--device scanoutd.org/scanout={}"
    vm.run("scanoutctl cdi")
    try:
        spec = json.loads(vm.run("cat /run/cdi/scanoutd.json").out)
        assert tuple(map(int, spec["cdiVersion"].split("."))) <= (0, 5, 0), spec["cdiVersion"]
        said = run(vm, "printenv SCANOUT_ID", device.format("card0-Virtual-4"))
        assert said.rc == 0 and said.out == "card0-Virtual-4\n", said
        for name, version in (("nothing", spec["cdiVersion"]), ("card0-Virtual-4", "99.0.0")):
            vm.run("cat > /run/cdi/scanoutd.json",
                   input=json.dumps({**spec, "cdiVersion": version}).encode())
            said = run(vm, "true", device.format(name))
            assert said.rc == 126 and said.err.startswith("Error: setting up CDI devices: "), said
            assert f"unresolvable CDI devices scanoutd.org/scanout={name}\n" in said.err, said
    finally:
        vm.run("rm -rf /run/cdi /run/scanoutd/seat")

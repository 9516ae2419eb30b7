"""What people get wrong with containers: each is one line that says what to do next.

A container is the guest's own root with a throw-away layer, run as a uid that nobody knows.
"""

import json
import re
import shlex

from machine import Result, wait_until
from scanouts import configure, daemon_status, start_daemon, wait_all_free

setup = start_daemon

PODMAN = "podman run --rm --network none --log-driver none --user 4711:4711"
GUEST = "-v /run/scanoutd/guest:/run/scanoutd/guest"
# All that scanout-run asks for, so that nothing is said of what a test is not about.
MOUNTS = (f"{GUEST} --device /dev/dri/card0:/dev/dri/card0:m --tmpfs /run/systemd:rw,mode=1777 "
          "--tmpfs /run/udev:rw,mode=1777")
TINY = "/run/tiny"


def podman(command: str, options: str = MOUNTS, root: str = "/:O") -> str:
    return f"{PODMAN} {options} --rootfs {root} {command}"


def run(vm, command: str, options: str = MOUNTS, root: str = "/:O"):
    return vm.run(podman(command, options, root), check=False, timeout=90)


def run_all(vm, *commands: str) -> list[Result]:
    """Commands one after the other in one container; what each said on standard error."""
    script = "; ".join(f"{command}; echo status $? >&2" for command in commands)
    said = run(vm, f"sh -c {shlex.quote(script)}")
    parts = re.findall(r"((?:.*\n)*?)status (\d+)\n", said.err)
    assert len(parts) == len(commands), said
    return [Result(int(status), said.out, err) for err, status in parts]


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
        holder = vm.spawn("exec " + podman(
            "scanout-run --seat fd sh -c 'echo has it; exec sleep 1000'", f"{MOUNTS} --name holder"))
        assert holder.readline() == "has it", holder.err
        none, late, busy, unknown = run_all(
            vm, "scanout-run -t 0 true", "scanout-run -t 300ms true",
            "scanout-run -t 0 -o card0-Virtual-1 true", "scanout-run -o card0-Virtual-99 true")
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
        before = daemon_status(vm)["fds"]
        waiting = vm.spawn("exec " + podman("scanout-run --seat fd sh -c 'echo $SCANOUT_ID'"))
        wait_until(lambda: daemon_status(vm)["fds"] > before, 30, "one more is connected")
        vm.run("podman kill -s KILL holder")
        assert waiting.wait() == 0 and waiting.out == "card0-Virtual-1\n", waiting.out + waiting.err
    finally:
        start_daemon(vm)


def test_daemon_down(vm):
    """No scanoutd: scanout-run says that it waits, and gives up in time; when scanoutd comes up
    meanwhile, it goes on."""
    vm.run("systemctl stop scanoutd.socket scanoutd.service")
    why = "at /run/scanoutd/guest/bus: Connection refused; type 'systemctl start scanoutd' in the VM"
    at_once, later = run_all(vm, "scanout-run -t 0 true", "scanout-run -t 500ms true")
    check_said(at_once, 125, f"Found no scanoutd {why}")
    check_said(later, 125, f"Waiting for scanoutd {why}", f"Found no scanoutd {why}")
    patient = vm.spawn("exec " + podman("scanout-run -t 1min --seat fd sh -c 'echo $SCANOUT_ID'"))
    wait_until(lambda: patient.err == f"scanout-run: Waiting for scanoutd {why}\n", 30,
               "it says that it waits")
    vm.run("systemctl start scanoutd")
    assert patient.wait() == 0 and patient.out.startswith("card0-Virtual-"), patient.err
    assert len(patient.err.splitlines()) == 1, patient.err


def test_size(vm):
    """Sizes that are none, and one that the output does not have, for a compositor that takes no
    other."""
    sizes = ("800", "0x600", "1920x1080x60", "99999x1")
    *wrong, said = run_all(vm, *(f"scanout-run -s {size} true" for size in sizes),
                           "scanout-run -o card0-Virtual-1 -s 1000x501 mutter")
    for size, refused in zip(sizes, wrong):
        check_said(refused, 125, f"'{size}' is not a size; write it like 1920x1080")
    assert said.rc == 125, said
    assert re.fullmatch(r"scanout-run: Virtual-1 has no mode 1000x501 for mutter; choose a --size "
                        r"it has: (\d+x\d+, )+\d+x\d+\n", said.err), said
    assert "1920x1080" in said.err, said


def test_mounts(vm):
    """A container with nothing, not even a /run or /tmp that can be written to. Its errors name
    one missing option after the other; with those added as they are told, the command starts."""
    options = "--read-only --read-only-tmpfs=false"
    told = []
    # Mutter, which cannot do without any of them; here it is not installed.
    while (said := run(vm, "scanout-run -t 0 mutter", options)).rc == 125:
        for line in said.err.splitlines():
            advice = re.fullmatch(r"scanout-run: .*; start .*the container with (--?\w+ \S+)", line)
            assert advice and advice[1] not in told, (said, told)
            told.append(advice[1])
            options += f" {advice[1]}"
    check_said(said, 127, "Command 'mutter' is not in this image: install it, or correct its name")
    assert told == [GUEST, "--tmpfs /tmp", "--device /dev/dri/card0:/dev/dri/card0:m",
                    "--tmpfs /run/systemd:rw,mode=1777", "--tmpfs /run/udev:rw,mode=1777"], told


def test_command(vm):
    """A command that is not there, that has no interpreter, or that is no program: 127 and 126,
    as a shell has it, and no lease stays."""
    missing, bare, file, folder, none = run_all(
        vm, "scanout-run /no/such",
        "printf '#!/no/shell\\n' > /tmp/x; chmod 755 /tmp/x; scanout-run /tmp/x",
        "scanout-run /etc/passwd", "scanout-run /etc", "scanout-run")
    check_said(missing, 127,
               "Command '/no/such' is not in this image: install it, or correct its name")
    check_said(bare, 127,
               "Command '/tmp/x' is here, but not what runs it: install the program that its first "
               "line names, or its dynamic loader")
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
    add("lib(systemd|cap|gcrypt|gpg-error|lzma|zstd|lz4)[.]")
    said = run(vm, command, root=TINY)
    assert said.rc == 0 and said.out.startswith("scanout-run "), said
    vm.run(f"rm -rf {TINY}")


def test_stale_mount(vm):
    """The socket was mounted in place of its folder, and is a new one now; or the folder itself is
    a new one. Both are told from a scanoutd that is down. The folder with a new socket is right."""
    started = {}
    for name, mount in (("socket", "/run/scanoutd/guest/bus"), ("folder", "/run/scanoutd/guest")):
        started[name] = vm.spawn("exec " + podman("sh -c 'echo up; exec sleep 1000'",
                                                  f"{MOUNTS.replace(GUEST, '')} --name {name} "
                                                  f"-v {mount}:{mount}"))
        assert started[name].readline() == "up", started[name].err

    def ask(name: str):
        return vm.run(f"podman exec {name} scanout-run -t 0 --seat fd true", check=False)
    assert ask("socket").rc == 0 and ask("folder").rc == 0
    vm.run("systemctl stop scanoutd.socket scanoutd.service && systemctl start scanoutd")
    advice = ("what is mounted there is gone in the VM; start the container again, with "
              "-v /run/scanoutd/guest:/run/scanoutd/guest")
    assert ask("folder").rc == 0
    check_said(ask("socket"), 125, "Found no scanoutd at /run/scanoutd/guest/bus: Connection "
               f"refused; {advice}")
    vm.run("systemctl stop scanoutd.socket scanoutd.service && rm -r /run/scanoutd/guest && "
           "systemctl start scanoutd")
    check_said(ask("folder"), 125, "Found no scanoutd: there is neither /run/scanoutd/guest/bus "
               f"nor a system bus here; {advice}")
    for process in started.values():
        process.terminate("KILL")


def test_cdi_version(vm):
    """podman 4.3 reads CDI specifications up to version 0.5.0. What is written for it is one; of
    a newer one it says, like of a device that is not there, that it cannot be resolved."""
    device = "--device scanoutd.org/scanout={}"
    vm.run("scanoutctl cdi")
    try:
        spec = json.loads(vm.run("cat /run/cdi/scanoutd.json").out)
        assert tuple(map(int, spec["cdiVersion"].split("."))) <= (0, 5, 0), spec["cdiVersion"]
        said = run(vm, "printenv SCANOUT_ID", device.format("card0-Virtual-4"))
        assert said.rc == 0 and said.out == "card0-Virtual-4\n", said
        for name, version in (("nothing", spec["cdiVersion"]), ("card0-Virtual-4", "0.6.0")):
            vm.run("cat > /run/cdi/scanoutd.json",
                   input=json.dumps({**spec, "cdiVersion": version}).encode())
            said = run(vm, "true", device.format(name))
            assert said.rc == 126 and said.err == (
                "Error: setting up CDI devices: unresolvable CDI devices "
                f"scanoutd.org/scanout={name}\n"), said
    finally:
        vm.run("rm -rf /run/cdi /run/scanoutd/seat")


for test in (test_no_scanout_free, test_daemon_down, test_size, test_mounts, test_command,
             test_libraries, test_stale_mount, test_cdi_version):
    test.deadline = 150

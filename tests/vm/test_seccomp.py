"""A container with the profile of `scanoutctl seccomp` cannot read framebuffers of others."""

import json

from scanouts import PROBE, hold, start_daemon, wait_all_free, wait_shown
from test_engines import MACHINE, OPTIONS, ROOT, block, by_label, check_desk, prepared
from test_engines import setup as engines_setup

__all__ = ["MACHINE"]
PROFILE = "/run/scanoutd-closed.json"
# A lessee without any right: what it does is what any program in a container could do.
THIEF = ("{engine} run {options} --user 65534:65534 --cap-drop all "
         "--security-opt no-new-privileges {security} "
         "--mount type=bind,src=/run/scanoutd/guest,dst=/run/scanoutd/guest,ro "
         "--device /dev/dri/card0:/dev/dri/card0:m image scanout-run --seat fd -- {command}")


def setup(vm):
    engines_setup(vm)
    vm.run(f"tar c -C {ROOT} . | podman import - image", timeout=60)
    said = vm.run(f"scanoutctl seccomp --output {PROFILE}").out
    assert PROFILE in said, said


def steal(vm, engine: str, security: str) -> list[dict]:
    """What a lessee in a container learns of each framebuffer that there is."""
    said = vm.run(THIEF.format(engine=engine, options=OPTIONS, security=security,
                               command=f"{PROBE} peek --scan 400"), timeout=90)
    found = json.loads(said.out.splitlines()[-1])["framebuffers"]
    wait_thief_gone(vm)
    return found


def wait_thief_gone(vm):
    """The victim alone has a scanout."""
    vm.run("until test $(scanoutctl list --json | grep -c '\"leased\"') = 1; do sleep 0.2; done")


def check_engine(vm, engine: str):
    victim, ready = hold(vm, "--fill c04060 --label victim")
    wait_shown(vm, ready["index"])
    open_to_all = steal(vm, engine, "")
    assert any(fb["getfb2"] == "OK" and fb["nonzero"] > 0 for fb in open_to_all), open_to_all
    assert any(fb["wide"] == "OK" for fb in open_to_all), open_to_all
    closed = steal(vm, engine, f"--security-opt seccomp={PROFILE}")
    assert closed, "nothing was found to look at"
    for fb in closed:
        refused = {fb["getfb2"], fb["getfb"], fb["wide"]}
        assert len(refused) == 1 and refused <= {"EPERM", "ENOSYS"}, fb
        assert "nonzero" not in fb, fb
    # All that a desktop does goes on.
    said = vm.run(THIEF.format(engine=engine, options=OPTIONS,
                               security=f"--security-opt seccomp={PROFILE}",
                               command=f"{PROBE} flip 20 --mode 1920x1080"), timeout=90)
    assert json.loads(said.out.splitlines()[-1])["flips"] >= 20, said
    victim.terminate()
    wait_all_free(vm)
    command = block("podman, with scanout-run", 0).replace("podman", engine)
    options = f"{OPTIONS} --security-opt seccomp={PROFILE}"
    check_desk(vm, prepared(command, f"{engine} run", options), "20c060", by_label,
               {"engine": engine, "uid": 1000}, f"{engine} kill -s KILL desk",
               f"{engine} inspect -f '{{{{.Id}}}}' desk")


def test_podman(vm):
    """podman: without the profile the thief reads the victim's picture, and by a request of another
    size too; with it neither, while it flips as before, and sway fills its head."""
    check_engine(vm, "podman")


def test_docker(vm):
    """docker: the same."""
    check_engine(vm, "docker")

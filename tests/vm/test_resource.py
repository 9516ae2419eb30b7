"""The resource id of what a scanout shows: the number by which the host knows it."""

import json
import re

from scanouts import GUEST, hold, start_daemon, wait_all_free, wait_blank, wait_shown

setup = start_daemon
TRACE = "virtio_gpu_cmd_set_scanout"


def set_trace(vm, enable: bool):
    vm.qmp("trace-event-set-state", name=TRACE, enable=enable)


def told_by_qemu(vm) -> dict[int, tuple[int, int, int]]:
    """The resource that each head was last set to, and its size, as QEMU traces it."""
    text = (vm.workdir / "qemu.log").read_text()
    found = re.findall(TRACE + r" id (\d+), res 0x([0-9a-f]+), w (\d+), h (\d+)", text)
    return {int(head): (int(res, 16), int(w), int(h)) for head, res, w, h in found}


def resource(vm, scanout: str, *, prefix: str = "", rc: int = 0) -> dict:
    done = vm.run(f"{prefix} scanoutctl --json resource {scanout}", check=False)
    assert done.rc == rc, (scanout, done.rc, done.out, done.err)
    return json.loads(done.out if rc == 0 else done.err)


def test_resource_id(vm):
    """Three scanouts show something: scanoutctl names for each the resource that QEMU was told to
    show there. A GEM handle is no such id: a fresh file's first handle is 1 for each of them."""
    set_trace(vm, True)
    held = [hold(vm, f"--label desk{n}", mode=mode) for n, mode in
            enumerate(("1920x1080", "1024x768", "800x600"))]
    for _, ready in held:
        wait_shown(vm, ready["index"])
    seen = set()
    for _, ready in held:
        found = resource(vm, ready["scanout"])
        size = (found["width"], found["height"])
        assert (found["resource"], *size) == told_by_qemu(vm)[ready["index"]], (
            found, told_by_qemu(vm))
        assert found["format"] in ("XR24", "AR24") and found["stride"] >= 4 * size[0], found
        assert found["size"] >= found["stride"] * size[1], found
        seen.add(found["resource"])
    assert len(seen) == len(held), seen
    set_trace(vm, False)
    for process, _ in held:
        process.terminate()
    wait_all_free(vm)


def test_refused(vm):
    """A scanout that shows nothing, one that there is not, and a caller who is not root. Nobody
    becomes the master of the card by asking."""
    held, ready = hold(vm)
    wait_shown(vm, ready["index"])
    assert resource(vm, ready["scanout"], prefix=GUEST, rc=1)["error"] == "AccessDenied"
    assert resource(vm, "card7-Virtual-1", rc=1)["error"] == "NoSuchScanout"
    held.terminate()
    wait_all_free(vm)
    wait_blank(vm, ready["index"])
    assert resource(vm, ready["scanout"], rc=1)["error"] == "NoPicture"
    again, _ = hold(vm)
    again.terminate()
    wait_all_free(vm)

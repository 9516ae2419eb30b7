"""Four virtual GPUs in one machine: 64 scanouts."""

import json

import picture
from machine import wait_until
from scanouts import OPEN, PROBE, call, probe, rows, start_daemon, wait_all_free, wait_state

GPUS = ["gpu0", "gpu1", "gpu2", "gpu3"]
HEADS = 16
COUNT = len(GPUS) * HEADS
MACHINE = dict(devices=[f"virtio-gpu-pci,id={gpu},max_outputs={HEADS}" for gpu in GPUS[1:]])
setup = start_daemon


def gpu_of(vm) -> dict[str, str]:
    """Card node → the GPU that it is, by the order of their slots, which is that of GPUS."""
    cards = {row["device"].removeprefix("/dev/dri/") for row in rows(vm).values()}
    slots = {vm.run(f"readlink -f /sys/class/drm/{card}/device").out: card for card in cards}
    return {f"/dev/dri/{slots[slot]}": gpu for slot, gpu in zip(sorted(slots), GPUS, strict=True)}


def hold_all(vm, options) -> list:
    """A holder for each scanout, with the options that `options(row)` says."""
    holders = [vm.spawn(f"exec {PROBE} hold --request --mode 640x480 {options(row)} {OPEN}")
               for row in rows(vm).values()]
    ready = [json.loads(process.readline(120)) for process in holders]
    assert all(r.get("ready") for r in ready), ready
    return list(zip(holders, ready))


def end(vm, holders):
    for process, _ in holders:
        process.terminate("KILL")
    wait_all_free(vm, 60)


def test_sixty_four(vm):
    """Each card has 16 scanouts, numbered by its own heads; all 64 are leased at once, and what is
    drawn on one is on that head of that GPU. A 65th request is refused. Release of one ends that
    one alone."""
    found = rows(vm)
    assert len(found) == COUNT, list(found)
    gpus = gpu_of(vm)
    for device in gpus:
        own = [r for r in found.values() if r["device"] == device]
        assert [r["index"] for r in own] == list(range(HEADS)), own
        assert all(r["id"].startswith(device.removeprefix("/dev/dri/") + "-") for r in own), own
    holders = hold_all(vm, lambda r: f"--scanout {r['id']} --name {r['id']} --label l{r['id']}")
    leased = rows(vm)
    assert all(r["state"] == "leased" for r in leased.values()), leased
    assert len({r["generation"] for r in leased.values()}) == COUNT
    assert len({(r["device"], r["crtc"]) for r in leased.values()}) == COUNT
    rc, said = call(vm, "RequestScanout 'a{sv}' 0")
    assert rc == 1 and "No scanout is free" in said, said
    for _, ready in holders:
        row = leased[ready["scanout"]]
        strip, why = picture.read_strip(vm.capture(row["index"], gpu=gpus[row["device"]]))
        assert strip and strip["hash"] == picture.name_hash(row["id"]), (row["id"], strip, why)

    # Lessees of different cards have the same small ids: a release must not mix them up.
    second = [r for r in leased.values() if gpus[r["device"]] == "gpu2"][4]
    same = [r["id"] for r in leased.values() if r["lessee"] == second["lessee"]]
    assert len(same) == len(GPUS), same
    rc, said = call(vm, f"ReleaseScanout s {second['id']}")
    assert rc == 0, said
    wait_state(vm, second["id"], "free")
    others = {i: r for i, r in rows(vm).items() if i != second["id"]}
    assert all(r["state"] == "leased" for r in others.values()), others
    assert {i: r["generation"] for i, r in others.items()} == {
        i: r["generation"] for i, r in leased.items() if i != second["id"]}
    end(vm, holders)


def test_labels_stick(vm):
    """64 labels, ended and asked for again in another order: each gets the scanout that it had."""
    holders = hold_all(vm, lambda r: f"--label desk{r['device'][-1]}-{r['index']}")
    before = {r["label"]: r["id"] for r in rows(vm).values()}
    assert len(before) == COUNT, before
    end(vm, holders)
    again = [vm.spawn(f"exec scanoutctl request --label {label} -- sleep 1000")
             for label in reversed(before)]
    wait_until(lambda: all(r["state"] == "leased" for r in rows(vm).values()), 120,
               "all are leased again")
    assert {r["label"]: r["id"] for r in rows(vm).values()} == before
    for process in again:
        process.terminate("KILL")
    wait_all_free(vm, 60)


def test_cost(vm):
    """A request costs as much with 63 scanouts leased as with none."""
    def measure() -> float:
        """Of several, the one that the host disturbed least."""
        return min(probe(vm, "storm 50 --settle --scanout card0-Virtual-1")["p50_us"]
                   for _ in range(4))
    alone = measure()
    desks = [vm.spawn(f"exec scanoutctl request --scanout {scanout} -- sleep 1000")
             for scanout in rows(vm) if scanout != "card0-Virtual-1"]
    wait_until(lambda: sum(r["state"] == "leased" for r in rows(vm).values()) == COUNT - 1, 120,
               "all but one are leased")
    crowded = measure()
    print(f"    a request: {alone:.0f} µs alone, {crowded:.0f} µs with {COUNT - 1} others leased")
    assert crowded < 1.5 * alone + 1000, (alone, crowded)
    for desk in desks:
        desk.terminate("KILL")
    wait_all_free(vm, 60)


test_cost.alone = True


def test_no_driver(vm):
    """A GPU that its driver does not drive, as when a new one has waited too long for the host:
    doctor names it, and what it says to type brings its scanouts."""
    drivers = "/sys/bus/virtio/drivers/virtio_gpu"
    name = vm.run(f"cd {drivers} && ls -d virtio* | sort -V | tail -n 1").out.strip()
    vm.run(f"echo {name} > {drivers}/unbind", timeout=60)
    wait_until(lambda: len(rows(vm)) == COUNT - HEADS, 60, "its scanouts are gone")
    said = json.loads(vm.run("scanoutctl doctor --json", check=False).out)
    found = next(check for check in said["checks"] if check["check"] == name)
    assert found["result"] == "fail" and "no driver drives it" in found["message"], found
    vm.run(found["type"], timeout=60)
    wait_until(lambda: len(rows(vm)) == COUNT, 60, "its scanouts are back")
    said = json.loads(vm.run("scanoutctl doctor --json", check=False).out)
    assert not [check for check in said["checks"] if check["check"] == name], said

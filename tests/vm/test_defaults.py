"""QEMU as it comes, but for the outputs: a VGA card beside the virtio-gpu, and 256 MiB for the
pictures of all heads."""

import json

from machine import wait_until
from scanouts import COUNT, OPEN, PROBE, USERS, configure, rows, wait_all_free

MACHINE = dict(devices=["VGA,id=vga0,addr=0x10"], hostmem="")

# Which of the two is card0, and which has the output Virtual-1, is another one at each boot.
OURS, VGA = (f"/dev/dri/by-path/pci-0000:00:{slot}.0-card" for slot in ("02", "10"))
FULL = "Heads may stay black: the host has no memory left for their pictures"


def setup(vm):
    vm.run("mkfifo -m 666 /run/open; systemctl restart scanoutd")
    vm.run("systemd-sysusers -", input=USERS)


def node(vm, link: str) -> str:
    return vm.run(["readlink", "-f", link]).out.strip()


def unconfigure(vm):
    vm.run("rm -r /etc/scanoutd/scanoutd.conf.d; systemctl restart scanoutd")


def checks(vm) -> dict[str, dict]:
    """What the doctor found, by what it looked at."""
    found = json.loads(vm.run("scanoutctl doctor --json", check=False).out)["checks"]
    return {check["check"]: check for check in found}


def test_vga_is_left_alone(vm):
    """The VGA card's output is no scanout, and nobody opens it; the log and the doctor say why. CDI
    has a device for any scanout, as there is one card."""
    ours, vga = node(vm, OURS), node(vm, VGA)
    assert {row["device"] for row in rows(vm).values()} == {ours} and len(rows(vm)) == COUNT
    assert f"{vga}: Not used: its driver is bochs-drm" in vm.journal("scanoutd")
    assert vm.run(f"find /proc/[0-9]*/fd -lname {vga}", check=False).out == ""
    found = checks(vm)
    assert found[ours[9:]]["message"].startswith("virtio_gpu, 16 outputs"), found
    assert (found[vga[9:]]["result"], found[vga[9:]]["message"]) == (
        "ok", "bochs-drm, 1 outputs: left alone, unless Devices= of scanoutd.conf names it")
    vm.run("systemctl start scanout-cdi")
    said = vm.run("podman run --rm --network none --log-driver none --device "
                  "scanoutd.org/scanout=any --rootfs /:O sh -c 'echo $SCANOUT_DEVICE; ls /dev/dri'")
    assert said.out == f"{ours}\n{ours[9:]}\n", said
    vm.run("systemctl stop scanout-cdi 'scanout-seat*@*.socket'")


def test_by_path(vm):
    """Cards that are listed by links: the VGA alone, then both; a card that is taken away comes
    back by its link."""
    vga = node(vm, VGA)
    configure(vm, f"[Card]\nDevices={VGA}\n")
    assert [row["device"] for row in rows(vm).values()] == [vga]
    configure(vm, f"[Card]\nDevices={VGA} {OURS}\n")
    assert len(rows(vm)) == COUNT + 1
    device = vm.run("cd /sys/bus/virtio/drivers/virtio_gpu && ls -d virtio[0-9]*").out.strip()
    driver = "/sys/bus/virtio/drivers/virtio_gpu"
    vm.run("for c in /sys/class/vtconsole/vtcon*; do echo 0 > $c/bind 2>/dev/null; done; "
           f"echo {device} > {driver}/unbind")
    wait_until(lambda: len(rows(vm)) == 1, 20, "its scanouts are gone")
    vm.run(f"echo {device} > {driver}/bind")
    wait_until(lambda: len(rows(vm)) == COUNT + 1, 20, "its scanouts are back")
    wait_all_free(vm)
    unconfigure(vm)


def test_settings_that_select_nothing(vm):
    """An output and a card that are not there: told in the journal at start and on a reload, and
    by the doctor until it is mended."""
    since = vm.now()
    card = node(vm, OURS)[9:]
    configure(vm, f"[Scanouts]\nExclude={list(rows(vm))[0]} {card}-Virtual-99\n")
    why = f"Exclude= names {card}-Virtual-99, but {card} has no such output"
    assert vm.journal("scanoutd", since).count(why) == 1
    assert why in checks(vm)["settings"]["message"]
    vm.run("systemctl reload scanoutd")
    wait_until(lambda: vm.journal("scanoutd", since).count(why) == 2, 10, "told once more")
    vm.run("cat > /etc/scanoutd/scanoutd.conf.d/test.conf; systemctl reload scanoutd",
           input=b"[Card]\nDevices=/dev/dri/card7\n")
    wait_until(lambda: "Devices= names /dev/dri/card7, which is not there"
               in vm.journal("scanoutd", since), 10, "the card that is not there is told")
    unconfigure(vm)
    assert "settings" not in checks(vm)


def test_host_memory(vm):
    """Pictures of more than the host gives: no call fails, the journal says so once, and the
    doctor what to give it, also after a restart and to who cannot read the kernel's log."""
    before = checks(vm)["host memory"]
    assert before["result"] == "ok" and "has refused no framebuffer" in before["message"], before
    since = vm.now()
    holders = []
    for scanout, now in list(rows(vm).items())[:8]:  # 44 MiB each
        vm.size_head(now["index"], 5120, 2160)  # else it may not have that mode (Linux 6.12)
        wait_until(lambda: rows(vm)[scanout]["preferred_width"] == 5120, 20, "it has its size")
        process = vm.spawn(f"exec {PROBE} hold --request --scanout {scanout} --mode 5120x2160 "
                           f"{OPEN}")
        holders.append(process)
        assert json.loads(process.readline(60)).get("ready"), process.err
        if FULL in vm.journal("scanoutd", since):
            break
    wait_until(lambda: FULL in vm.journal("scanoutd", since), 20, "the daemon has seen it")
    print("    " + vm.run("dmesg | grep 'response 0x12' | head -1").out.strip())
    found = checks(vm)["host memory"]
    assert found["result"] == "warn", found
    assert "response 0x1201" in found["message"], found
    assert "-device virtio-gpu-pci,max_outputs=16,max_hostmem=" in found["message"], found
    # Not root: what the daemon has seen.
    found = json.loads(vm.run("setpriv --reuid=guest --regid=scanout --init-groups "
                              "scanoutctl doctor --json", check=False).out)["checks"]
    said = [check for check in found if check["check"] == "host memory"]
    assert said[0]["result"] == "warn" and "max_hostmem=" in said[0]["message"], said
    assert vm.journal("scanoutd", since).count(FULL) == 1
    vm.run("systemctl restart scanoutd")
    assert checks(vm)["host memory"]["result"] == "warn"
    for process in holders:
        process.terminate("KILL")
    wait_all_free(vm)

"""The test bed itself: what every other test takes for granted."""

from machine import wait_until

DRM = "/sys/class/drm"


def connector(vm, number: int) -> list[str]:
    """Status and modes of a connector, the preferred mode first."""
    path = f"{DRM}/card0-Virtual-{number}"
    # Without a probe of our own the modes are those of the kernel's console, which leaves out all
    # that are larger than its framebuffer.
    return vm.run(f"echo detect >{path}/status; cat {path}/status {path}/modes").out.split()


def test_card(vm):
    """A stock guest: virtio-gpu drives card0, which has all heads and only the first connected."""
    assert vm.run("ls /sys/bus/virtio/drivers/virtio_gpu").out.count("virtio") == 1
    found = vm.run(f"cd {DRM}; grep -x connected card0-*/status; ls -d card0-*").out.split()
    assert found.pop(0) == "card0-Virtual-1/status:connected", found
    assert sorted(found) == sorted(f"card0-Virtual-{n + 1}" for n in range(vm.head_count)), found


def test_size_head(vm):
    """A head sized on the host: its connector is connected and prefers that size, until it is
    taken away."""
    assert connector(vm, 3) == ["disconnected"]
    for width, height in ((1280, 720), (1920, 1080)):
        vm.size_head(2, width, height)
        wait_until(lambda: connector(vm, 3)[:2] == ["connected", f"{width}x{height}"], 10,
                   f"Virtual-3 is connected and prefers {width}x{height}")
    vm.size_head(2, 0, 0)
    wait_until(lambda: connector(vm, 3) == ["disconnected"], 10, "Virtual-3 is disconnected")


def test_capture(vm):
    """Noise, then nothing, drawn on the kernel's own framebuffer: head 0 shows noise, then is
    blank, and no other head has a picture at any time."""
    others = range(1, vm.head_count)
    assert all(vm.is_blank(head) for head in others)
    for source, blank in (("urandom", False), ("zero", True)):
        vm.run(f"cat /dev/{source} >/dev/fb0 2>/dev/null || :")
        wait_until(lambda: vm.is_blank(0) == blank, 5, f"head 0 shows /dev/{source}")
    assert all(vm.is_blank(head) for head in others)


def test_many_commands(vm):
    """Twenty commands at once over the one connection: each answers, each can be ended."""
    processes = [vm.spawn(f"echo {n}; exec sleep infinity") for n in range(20)]
    assert [process.readline() for process in processes] == [str(n) for n in range(20)]
    assert all(process.poll() is None for process in processes)
    for process in processes:
        process.terminate()
    assert vm.run("pgrep -x sleep", check=False).rc == 1


def test_container(vm):
    """podman runs a container on the guest's own root with a throw-away layer: its writes stay in
    it, and its cgroup names it."""
    run = "podman run --rm --network none --rootfs /:O"
    ran = vm.run(f"{run} sh -c 'cat /proc/1/cgroup; touch /left-behind'")
    assert ran.out.startswith("0::/"), ran
    assert vm.run("test -e /left-behind", check=False).rc == 1

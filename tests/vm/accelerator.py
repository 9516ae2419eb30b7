"""Which accelerator boots the guest here: tried, not guessed."""

import subprocess
from pathlib import Path

from cache import cache_directory
from image import Image
from qemu import Qemu

# What a CPU can do more, emulation does slower. Seconds of host CPU for: boot to ssh, 100
# processes, gzip of /usr/lib, three podman runs, 2 GB copied, 20 MB in over ssh (QEMU 7.2,
# Linux 6.1):
#   max                           16.4  2.7  15.6  7.3  10.7  2.4
#   max without AVX, SMAP, LA57   15.5  2.5  16.1  8.8  10.6  3.0
#   qemu64                        13.8  2.4  12.7  6.3   6.5  1.7
#   Nehalem                       13.0  2.4  13.0  6.3   6.5  1.6
# Above all, `max` has the fast string copies (ERMS) that libc and kernel prefer and that are slow
# here. Nehalem is qemu64 with x86-64-v2, which programs may ask for; rdrand spares the guest
# gathering entropy.
TCG_CPU = "Nehalem,rdrand=on"
PROBE_SECONDS = 10


def tcg() -> list[str]:
    return ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU]


def kvm() -> list[str]:
    return ["-accel", "kvm", "-cpu", "host"]


def kvm_boots(image: Image, qemu: Qemu) -> bool:
    """Boot the kernel to its first process, which ends the machine.

    A usable /dev/kvm is no proof: nested under another hypervisor the kernel may hang before its
    first line. The verdict holds until the host is booted again.
    """
    if not Path("/dev/kvm").exists():
        return False
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    verdict = cache_directory() / f"kvm-{image.key}-{boot}"
    if verdict.exists():
        return verdict.read_text() == "yes"
    print(f"vm: trying KVM for at most {PROBE_SECONDS} s", flush=True)
    command = ["setpriv", "--pdeathsig", "KILL", *qemu.command(
        *kvm(), "-m", "512", "-nodefaults", "-no-user-config", "-display", "none",
        "-serial", "stdio", "-no-reboot", "-kernel", image.kernel, "-initrd", image.initrd,
        "-append", "console=ttyS0 panic=-1 rdinit=/bin/busybox -- poweroff -f")]
    try:
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=PROBE_SECONDS, env=qemu.environment())
        boots = tried.returncode == 0 and b"reboot: Power down" in tried.stdout
    except subprocess.TimeoutExpired:
        boots = False
    for old in cache_directory().glob("kvm-*"):
        if not old.name.endswith(boot):
            old.unlink(missing_ok=True)
    verdict.write_text("yes" if boots else "no")
    return boots


def arguments(image: Image, qemu: Qemu) -> tuple[str, list[str]]:
    """The accelerator's name, and QEMU's arguments for it."""
    return ("kvm", kvm()) if kvm_boots(image, qemu) else ("tcg", tcg())

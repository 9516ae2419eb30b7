#!/usr/bin/python3
"""The guest's disk, kernel and initrd, built from Debian packages and cached by content."""

import argparse
import fcntl
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "guest is ready"  # what the guest writes to its console once sshd answers
UNUSED_DAYS = 14
ADDRESS = "10.0.2.15"  # the one QEMU's user network forwards ports to

# Loaded by the initrd, dependencies first. The network card is among them so that the initrd can
# also set its address: no unit, no waiting for udev.
MODULES = ["virtio_pci", "virtio_blk", "ext4", "virtio_net"]

# Never unpacked: nothing in the guest can use them, and every file costs time to install and copy.
LEFT_OUT = [
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*",
    "/usr/share/lintian/*", "/usr/share/bug/*",
    *(f"/lib/modules/*/kernel/{tree}/*" for tree in (
        "sound", "drivers/media", "drivers/infiniband", "drivers/iio", "drivers/staging",
        "drivers/net/ethernet", "drivers/net/wireless", "drivers/scsi", "drivers/usb",
        "drivers/gpu/drm/amd", "drivers/gpu/drm/i915", "drivers/gpu/drm/nouveau",
        "drivers/gpu/drm/radeon", "drivers/hwmon", "drivers/mtd", "drivers/target",
        "drivers/isdn", "drivers/bluetooth", "drivers/nvme", "drivers/ata")),
]

# Slow at boot, or busy in the middle of a measurement, and of no use to any test.
MASKED = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "man-db.timer", "systemd-tmpfiles-clean.timer",
    "logrotate.timer", "getty.target", "getty@.service", "serial-getty@.service",
    "console-getty.service", "systemd-timesyncd.service", "systemd-networkd.service",
    "systemd-resolved.service", "systemd-pstore.service", "systemd-random-seed.service",
    "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
    "systemd-machine-id-commit.service", "systemd-firstboot.service", "keyboard-setup.service",
    "console-setup.service", "networking.service", "ifupdown-wait-online.service",
    "systemd-journal-flush.service", "systemd-binfmt.service", "sys-kernel-tracing.mount",
    "dev-hugepages.mount", "dev-mqueue.mount", "sys-fs-fuse-connections.mount",
    "systemd-journal-catalog-update.service", "systemd-update-done.service",
    "podman.service", "podman.socket", "podman-auto-update.timer", "podman-auto-update.service",
    "podman-restart.service", "seatd.service", "gdm.service", "gdm3.service",
    "systemd-rfkill.service", "systemd-rfkill.socket", "remote-fs.target", "cron.service",
]

FILES = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost guest\n::1 localhost\n",
    "etc/fstab": "",
    "etc/resolv.conf": "",
    # A fixed id, or every boot of the throw-away disk is a first boot with its presets and hooks.
    "etc/machine-id": hashlib.md5(b"scanoutd test guest").hexdigest() + "\n",
    "etc/systemd/journald.conf.d/guest.conf":
        "[Journal]\nStorage=volatile\nRuntimeMaxUse=64M\nRateLimitBurst=0\nForwardToWall=no\n",
    "etc/systemd/system.conf.d/guest.conf":
        "[Manager]\nDefaultTimeoutStartSec=180s\nDefaultTimeoutStopSec=30s\n",
    # One connection carries every command of a run, so it must take many sessions. Without PAM a
    # command opens no logind session: cheaper, and it leaves no user manager behind.
    "etc/ssh/sshd_config":
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\n"
        "MaxSessions 100\nMaxStartups 100\nUsePAM no\nUseDNS no\nPasswordAuthentication no\n"
        "PrintMotd no\nSubsystem sftp internal-sftp\n",
    # The stock unit checks the configuration with a second sshd before it starts.
    "etc/systemd/system/ssh.service.d/guest.conf":
        "[Unit]\nAfter=\nAfter=basic.target\n[Service]\nExecStartPre=\n",
    "etc/systemd/system/guest-ready.service":
        "[Unit]\nDescription=Tell the host that sshd answers\nAfter=ssh.service\n"
        f"[Service]\nType=oneshot\nExecStart=/bin/echo {MARK}\nStandardOutput=tty\n"
        "TTYPath=/dev/ttyS0\n[Install]\nWantedBy=multi-user.target\n",
}

# `exec` so that a failure is a kernel panic, which the host sees on the console at once.
INIT = f"""#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /modules.order); do busybox insmod "$module"; done
busybox ip address add {ADDRESS}/24 dev eth0
busybox ip link set eth0 up
busybox ip route add default via 10.0.2.2
busybox mount -t ext4 -o noatime,nobarrier /dev/vda /root || exit 1
busybox mount -t tmpfs -o mode=755 run /root/run
busybox umount /proc
busybox mount --move /dev /root/dev
exec busybox switch_root /root /sbin/init
"""


class ImageError(Exception):
    pass


@dataclass(frozen=True)
class Image:
    """A finished guest: these files are shared by every run and never written again."""

    directory: Path

    @property
    def key(self) -> str:
        return self.directory.name

    @property
    def disk(self) -> Path:
        return self.directory / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.img"

    @property
    def ssh_key(self) -> Path:
        return self.directory / "ssh_key"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"


def unpacked_kernel(packed: bytes) -> bytes:
    """The ELF image within Debian's kernel, which boots too, and 2 s sooner where the guest's own
    unpacking would be emulated. A kernel packed in another way is returned as it is."""
    start = packed.find(b"\xfd7zXZ\0")
    if start < 0:
        return packed
    kernel = lzma.LZMADecompressor().decompress(packed[start:])
    return kernel if kernel.startswith(b"\x7fELF") else packed


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "scanoutd"


def package_files(set: str) -> list[Path]:
    names = ["base"] if set == "base" else ["base", set]
    files = [HERE / "packages" / f"{name}.txt" for name in names]
    for file in files:
        if not file.exists():
            known = ", ".join(sorted(f.stem for f in file.parent.glob("*.txt")))
            raise ImageError(f"no package set '{set}'; there are: {known}")
    return files


def packages(set: str) -> list[str]:
    lines = [line for file in package_files(set) for line in file.read_text().splitlines()]
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def suite() -> str:
    release = Path("/etc/os-release").read_text()
    match = re.search(r"^VERSION_CODENAME=(\w+)", release, re.M)
    if "ID=debian" not in release or not match:
        raise ImageError("the guest is built from this machine's Debian packages: "
                         "/etc/os-release must name a Debian release")
    return match[1]


def write_sources(directory: Path) -> list[Path]:
    """Copy the machine's Debian apt sources, leaving out those of any other vendor."""
    debian = re.compile(r"\S+/debian(-security)?/?(\s|$)")
    apt = Path("/etc/apt")
    written = []
    for file in [*sorted(apt.glob("sources.list.d/*.sources")), apt / "sources.list",
                 *sorted(apt.glob("sources.list.d/*.list"))]:
        if not file.exists():
            continue
        separator = "\n\n" if file.suffix == ".sources" else "\n"
        kept = [part for part in file.read_text().split(separator) if debian.search(
            "\n".join(line for line in part.splitlines() if not line.startswith("#")))]
        if kept:
            copy = directory / file.name
            copy.write_text(separator.join(kept) + "\n")
            written.append(copy)
    if not written:
        raise ImageError("no Debian source under /etc/apt to build the guest from")
    return written


def key(set: str) -> str:
    digest = hashlib.sha256(suite().encode())
    digest.update(Path(__file__).read_bytes())
    digest.update("\n".join(packages(set)).encode())
    return digest.hexdigest()[:16]


def image(set: str = "base") -> Image:
    """The image of a package set, built now if no run before has built the same one."""
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    finished = cache / f"guest-{key(set)}"
    if finished.exists():
        os.utime(finished)
        return Image(finished)
    with open(cache / f"build-{set}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"guest: another build of set '{set}' is under way, waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            Build(cache, set).run(finished)
    return Image(finished)


def remove(directory: Path):
    """Delete a tree, but never what something may have mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


class Build:
    """One build, in a directory beside its final place; the lock is held throughout."""

    def __init__(self, cache: Path, set: str):
        # Whoever held the lock before and was killed could not clean up.
        for left_over in cache.glob(f"building-{set}-*"):
            remove(left_over)
        self.set = set
        self.directory = cache / f"building-{set}-{os.getpid()}"
        self.root = self.directory / "root"
        self.log = cache / f"build-{set}.log"
        self.started = time.monotonic()

    def run(self, finished: Path):
        if os.geteuid() != 0:
            raise ImageError("building the guest needs root: its files belong to many users")
        self.directory.mkdir()
        self.log.write_text("")
        try:
            self.stage(f"{len(packages(self.set))} packages, and their needs")
            self.unpack()
            self.stage("configuration, keys, initrd")
            self.configure()
            self.make_keys()
            self.make_initrd()
            self.stage("disk")
            self.make_disk()
            remove(self.root)
            self.directory.rename(finished)
            self.forget_old(finished.parent)
            self.stage(f"done: {finished}")
        finally:
            remove(self.directory)

    def forget_old(self, cache: Path):
        """Remove images not asked for in a while: each change of this file leaves one."""
        for old in cache.glob("guest-*"):
            if time.time() - old.stat().st_mtime > UNUSED_DAYS * 86400:
                remove(old)

    def stage(self, what: str):
        print(f"guest: {time.monotonic() - self.started:4.0f} s  {self.set}: {what}", flush=True)

    def call(self, *command, env: dict | None = None):
        with open(self.log, "ab") as log:
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=env).returncode
        if code != 0:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise ImageError(f"{' '.join(command)[:60]}… failed with {code}; "
                             f"the end of {self.log}:\n{tail}")

    def unpack(self):
        sources = self.directory / "sources"
        sources.mkdir()
        # In namespaces of its own: however this ends, what runs in the root and what is mounted
        # there, /dev and /proc of this machine among it, is gone before the directory is removed.
        alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child", "--mount-proc"]
        # INITRD=No keeps the kernel package from making the general initrd we do not use.
        self.call(*alone, "mmdebstrap", "--mode=root", "--format=directory", "--variant=essential",
                  "--include=" + ",".join(packages(self.set)),
                  "--aptopt=Apt::Install-Recommends false",
                  *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                  "--skip=check/empty",
                  suite(), str(self.root), *map(str, write_sources(sources)),
                  env={**os.environ, "INITRD": "No", "TMPDIR": str(self.directory)})
        remove(sources)

    def configure(self):
        for name, text in FILES.items():
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_text(text)
        units = self.root / "etc/systemd/system"
        for unit in MASKED:
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")
        (units / "default.target").unlink(missing_ok=True)
        (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
        wants = units / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "guest-ready.service").symlink_to("/etc/systemd/system/guest-ready.service")
        # Saying that /etc and /var are up to date keeps the first-boot units from running.
        for directory in ("etc", "var"):
            (self.root / directory / ".updated").touch()

    def make_keys(self):
        ssh = self.root / "etc/ssh"
        for old in ssh.glob("ssh_host_*"):
            old.unlink()
        host_key = ssh / "ssh_host_ed25519_key"
        client_key = self.directory / "ssh_key"
        for file in (host_key, client_key):
            self.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", str(file))
        public = host_key.with_suffix(".pub").read_text()
        (self.directory / "known_hosts").write_text(f"guest {public}")
        home = self.root / "root/.ssh"
        home.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(client_key.with_suffix(".pub"), home / "authorized_keys")

    def make_initrd(self):
        """As little as brings up the disk: under emulation each module and process is felt."""
        version = next((self.root / "lib/modules").iterdir()).name
        packed = (self.root / f"boot/vmlinuz-{version}").read_bytes()
        (self.directory / "kernel").write_bytes(unpacked_kernel(packed))
        tree = self.directory / "initrd"
        for name in ("bin", "dev", "proc", "root"):
            (tree / name).mkdir(parents=True)
        shutil.copy(self.root / "bin/busybox", tree / "bin/busybox")
        # The guest's own tools, since the machine need not have them.
        listed = subprocess.run(
            ["chroot", self.root, "modprobe", "--set-version", version, "--all",
             "--show-depends", *MODULES], check=True, capture_output=True, text=True).stdout
        modules = list(dict.fromkeys(re.findall(r"^insmod /(\S+)", listed, re.M)))
        for module in modules:
            shutil.copy(self.root / module, tree)
        (tree / "modules.order").write_text("".join(f"/{Path(m).name}\n" for m in modules))
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        # Not compressed: reading is free, unpacking is emulated.
        names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
        with open(self.directory / "initrd.img", "wb") as archive:
            subprocess.run([self.root / "bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree,
                           input=names.encode(), stdout=archive, stderr=subprocess.DEVNULL,
                           check=True)
        remove(tree)

    def make_disk(self):
        disk = self.directory / "disk.img"
        # Thrown away after every run, so neither journal nor checksums earn their time.
        self.call("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^resize_inode",
                  "-E", "lazy_itable_init=1,nodiscard", "-m", "0", "-d", str(self.root),
                  str(disk), "6G")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="base", help="package set (tests/vm/packages/*.txt)")
    try:
        print(image(parser.parse_args().set).directory)
    except ImageError as error:
        print(f"image.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Turns packages into a guest: its disk, kernel, initrd and keys."""

import lzma
import re
import shutil
import struct
import subprocess
from pathlib import Path

import root as roots
from cache import Making, remove
from guest_content import FILES, INIT, LEFT_OUT, MASKED, MODULES

def build(making: Making, suite: str, packages: list[str]):
    root = making.directory / "root"
    roots.unpack(making, root, suite, packages, left_out=LEFT_OUT)
    making.say("configuration, keys, initrd")
    configure(root)
    unpack_modules(root)
    make_keys(making, root)
    make_initrd(making, root)
    making.say("disk")
    # Thrown away after every run, so neither journal nor checksums earn their time.
    making.call("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^resize_inode",
                "-E", "lazy_itable_init=1,nodiscard", "-m", "0", "-d", root,
                making.directory / "disk.img", "6G")
    remove(root)


def configure(root: Path):
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
    units = root / "etc/systemd/system"
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
        (root / directory / ".updated").touch()


def make_keys(making: Making, root: Path):
    ssh = root / "etc/ssh"
    for old in ssh.glob("ssh_host_*"):
        old.unlink()
    host_key = ssh / "ssh_host_ed25519_key"
    client_key = making.directory / "ssh_key"
    for file in (host_key, client_key):
        making.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", file)
    public = host_key.with_suffix(".pub").read_text()
    (making.directory / "known_hosts").write_text(f"guest {public}")
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(client_key.with_suffix(".pub"), home / "authorized_keys")


def version(root: Path) -> str:
    """The kernel's."""
    return next((root / "lib/modules").iterdir()).name


def unpack_modules(root: Path):
    """Packed ones, since Debian 13, are slow to load under emulation."""
    packed = list((root / "lib/modules").rglob("*.ko.*"))
    for module in packed:
        module.with_suffix("").write_bytes(unpacked(module.read_bytes()))
        module.unlink()
    if packed:
        # The guest's own tools, since the machine need not have them.
        subprocess.run(["chroot", root, "depmod", version(root)], check=True)


def make_initrd(making: Making, root: Path):
    """As little as brings up the disk: under emulation each module and process is felt."""
    packed = (root / f"boot/vmlinuz-{version(root)}").read_bytes()
    (making.directory / "kernel").write_bytes(unpacked_kernel(packed))
    tree = making.directory / "initrd"
    for name in ("bin", "dev", "proc", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    listed = subprocess.run(
        ["chroot", root, "modprobe", "--set-version", version(root), "--all",
         "--show-depends", *MODULES], check=True, capture_output=True, text=True).stdout
    modules = list(dict.fromkeys(re.findall(r"^insmod /(\S+)", listed, re.M)))
    for module in modules:
        shutil.copy(root / module, tree)
    (tree / "modules.order").write_text("".join(f"/{Path(m).name}\n" for m in modules))
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    # Not compressed: reading is free, unpacking is emulated.
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    with open(making.directory / "initrd.img", "wb") as archive:
        subprocess.run([root / "bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree,
                       input=names.encode(), stdout=archive, stderr=subprocess.DEVNULL,
                       check=True)
    remove(tree)


def unpacked_kernel(packed: bytes) -> bytes:
    """The ELF image within Debian's kernel, which boots too, and 2 s sooner where the guest's own
    unpacking would be emulated. A kernel packed in another way is returned as it is."""
    # The header tells where the payload is (Documentation/arch/x86/boot.rst); behind it is its size.
    setup_sectors = packed[0x1F1]
    offset, length = struct.unpack_from("<II", packed, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    payload = packed[begin:begin + length - 4]
    kernel = unpacked(payload)
    return kernel if kernel.startswith(b"\x7fELF") else packed


def unpacked(data: bytes) -> bytes:
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-d", "-c"], input=data, capture_output=True,
                              check=True).stdout
    return data

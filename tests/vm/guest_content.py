"""What the guest has in it, beside its packages."""

import hashlib

MARK = "guest is ready"  # what the guest writes to its console once sshd answers
ADDRESS = "10.0.2.15"  # the one QEMU's user network forwards ports to

# Loaded by the initrd, dependencies first. The network card is among them so that the initrd can
# also set its address: no unit, no waiting for udev.
MODULES = ["virtio_pci", "virtio_blk", "ext4", "virtio_net"]

# Never unpacked: nothing in the guest can use them, and every file costs time to install and copy.
LEFT_OUT = [
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*",
    "/usr/share/lintian/*", "/usr/share/bug/*",
    *(f"*/lib/modules/*/kernel/{tree}/*" for tree in (
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
    "systemd-udev-load-credentials.service", "systemd-hostnamed.socket", "systemd-creds.socket",
    "systemd-sysext.socket", "netavark-dhcp-proxy.service", "netavark-dhcp-proxy.socket",
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

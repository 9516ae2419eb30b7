"""How the daemon starts, and how it does not."""

from machine import wait_until
from scanouts import (COUNT, OPEN, PROBE, configure, daemon_status, rows, start_daemon, wait_state)

setup = start_daemon


def main_status(vm) -> int:
    return int(vm.run("systemctl show -p ExecMainStatus --value scanoutd").out)


def test_other_master(vm):
    """Another process is master of the card: the daemon exits with 75, names the process, and
    starts once that one is gone."""
    vm.run("systemctl stop scanoutd")
    other = vm.spawn(f"exec {PROBE} hold --card /dev/dri/card0 --connector Virtual-1 {OPEN}")
    assert other.readline(30)
    since = vm.now()
    started = vm.run("systemctl start scanoutd", check=False)
    assert started.rc != 0
    wait_until(lambda: "status=75" in vm.journal("scanoutd", since), 10, "it exits with 75")
    said = vm.journal("scanoutd", since)
    assert f"in the hands of probe (pid {other.pid})" in said, said
    other.terminate()
    # Restart=on-failure: the unit mends itself.
    wait_until(lambda: "active" in vm.run("systemctl is-active scanoutd", check=False).out.split(),
               20, "the service starts by itself")
    start_daemon(vm)


def test_no_card_yet(vm):
    """No card at all: with Devices=auto the daemon starts, says so, and takes the card up when
    it comes."""
    vm.run("systemctl stop scanoutd")
    device = vm.run("cd /sys/bus/virtio/drivers/virtio_gpu && ls -d virtio[0-9]*").out.strip()
    driver = "/sys/bus/virtio/drivers/virtio_gpu"
    vm.run("for c in /sys/class/vtconsole/vtcon*; do echo 0 > $c/bind 2>/dev/null; done; "
           f"echo {device} > {driver}/unbind; test ! -e /dev/dri/card0")
    vm.run("systemctl start scanoutd")
    assert rows(vm) == {}
    refused = vm.run("scanoutctl request -- true", check=False)
    assert refused.rc == 1 and "NoFreeScanout" in refused.err, refused
    vm.run(f"echo {device} > {driver}/bind")
    wait_until(lambda: len(rows(vm)) == COUNT, 20, "all scanouts appear")
    start_daemon(vm)


def test_listed_card_missing(vm):
    """Devices= names a card that is not there: exit 69 and a message that names it."""
    vm.run("systemctl stop scanoutd; printf '[Card]\\nDevices=/dev/dri/card9\\n' > /tmp/c.conf")
    said = vm.run("scanoutd --config /tmp/c.conf", check=False)
    assert said.rc == 69 and "/dev/dri/card9" in said.err, said
    start_daemon(vm)


def test_broken_config(vm):
    """A configuration that is wrong: the service does not start, exits with 78 and says FILE:LINE
    and what is allowed; a reload with a wrong one keeps the old one."""
    before = daemon_status(vm)
    vm.run("mkdir -p /etc/scanoutd/scanoutd.conf.d; "
           "printf '[Policy]\\nMaxPerHolder=lots\\n' > /etc/scanoutd/scanoutd.conf.d/bad.conf")
    since = vm.now()
    vm.run("systemctl reload scanoutd")
    message = "/etc/scanoutd/scanoutd.conf.d/bad.conf:2: MaxPerHolder=lots is not allowed"
    wait_until(lambda: message in vm.journal("scanoutd", since), 10, "the reload is refused")
    assert daemon_status(vm)["pid"] == before["pid"]
    assert len(rows(vm)) == COUNT
    assert vm.run("systemctl restart scanoutd", check=False).rc != 0
    assert main_status(vm) == 78
    start_daemon(vm)


def test_seat_manager(vm):
    """With Seat=libseat the card is opened through seatd, and leases work as without; without
    seatd that is an error that says what to do."""
    vm.run("systemctl stop scanoutd; mkdir -p /etc/scanoutd/scanoutd.conf.d; "
           "printf '[Card]\\nSeat=libseat\\n' > /etc/scanoutd/scanoutd.conf.d/test.conf")
    said = vm.run("scanoutd", check=False)
    assert said.rc == 69 and "Start seatd" in said.err, said
    seatd = vm.spawn("SEATD_VTBOUND=0 exec seatd -l debug")
    wait_until(lambda: vm.run("test -S /run/seatd.sock", check=False).rc == 0, 20, "seatd listens")
    configure(vm, "[Card]\nSeat=libseat\n")
    assert "through seat" in vm.journal("scanoutd")
    shown = vm.run(f"scanoutctl request -- {PROBE} flip 10 --mode 1920x1080")
    assert '"flips":10' in shown.out, shown.out
    vm.run("systemctl stop scanoutd")
    seatd.terminate()
    start_daemon(vm)


def test_service(vm):
    """The service as installed: started by a call on the bus, hardened, and it leaves no privilege
    in its bounding set that it does not use."""
    vm.run("systemctl stop scanoutd")
    assert len(rows(vm)) == COUNT, "activated by the call"
    wait_state(vm, "card0-Virtual-1", "free")
    pid = daemon_status(vm)["pid"]
    status = vm.run(f"cat /proc/{pid}/status").out
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, status
    bounding = int(status.split("CapBnd:")[1].split()[0], 16)
    sys_admin, syslog = 1 << 21, 1 << 34
    assert bounding == sys_admin | syslog, hex(bounding)

"""A virtual machine with a virtio GPU of many heads, for as long as a `with` lasts."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import PIL.Image

import accelerator
import heads as gpu_heads
import suites
from image import MARK, image
from pace import Movement, Patience, pace, wait_until
from qemu import qemu
from shell import GuestError, Process, Result, Shell

__all__ = ["GuestError", "Machine", "Process", "Result", "wait_until"]

BUS_CONFIG = """<busconfig><type>session</type><listen>unix:path={path}</listen>
<auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/><allow own="*"/>
<allow receive_sender="*"/></policy></busconfig>
"""

# The guest is thrown away, so it need not defend its kernel against itself: retpolines and their
# like are dear under emulation. Nor need it measure the clock that the host's is.
CMDLINE = ("console=ttyS0 loglevel=6 systemd.show_status=0 net.ifnames=0 panic=-1 "
           "mitigations=off tsc=reliable random.trust_cpu=on fsck.mode=skip systemd.ssh_auto=no")


def start_child(command: list, **options) -> subprocess.Popen:
    """Start a process that the kernel kills when this one dies, even by SIGKILL."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], **options)


class Machine:
    def __init__(self, workdir: Path, *, stage: Path | None, heads: int = 16,
                 set: str = "base", suite: str = suites.DEFAULT, devices: list[str] = [],
                 hostmem: str = "1G", options: list[str] = []):
        """Nothing happens before start(). Logs go to `workdir`. `hostmem` is what the host gives
        all pictures; '' is what it gives by itself. `options` are more of QEMU's."""
        self.workdir = Path(workdir)
        self.stage = stage
        self.head_count = heads
        self.set = set
        self.suite = suite
        self.devices = devices
        self.hostmem = hostmem
        self.options = options
        self.ended: str | None = None
        self.console = bytearray()
        self.console_changed = threading.Condition()
        self.qmp_lock = threading.Lock()
        self.children: list[subprocess.Popen] = []
        self.qemu: subprocess.Popen | None = None
        self.shell: Shell | None = None
        self.heads: gpu_heads.Heads | None = None
        self.timer: threading.Timer | None = None
        self.directory: Path | None = None
        self.link: Path | None = None  # the socket of its link

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_):
        self.kill()

    # Birth and death

    def start(self):
        """Boot and wait until commands can be run; install the stage."""
        self.image = image(self.set, self.suite)
        self.emulator = qemu()
        accel, accel_arguments = accelerator.arguments(self.image, self.emulator)
        self.workdir.mkdir(parents=True, exist_ok=True)
        # Not below the work directory: the path of a unix socket may have 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="scanoutd-vm-"))
        self.link = self.directory / "link"
        self.started = time.monotonic()
        self.timer = threading.Timer(pace.left(), self._end, ["the time for the whole run is over"])
        self.timer.daemon = True
        self.timer.start()
        try:
            self._say(f"booting ({accel})")
            self._start_bus()
            self._start_qemu(accel_arguments)
            self.heads = gpu_heads.Heads(self.bus_address, self.qmp, self.directory)
            self._meet()
            if self.stage is not None:
                self.install(self.stage)
        except BaseException:
            self.kill()
            raise

    def _meet(self):
        """Wait until the guest that boots takes commands."""
        self.wait_console(MARK)
        self._say("booted")
        self.shell = Shell(self.image, self._ssh_port(), self.directory, self.why_dead)
        pace.booted(time.monotonic() - self.started, self._command_seconds)
        # The card's driver is loaded by udev, which boot does not wait for.
        self.run("udevadm settle", timeout=120)
        self._say("ssh answers, devices are there")

    def reboot(self):
        """Shut the guest down as its admin would, and boot it again; its disk is as it was left."""
        self.qmp("set-action", reboot="reset")
        self.started = time.monotonic()
        pace.command = None  # nobody is there to ask
        with self.console_changed:
            self.console.clear()
        self.run("systemctl --no-block reboot")
        self.shell.close()
        self._meet()

    def install(self, stage: Path):
        """Unpack a `make install` tree over the guest and make the guest notice."""
        self.shell.push(stage, "/")
        self.run("systemd-sysusers && systemd-tmpfiles --create 2>/dev/null; "
                 "systemctl daemon-reload && systemctl reload dbus.service", timeout=120)
        self._say(f"installed {stage}")

    def kill(self):
        """End the machine and remove its traces; the logs stay in the work directory."""
        if self.timer:
            self.timer.cancel()
        self._end("the machine was shut down")
        if self.shell:
            self.shell.close()
            self.shell = None
        if self.heads:
            self.heads.close()
            self.heads = None
        for child in reversed(self.children):
            child.kill()
            child.wait()
        self.children.clear()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None

    def _end(self, why: str):
        with self.console_changed:
            self.ended = self.ended or why
            self.console_changed.notify_all()
        if self.qemu:
            self.qemu.kill()

    def why_dead(self) -> str | None:
        """Why the machine is gone, with the end of its console; None while it runs."""
        if self.ended is None and self.qemu is not None and self.qemu.poll() is not None:
            self._end(f"QEMU ended by itself with {self.qemu.returncode}: "
                      + (self.workdir / "qemu.log").read_text(errors="replace").strip())
        if self.ended is None:
            return None
        return f"{self.ended}; the end of its console:\n{self.console_tail()}"

    def _say(self, what: str):
        print(f"vm: {time.monotonic() - self.started:5.1f} s  {self.suite} {self.workdir.name}: {what}",
              flush=True)

    # The processes on the host

    def _start_bus(self):
        """A bus of this run's own, for QEMU and whoever looks at its display."""
        path = self.directory / "bus"
        config = self.directory / "bus.conf"
        config.write_text(BUS_CONFIG.format(path=path))
        with open(self.workdir / "bus.log", "wb") as log:
            bus = start_child(["dbus-daemon", f"--config-file={config}", "--nofork",
                               "--print-address=1"], stdout=subprocess.PIPE, stderr=log)
        self.children.append(bus)
        self.bus_address = f"unix:path={path}"
        if not bus.stdout.readline():
            raise GuestError("the private dbus-daemon did not start")

    def _start_qemu(self, accel: list[str]):
        ours, theirs = socket.socketpair()
        # In the first free slot, so that it is card0 whatever `devices` adds.
        hostmem = f",max_hostmem={self.hostmem}" if self.hostmem else ""
        gpu = (["-device", f"virtio-gpu-pci,id=gpu0,addr=0x2,max_outputs={self.head_count}{hostmem}"]
               if self.head_count else [])
        command = self.emulator.command(
            *accel, "-machine", "pc", "-smp", "2", "-m", "4096",
            "-nodefaults", "-no-user-config", "-no-reboot", "-vga", "none", *gpu,
            "-display", f"dbus,addr={self.bus_address}",
            "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control",
            "-serial", "stdio",
            "-netdev", "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22",
            "-device", "virtio-net-pci,netdev=net0,romfile=",
            # Written blocks go to an unlinked temporary file; the image stays as it is.
            "-drive", f"if=none,id=disk,format=raw,file={self.image.disk},snapshot=on,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk",
            "-kernel", self.image.kernel, "-initrd", self.image.initrd, "-append", CMDLINE)
        for device in self.devices:
            command += ["-device", device]
        # After all others, which keep their slots. As 'scanout-host qemu-args --link' prints it.
        command += ["-device", "virtio-serial-pci", "-chardev",
                    f"socket,id=link,path={self.link},server=on,wait=off",
                    "-device", "virtserialport,chardev=link,name=org.scanoutd.host.0"]
        command += self.options
        with open(self.workdir / "qemu.log", "wb") as log:
            self.qemu = start_child(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=log, pass_fds=[theirs.fileno()],
                                    env=self.emulator.environment(TMPDIR=str(self.directory)))
        self.children.append(self.qemu)
        theirs.close()
        self.monitor = ours.makefile("rwb")
        ours.close()
        threading.Thread(target=self._read_console, daemon=True).start()
        if not self.monitor.readline():
            raise GuestError(self._last_words())
        self.qmp("qmp_capabilities")

    def _last_words(self) -> str:
        """For when a connection to QEMU broke: it is about to be dead, so wait for it."""
        try:
            self.qemu.wait(5)
        except subprocess.TimeoutExpired:
            return "QEMU closed its monitor"
        return self.why_dead()

    def _ssh_port(self) -> int:
        told = self.qmp("human-monitor-command", **{"command-line": "info usernet"})
        for line in told.splitlines():
            if "HOST_FORWARD" in line:
                return int(line.split()[3])
        raise GuestError("QEMU forwards no port to the guest's sshd")

    def qmp(self, command: str, **arguments):
        """Run a monitor command; what it returns. Events are skipped."""
        with self.qmp_lock:
            request = {"execute": command, "arguments": arguments}
            try:
                self.monitor.write(json.dumps(request).encode() + b"\n")
                self.monitor.flush()
                while line := self.monitor.readline():
                    answer = json.loads(line)
                    if "error" in answer:
                        raise GuestError(f"{command}: {answer['error']['desc']}")
                    if "return" in answer:
                        return answer["return"]
            except OSError:
                pass
        raise GuestError(f"{command}: {self._last_words()}")

    # The serial console

    def _read_console(self):
        with open(self.workdir / "console.log", "wb", buffering=0) as log:
            while data := self.qemu.stdout.read1(65536):
                log.write(data)
                with self.console_changed:
                    self.console += data
                    self.console_changed.notify_all()
        with self.console_changed:
            self.console_changed.notify_all()
        self.qemu.wait()
        self.why_dead()

    def console_tail(self, lines: int = 20) -> str:
        return "\n".join(self.console.decode(errors="replace").splitlines()[-lines:])

    def wait_console(self, what: str, seconds: float = 120):
        """Wait until the console has shown `what`. It may be silent for so long."""
        patience = Patience(seconds, f"'{what}' on the console",
                            lambda: Movement(0, len(self.console)))
        with self.console_changed:
            while not self.ended and what.encode() not in self.console:
                self.console_changed.wait(1)
                if patience.is_over():
                    raise GuestError(f"{patience.why()}; it ends:\n{self.console_tail()}")
        if self.ended:
            raise GuestError(self.why_dead())

    def _command_seconds(self) -> float:
        """How long one command in the guest takes now."""
        began = time.monotonic()
        self.run("true", check=False)
        return time.monotonic() - began

    # In the guest

    def run(self, cmd: str | list, *, timeout: float = 60, check: bool = True,
            input: bytes | None = None) -> Result:
        """Run a command to its end. A string goes through a shell, a list does not."""
        return self._shell().run(cmd, timeout=timeout, check=check, input=input)

    def spawn(self, cmd: str | list) -> Process:
        """Start a command that runs beside others."""
        return self._shell().spawn(cmd)

    def push(self, local: Path | str, remote: str):
        """Copy a file to the path `remote`, or a directory's contents into the directory."""
        self._shell().push(local, remote)

    def pull(self, remote: str, local: Path | str):
        self._shell().pull(remote, local)

    def journal(self, unit: str, since: str | None = None) -> str:
        """A unit's journal of this boot; `since` is a value of now()."""
        later = ["--since", since] if since else []
        return self.run(["journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-u", unit,
                         *later]).out

    def now(self) -> str:
        """The guest's clock, in the words of journalctl."""
        return self.run("date +@%s.%6N").out.strip()

    def _shell(self) -> Shell:
        if self.shell is None:
            raise GuestError(self.why_dead() or "the machine was not started")
        return self.shell

    # The heads, seen from the host

    def size_head(self, i: int, width: int, height: int, width_mm: int | None = None,
                  height_mm: int | None = None, *, gpu: str = "gpu0"):
        """Connect head `i` with this size as its preferred mode; 0, 0 disconnects it."""
        self.heads.resize(i, width, height, width_mm, height_mm, gpu)

    def capture(self, head: int, *, gpu: str = "gpu0") -> PIL.Image.Image:
        """The picture on a head now; QEMU's placeholder if there is none."""
        return self.heads.capture(head, gpu)

    def is_blank(self, head: int, *, gpu: str = "gpu0") -> bool:
        """Whether nobody's picture is on a head: no scanout there, or all of it black."""
        return gpu_heads.is_placeholder(self.capture(head, gpu=gpu))


def main():
    """Boot, run a command in the guest (a login shell by default), end."""
    with Machine(Path(tempfile.gettempdir()) / "scanoutd-vm", stage=None) as vm:
        vm.start()
        command = sys.argv[1:] or ["bash", "-l"]
        tty = ["-t"] if sys.stdin.isatty() else []
        return subprocess.run(["ssh", *tty, *vm.shell.options, "127.0.0.1", *command]).returncode


if __name__ == "__main__":
    sys.exit(main())

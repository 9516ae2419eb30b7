"""Commands in the guest, all over one ssh connection."""

import shlex
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from image import Image
from pace import Movement, Patience

# Encryption is emulated on one side and guards nothing on a loopback port: the cheapest of each.
CHEAP = {"Ciphers": "aes128-gcm@openssh.com", "KexAlgorithms": "curve25519-sha256",
         "Compression": "no", "GSSAPIAuthentication": "no"}


ATTEMPTS = 5
LOOK_SECONDS = 1  # how often a wait for a command looks whether there is still use in it
# Prints the CPU time, in ticks of 10 ms, of all processes of a session and of those they waited for.
WORK = ("cat /proc/[0-9]*/stat 2>/dev/null | awk -v session={} "
        "'{{ sub(/^.*\\) /, \"\"); if ($4 == session) ticks += $12 + $13 + $14 + $15 }} "
        "END {{ print ticks + 0 }}'")


class GuestError(Exception):
    """The guest, or a command in it, did not do what was asked."""


@dataclass(frozen=True)
class Result:
    rc: int
    out: str
    err: str


def text(data: bytes) -> str:
    return data.decode(errors="replace")


def first_line(shown: str) -> str:
    line, newline, _ = shown.strip().partition("\n")
    return f"{line[:100]}…" if newline or len(line) > 100 else line


def ended(client: subprocess.Popen, seconds: float) -> bytes | None:
    """What it printed, if it ends within so long."""
    try:
        return client.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        return None


def wrapped(cmd: str | list) -> str:
    """The command with its process group as the first line of output: what a kill needs.

    sshd makes each command a session leader, so the shell's pid is the group of all it starts. A
    list is exec'ed: the pid is the program's own.
    """
    if isinstance(cmd, str):
        return f"echo $$; {cmd}"
    return f"echo $$; exec {shlex.join(map(str, cmd))}"


class Shell:
    def __init__(self, image: Image, port: int, directory: Path,
                 why_dead: Callable[[], str | None]):
        """`why_dead` names the reason once the machine itself is gone, so errors can tell.

        `keeper` is the pid of the one command in the guest that is not to be ended.
        """
        self.why_dead = why_dead
        self.options = ["-F", "/dev/null", "-S", str(directory / "ssh"), "-p", str(port),
                        "-i", str(image.ssh_key)]
        settings = {"IdentitiesOnly": "yes", "BatchMode": "yes", "HostKeyAlias": "guest",
                    "UserKnownHostsFile": str(image.known_hosts), "StrictHostKeyChecking": "yes",
                    "LogLevel": "ERROR", "User": "root", **CHEAP}
        for name, value in settings.items():
            self.options += ["-o", f"{name}={value}"]
        # A guest that is starved of CPU may take the connection and drop it again.
        for attempt in range(ATTEMPTS):
            self.master, self.keeper = self.connect()
            if self.keeper:
                return
            self.master.stdin.close()
            told = text(self.master.stderr.read()).strip()
            self.master.wait()
        raise GuestError(self.why_dead() or f"no ssh connection to the guest: {told}")

    def connect(self) -> tuple[subprocess.Popen, str]:
        """The connection lives as long as its first command, `cat`, which ends when this process
        does, however it does: the pipe is closed."""
        master = subprocess.Popen(
            ["ssh", "-M", *self.options, "127.0.0.1", wrapped(["cat"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return master, text(master.stdout.readline()).strip()

    def command(self, cmd: str | list) -> list[str]:
        # Should the connection be gone, fail: left to itself, ssh would open another.
        return ["ssh", *self.options, "-o", "ProxyCommand=false", "127.0.0.1", wrapped(cmd)]

    def close(self):
        self.master.stdin.close()
        try:
            self.master.wait(5)
        except subprocess.TimeoutExpired:
            self.master.kill()
            self.master.wait()
        self.master.stdout.close()
        self.master.stderr.close()

    def run_bytes(self, cmd, timeout: float, check: bool, input: bytes | None):
        # From a file: what communicate() has not written when it times out, it never writes.
        with tempfile.TemporaryFile() as file:
            file.write(input or b"")
            file.seek(0)
            client = subprocess.Popen(self.command(cmd), stdin=file, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        shown = cmd if isinstance(cmd, str) else shlex.join(map(str, cmd))
        so_far = b""
        patience = Patience(timeout, first_line(shown), lambda: self.movement(so_far, b""))
        timed_out = False
        while True:
            try:
                out, err = client.communicate(timeout=LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired as expired:
                so_far = expired.output or b""
                if not timed_out and patience.is_over():
                    timed_out = True
                    pid, _, _ = so_far.partition(b"\n")
                    if pid.isdigit() and not self.why_dead():
                        self.signal(int(pid), "KILL")
                    client.kill()
        pid, _, out = (out or so_far).partition(b"\n")
        rc = client.returncode
        # ssh says 255 for itself, but a command may say so too: then it had told its pid.
        broken = rc == 255 and not pid
        if timed_out or broken or (check and rc != 0):
            ending = patience.why() if timed_out else f"exit status {rc}"
            reason = self.why_dead()
            raise GuestError(f"{shown}: {ending}\n--- stdout\n{text(out)}--- stderr\n{text(err)}"
                             + (f"--- machine\n{reason}" if reason else ""))
        return rc, out, err

    def movement(self, out: bytes, err: bytes) -> Movement:
        """What a command has done so far; the first line of `out` is its pid, and its session."""
        session, _, _ = out.partition(b"\n")
        work = 0.0
        if session.isdigit() and not self.why_dead():
            # Without asking for movement itself. A guest that no longer answers does not move.
            client = subprocess.Popen(self.command(WORK.format(int(session))),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL)
            patience = Patience(20, "the guest tells what a command does")
            while (told := ended(client, LOOK_SECONDS)) is None and not patience.is_over():
                pass
            if told is None:
                client.kill()
                client.wait()
            elif len(told.split()) == 2:
                work = int(told.split()[1]) / 100
        return Movement(work, (len(out), len(err)))

    def run(self, cmd: str | list, *, timeout: float = 60, check: bool = True,
            input: bytes | None = None) -> Result:
        rc, out, err = self.run_bytes(cmd, timeout, check, input)
        return Result(rc, text(out), text(err))

    def signal(self, group: int, name: str):
        """Signal a process group; one that is gone is no error."""
        self.run(f"kill -s {name} -- -{group} 2>/dev/null || :", timeout=20)

    def spawn(self, cmd: str | list) -> "Process":
        return Process(self, cmd)

    def push(self, local: Path | str, remote: str, timeout: float = 120):
        """Copy a file to the path `remote`, or a directory's contents into the directory."""
        local, target = Path(local), shlex.quote(remote)
        if not local.is_dir():
            mode = f"{local.stat().st_mode & 0o777:o}"
            self.run(f"mkdir -p $(dirname {target}) && rm -f {target} && cat >{target} && "
                     f"chmod {mode} {target}", input=local.read_bytes(), timeout=timeout)
            return
        archive = subprocess.run(["tar", "-C", local, "-c", "--owner=0", "--group=0", "."],
                                 check=True, stdout=subprocess.PIPE).stdout
        # Without the options, an archived ./lib would replace the symlink /lib.
        self.run(f"mkdir -p {target} && tar -C {target} -x --keep-directory-symlink "
                 "--no-overwrite-dir", input=archive, timeout=timeout)

    def pull(self, remote: str, local: Path | str, timeout: float = 120):
        """Copy one file of the guest to the host."""
        _, data, _ = self.run_bytes(["cat", "--", remote], timeout, True, None)
        local = Path(local)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(data)


class Process:
    """A command that runs in the guest beside others."""

    def __init__(self, shell: Shell, cmd: str | list):
        self.shell = shell
        self.cmd = cmd
        self.client = subprocess.Popen(shell.command(cmd), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.changed = threading.Condition()
        self.streams = {"out": b"", "err": b""}
        self.read = 0
        self.open = {"out", "err"}
        # The first line is the pid; reading it here means the command has started on return.
        first = self.client.stdout.readline().strip()
        self.pid = int(first) if first.isdigit() else None
        for name, pipe in (("out", self.client.stdout), ("err", self.client.stderr)):
            threading.Thread(target=self._collect, args=(name, pipe), daemon=True).start()
        if self.pid is None:
            self.client.wait()
            raise GuestError(shell.why_dead() or f"{cmd}: could not be started\n{self.err}")

    def _collect(self, name: str, pipe):
        while data := pipe.read1(65536):
            with self.changed:
                self.streams[name] += data
                self.changed.notify_all()
        pipe.close()
        with self.changed:
            self.open.discard(name)
            self.changed.notify_all()

    @property
    def out(self) -> str:
        """All standard output so far."""
        return text(self.streams["out"])

    @property
    def err(self) -> str:
        return text(self.streams["err"])

    def poll(self) -> int | None:
        return self.client.poll()

    def movement(self) -> Movement:
        """What it has done so far."""
        return self.shell.movement(f"{self.pid}\n".encode() + self.streams["out"],
                                   self.streams["err"])

    def wait(self, timeout: float = 60) -> int:
        """The exit status, 255 if a signal ended it. All output is in afterwards."""
        patience = Patience(timeout, f"the end of {self.shown}", self.movement)
        while True:
            try:
                self.client.wait(LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if patience.is_over():
                    raise GuestError(self._told(patience.why())) from None
        with self.changed:
            self.changed.wait_for(lambda: not self.open, 10)
        return self.client.returncode

    def readline(self, timeout: float = 30) -> str:
        """The next line of standard output, without its end; '' once there are no more."""
        patience = Patience(timeout, f"a line from {self.shown}", self.movement)
        while True:
            with self.changed:
                line, newline, _ = self.streams["out"][self.read:].partition(b"\n")
                if newline or "out" not in self.open:
                    self.read += len(line) + len(newline)
                    return text(line)
                if self.changed.wait(LOOK_SECONDS):
                    continue
            if patience.is_over():
                raise GuestError(self._told(patience.why()))

    @property
    def shown(self) -> str:
        return first_line(self.cmd if isinstance(self.cmd, str) else
                          shlex.join(map(str, self.cmd)))

    def terminate(self, signal: str = "TERM", timeout: float = 20) -> int:
        """End it and all it started; the exit status."""
        if self.poll() is None:
            self.shell.signal(self.pid, signal)
        return self.wait(timeout)

    def _told(self, what: str) -> str:
        reason = self.shell.why_dead()
        return (f"{self.cmd}: {what}\n--- stdout\n{self.out}--- stderr\n{self.err}"
                + (f"--- machine\n{reason}" if reason else ""))

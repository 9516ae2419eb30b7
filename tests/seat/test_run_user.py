#!/usr/bin/python3
"""scanout-run as root, with a command that goes on as another user."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import test_seatd
from runner import PROGRAMS, RunTest

UID = 4711
AS_USER = ("setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups")
# A client of the D-Bus socket that tells whether it is served.
CALL = ("busctl", "--address=unix:path={}/bus", "call", "org.freedesktop.login1",
        "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "GetSession", "s", "auto")
# In the place of a program that changes the user, for which folder it would find there.
LOOK = "#!/bin/sh\nstat -c '%u %a' $XDG_RUNTIME_DIR $(dirname $SWAYSOCK)\n"


@unittest.skipIf(os.geteuid() != 0, "only root can become another user")
class User(RunTest):
    def setUp(self):
        super().setUp()
        del self.env["XDG_RUNTIME_DIR"]
        # The user has to be able to read what it runs.
        folder = tempfile.TemporaryDirectory(prefix="programs-")
        self.addCleanup(folder.cleanup)
        self.programs = pathlib.Path(folder.name)
        self.programs.chmod(0o755)
        for name in ("programs.py", "test_seatd.py", "server.py", "../patience.py"):
            shutil.copy(pathlib.Path(PROGRAMS).parent / name, self.programs)

    def me(self, *words):
        return [sys.executable, str(self.programs / "programs.py"), *words]

    def wrapper(self, name):
        path = self.programs / name
        path.write_text(LOOK)
        path.chmod(0o755)
        return str(path)

    def test_seatd(self):
        """The command's user has the seat and its card, as the first and as the next client."""
        fake = self.fake()
        process = self.start("--seat=seatd", "--", *AS_USER, *self.me("reopen"))
        out, err = process.communicate("again\nagain\n")
        self.assertEqual((process.returncode, out), (0, "done\n"), err)
        self.assertEqual(len(fake.rest()), 4)

    def test_logind(self):
        """The D-Bus socket serves it too, and the session is its own."""
        self.fake()
        script = (f"busctl --address=$DBUS_SYSTEM_BUS_ADDRESS call org.freedesktop.login1 "
                  f"/org/freedesktop/login1/session/auto org.freedesktop.DBus.Properties Get ss "
                  f"org.freedesktop.login1.Session User; "
                  f"grep -E 'UID|USER' /run/systemd/sessions/$XDG_SESSION_ID")
        _status, out, err = self.run_it("--seat=logind", "--", *AS_USER, "bash", "-c", script)
        self.assertIn(f'v (uo) {UID} "/org/freedesktop/login1/user/_{UID}"', out, err)
        self.assertIn(f"UID={UID}\nUSER={UID}\n", out)

    def test_orphan(self):
        """What has lost its parents is still of the command."""
        self.fake()
        _status, out, err = self.run_it("--seat=seatd", "--", *AS_USER, *self.me("as_orphan"))
        self.assertEqual(out, "held\n", err)

    def test_script(self):
        """Within a script nobody sees the user coming: it has a runtime folder all the same, in
        which others cannot remove what is its own."""
        self.fake()
        script = (f"exec {' '.join(AS_USER)} sh -c 'touch $XDG_RUNTIME_DIR/x && "
                  "stat -c %a $XDG_RUNTIME_DIR && touch $(dirname $SWAYSOCK)/y && exec \"$@\"' "
                  "sway " + " ".join(self.me("seatd_with_card")))
        status, out, err = self.run_it("--seat=seatd", "--", "sh", "-c", script)
        self.assertEqual((status, out), (0, "1777\n"), err)

    def check_folder(self, uid, mode, *command):
        status, out, err = self.run_it("--seat=seatd", "--", *command)
        self.assertEqual((status, out), (0, f"{uid} {mode}\n" * 2), (command, err))
        return err

    def test_words(self):
        """How the programs name the user; sway is what they would run."""
        self.fake()
        for command in (
                "setpriv --reuid=4711 --clear-groups sway", "setpriv --clear-groups --reuid 4711 sway",
                "gosu 4711 sway", "gosu 4711:100 sway", "su-exec 4711:4711 sway",
                "s6-setuidgid 4711 sway", "s6-applyuidgid -u 4711 -g 4711 sway",
                "setuidgid 4711 sway", "chpst -u 4711:100 sway", "runuser -u 4711 -- sway",
                "runuser --user=4711 sway", "su 4711 -c sway", "su -s /bin/sh 4711 -c sway",
                "su -c sway 4711", "sudo -E -u 4711 sway", "sudo -E -u4711 sway"):
            name, *words = command.split()
            err = self.check_folder(UID, 700, self.wrapper(name), *words)
            self.assertNotIn("environment", err, command)

    def test_fresh_environment(self):
        """It is told that these take away what leads to the seat."""
        self.fake()
        for command in ("su - 4711 -c sway", "su -l 4711 -c sway", "su --login 4711 -c sway",
                        "runuser -l 4711 -c sway", "sudo -u 4711 sway"):
            name, *words = command.split()
            path = self.wrapper(name)
            err = self.check_folder(UID, 700, path, *words)
            self.assertIn(f"'{path}' clears the environment that leads to the scanout; use "
                          "'setpriv --reuid=USER --regid=GROUP --init-groups' instead", err)

    def test_named_user(self):
        """One that is known here, one that is not, and one whose name is a program's: options of
        ours go behind the program."""
        self.fake()
        self.check_folder(65534, 700, self.wrapper("gosu"), "nobody", "sway")
        self.check_folder(0, 1777, self.wrapper("gosu"), "nobody-here", "sway")
        path = pathlib.Path(self.wrapper("gosu"))
        path.write_text("#!/bin/sh\necho $*\n")
        _status, out, err = self.run_it("--size=800x600", "--", str(path), "sway", "sway", "-d",
                                       LD_PRELOAD=self.fake_lease)
        self.assertRegex(out, "^sway sway -c /.*/sway.conf -d\n$", err)

    def test_root(self):
        """root that stays root shares nothing."""
        self.fake()
        self.check_folder(0, 700, "nice", self.wrapper("sway"))
        self.check_folder(0, 700, "sh", "-c", self.wrapper("sway"))
        self.check_folder(0, 1777, "sh", "-c", f"gosu nobody sway || {self.wrapper('sway')}")

    def test_foreign_runtime_folder(self):
        """A runtime folder of root's is of no use to the user; one of its own is."""
        self.fake()
        show = "echo $XDG_RUNTIME_DIR"
        command = ("--seat=seatd", "--", *AS_USER, "sh", "-c", show)
        self.assertNotEqual(self.run_it(*command, XDG_RUNTIME_DIR=str(self.home))[1].strip(),
                            str(self.home))
        os.chown(self.home, UID, UID)
        self.assertEqual(self.run_it(*command, XDG_RUNTIME_DIR=str(self.home))[1].strip(),
                         str(self.home))

    def held(self):
        """A command of the user's that holds the card, and the folder of its sockets."""
        self.fake()
        process = self.start("--seat=seatd", "--", *AS_USER, *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True,
                                  text=True, check=True).stdout
        environment = pathlib.Path(f"/proc/{children.strip()}/environ").read_bytes().decode()
        path = next(line for line in environment.split("\0") if line.startswith("SEATD_SOCK="))
        return process, pathlib.Path(path.split("=")[1])

    def is_served(self, socket, *prefix):
        """Whether who runs behind this prefix is, by the seatd protocol."""
        script = (f"import sys; sys.path.insert(0, '{self.programs}'); import test_seatd\n"
                  "class Here:\n    def path(self, _name):\n"
                  f"        return '{socket}'\n"
                  "client = test_seatd.Client(Here()); client.send(test_seatd.PING)\n"
                  "print(client.receive())\n")
        said = subprocess.run([*prefix, sys.executable, "-c", script], capture_output=True,
                              text=True)
        return str(test_seatd.PONG) in said.stdout

    def test_strangers(self):
        """Others find the sockets, for the folder lets the command's user in, and are turned
        away: another user, the command's own from elsewhere, and root of another container."""
        process, socket = self.held()
        self.assertEqual(socket.parent.stat().st_mode & 0o777, 0o711)
        self.assertTrue(self.is_served(socket))
        for prefix in (("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"), AS_USER,
                       ("unshare", "--pid", "--fork", "--mount-proc")):
            self.assertFalse(self.is_served(socket, *prefix), prefix)
        process.terminate()
        process.wait()
        self.assertIn("of user 65534: it is not of this command", process.stderr.read())

    def test_strangers_on_the_bus(self):
        """The same on the D-Bus socket."""
        self.fake()
        process = self.start("--seat=logind", "--", *AS_USER, "sh", "-c",
                             "dirname ${DBUS_SYSTEM_BUS_ADDRESS#*=}; read x")
        folder = process.stdout.readline().strip()
        call = [word.format(folder) for word in CALL]
        self.assertEqual(subprocess.run(call, capture_output=True).returncode, 0)
        self.assertNotEqual(subprocess.run([*AS_USER, *call], capture_output=True).returncode, 0)
        process.stdin.write("\n")
        self.assertIn("Turned away process", self.finish(process)[2])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""The mini bus where there is a system bus already: that, with login1 in the place of its own.

`test_bridge.py --service ADDRESS` is a service on that bus, with names that clients call, and with
login1's too.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

from gdbus import LOGIN1, ROOT, SESSION, Gdbus, Gio, GLib, Login1Test
from server import Server

ECHO, PATH = "org.example.Echo", "/org/example/Echo"
XML = f"""<node><interface name="{ECHO}">
<method name="Echo"><arg type="s" direction="in"/><arg type="s" direction="out"/></method>
<method name="Fail"/>
<method name="Read"><arg type="h" direction="in"/><arg type="s" direction="out"/></method>
<method name="Back"><arg type="s" direction="in"/><arg type="s" direction="out"/></method>
<method name="Who"><arg type="s" direction="out"/></method>
<method name="Tell"/><method name="Lose"/><method name="Quiet"/>
<signal name="Told"><arg type="s"/></signal></interface></node>"""
FIRST_BYTE = "first"


def serve(address):
    """Answers until it is ended."""
    link = Gdbus(address).link
    loop = GLib.MainLoop()

    def handle(_link, sender, _path, _interface, method, args, call):
        if method == "Echo":
            call.return_value(GLib.Variant("(s)", args.unpack()))
        elif method == "Fail":
            call.return_dbus_error("org.example.Wrong", "in these words")
        elif method == "Read":
            fd = call.get_message().get_unix_fd_list().get(0)
            call.return_value(GLib.Variant("(s)", (os.pread(fd, 16, 0).decode(),)))
        elif method == "Back":
            def answer(link, result):
                call.return_value(link.call_finish(result))
            link.call(sender, PATH, ECHO, "Echo", args, None, 0, -1, None, answer)
        elif method == "Who":
            call.return_value(GLib.Variant("(s)", (sender,)))
        elif method == "Tell":
            for path, text in ((SESSION, "theirs"), (PATH, "told")):
                link.emit_signal(None, path, ECHO, "Told", GLib.Variant("(s)", (text,)))
            call.return_value(None)
        elif method == "Lose":
            loop.quit()  # without an answer
    node = Gio.DBusNodeInfo.new_for_xml(XML)
    for path in (PATH, ROOT):
        link.register_object(path, node.interfaces[0], handle, None, None)
    for name in (ECHO, LOGIN1):
        link.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                       GLib.Variant("(su)", (name, 0)), None, 0, -1, None)
    print("ready", flush=True)
    loop.run()


class Bridge(Login1Test):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bridge-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.home.chmod(0o755)
        self.upstream = f"unix:path={self.home}/bus"
        self.daemon = self.start_daemon()
        self.service = self.spawn([sys.executable, __file__, "--service", self.upstream])
        self.assertEqual(self.service.stdout.readline(), "ready\n")
        self.options = ("--upstream=" + self.upstream,)
        super().setUp()

    def spawn(self, command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        return process

    def start_daemon(self):
        config = self.home / "bus.conf"
        config.write_text(f"""<busconfig><type>system</type><listen>{self.upstream}</listen>
            <auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/>
            <allow own="*"/><allow receive_sender="*"/><allow user="*"/></policy></busconfig>""")
        daemon = self.spawn(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile",
                             "--print-address"])
        self.assertTrue(daemon.stdout.readline())
        return daemon

    def echo(self, client, method, args=None):
        return client.call(ECHO, PATH, ECHO, method, args)[0]

    def until(self, condition):
        while not condition():
            GLib.MainContext.default().iteration(True)

    def test_login1_is_the_seats(self):
        """Though there is another on the bus."""
        client = self.client()
        self.assertEqual(client.driver("GetNameOwner", "(s)", LOGIN1), (":0.0",))
        self.assertEqual(client.manager("GetSession", "(s)", "auto"), (SESSION,))
        self.assertEqual(client.driver("NameHasOwner", "(s)", LOGIN1), (True,))
        self.assertEqual(client.driver("StartServiceByName", "(su)", LOGIN1, 0), (2,))
        client.session("TakeControl", "(b)", False)
        fd, _paused = client.take()
        self.server.wait("take 1")
        self.assertEqual(self.read(fd), "take 1")

    def test_names(self):
        """The client is itself on the bus, and may have names there."""
        client, other = self.client(), Gdbus(self.upstream)
        own = client.link.get_unique_name()
        self.assertEqual(self.echo(client, "Who"), (own,))
        self.assertEqual(client.driver("RequestName", "(su)", "org.example.Mine", 0), (1,))
        self.assertEqual(other.driver("GetNameOwner", "(s)", "org.example.Mine"), (own,))
        self.assertIn(ECHO, client.driver("ListNames")[0])
        self.assertEqual(client.driver("GetConnectionUnixUser", "(s)", own), (os.geteuid(),))
        client.close()
        names = other.driver("ListNames")[0]
        while own in names:
            names = other.driver("ListNames")[0]

    def test_calls(self):
        """Values, errors with their words, descriptors; what nobody has is refused by the bus."""
        client = self.client()
        self.assertEqual(self.echo(client, "Echo", GLib.Variant("(s)", ("hello",))), ("hello",))
        self.assert_error("org.example.Wrong", self.echo, client, "Fail")
        with self.assertRaises(GLib.Error) as raised:
            self.echo(client, "Fail")
        self.assertIn("in these words", raised.exception.message)
        with tempfile.TemporaryFile() as file:
            file.write(FIRST_BYTE.encode())
            file.flush()
            fds = Gio.UnixFDList.new_from_array([os.dup(file.fileno())])
            reply, _fds = client.link.call_with_unix_fd_list_sync(
                ECHO, PATH, ECHO, "Read", GLib.Variant("(h)", (0,)), None, 0, -1, fds, None)
        self.assertEqual(reply.unpack(), (FIRST_BYTE,))
        self.assert_error("org.freedesktop.DBus.Error.NameHasNoOwner", client.call,
                          "org.example.Nobody", "/", "org.freedesktop.DBus.Peer", "Ping")

    def test_calls_to_the_client(self):
        """Others call the client, and have its answer."""
        client, answers = self.client(), []
        node = Gio.DBusNodeInfo.new_for_xml(XML)
        client.link.register_object(
            PATH, node.interfaces[0], lambda *args: args[6].return_value(
                GLib.Variant("(s)", (args[5].unpack()[0] + " back",))), None, None)
        client.link.call(ECHO, PATH, ECHO, "Back", GLib.Variant("(s)", ("there and",)), None, 0,
                         -1, None, lambda link, result: answers.append(
                             link.call_finish(result).unpack()))
        self.until(lambda: answers)
        self.assertEqual(answers, [("there and back",)])

    def test_signals(self):
        """Both ways, with their senders; but for what comes from the other login1."""
        client, other, heard = self.client(), Gdbus(self.upstream), []
        for link, sender in ((client.link, None), (other.link, client.link.get_unique_name())):
            link.signal_subscribe(sender, ECHO, "Told", None, None, Gio.DBusSignalFlags.NONE,
                                  lambda *args: heard.append((args[0], args[1], args[5].unpack())))
        client.link.signal_subscribe(
            None, "org.freedesktop.DBus", "NameOwnerChanged", None, LOGIN1,
            Gio.DBusSignalFlags.NONE, lambda *args: heard.append("another login1"))
        client.driver("GetId")
        other.driver("GetId")
        self.echo(client, "Tell")
        self.until(lambda: heard)
        owner = other.driver("GetNameOwner", "(s)", ECHO)[0]
        self.assertEqual(heard, [(client.link, owner, ("told",))])
        del heard[:]
        other.driver("RequestName", "(su)", LOGIN1, 0)
        self.service.kill()
        client.link.emit_signal(None, PATH, ECHO, "Told", GLib.Variant("(s)", ("mine",)))
        self.until(lambda: any(h[0] == other.link for h in heard))
        self.assertEqual([h[2] for h in heard if h[0] == other.link], [("mine",)])
        client.driver("GetId")
        self.assertNotIn("another login1", heard)

    def test_no_answer(self):
        """A service that dies with a call leaves an error; a client that goes leaves nothing."""
        gone = self.client()
        gone.link.call(ECHO, PATH, ECHO, "Quiet", None, None, 0, -1, None, None)
        gone.driver("GetId")
        gone.close()
        client = self.client()
        self.assert_error("org.freedesktop.DBus.Error.NoReply", self.echo, client, "Lose")

    def test_bus_ends(self):
        """The bus goes: so do its clients, as they are used to."""
        client, closed = self.client(), []
        client.link.set_exit_on_close(False)
        client.link.connect("closed", lambda *_args: closed.append(True))
        self.daemon.kill()
        self.until(lambda: closed)
        self.daemon.wait()
        # Nobody listens any more: what is left is the seat's own.
        self.assertEqual(self.client().link.get_unique_name(), ":1.2")

    def test_bus_that_lets_nobody_in(self):
        """Then the seat's bus is all there is."""
        with socket.socket(socket.AF_UNIX) as listener:
            self.daemon.kill()
            self.daemon.wait()
            (self.home / "bus").unlink(missing_ok=True)
            listener.bind(str(self.home / "bus"))
            listener.listen()
            client = subprocess.Popen(
                ["busctl", "--address=" + self.server.address, "get-property", LOGIN1, SESSION,
                 LOGIN1 + ".Session", "Id"], stdout=subprocess.PIPE, text=True)
            listener.accept()[0].close()
            self.assertEqual(client.communicate()[0], 's "scanout3"\n')

    @unittest.skipIf(os.geteuid() != 0, "only root can serve another user")
    def test_unknown_user(self):
        """dbus-daemon refuses who is not in its user database: the seat's bus is left."""
        os.chmod(self.server.folder, 0o755)
        said = subprocess.run(
            ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "busctl",
             "--address=" + self.server.address, "list", "--no-legend"],
            capture_output=True, text=True)
        self.assertEqual([line.split()[0] for line in said.stdout.splitlines()],
                         [":0.0", ":1.1", "org.freedesktop.DBus", LOGIN1], said.stderr)

    @unittest.skipIf(os.geteuid() != 0, "only root can serve another user")
    def test_user(self):
        """Who is served is on the bus as itself, whoever serves it."""
        groups = os.getgroups()
        os.setgroups([4711])
        server = Server(*self.options)
        os.setgroups(groups)
        self.addCleanup(server.stop)
        os.chmod(server.folder, 0o755)
        said = subprocess.run(
            ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "busctl",
             "--address=" + server.address, "call", "org.freedesktop.DBus",
             "/org/freedesktop/DBus",
             "org.freedesktop.DBus", "RequestName", "su", "org.example.User", "0"],
            capture_output=True, text=True)
        self.assertEqual(said.stdout, "u 1\n", said.stderr)
        script = ("import sys; sys.path.insert(0, sys.argv[1])\nfrom gdbus import Gdbus\n"
                  "import os\nlink = Gdbus(sys.argv[2])\nos.write(1, "
                  "link.link.get_unique_name().encode())\nsys.stdin.read()\n")
        with subprocess.Popen(
                [sys.executable, "-c", f"import os; os.setgroups([]); os.setgid(65534)\n"
                 f"{script.replace('link = ', 'os.setuid(65534); link = ')}",
                 str(pathlib.Path(__file__).parent), server.address],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            name = os.read(process.stdout.fileno(), 64).decode()
            found = Gdbus(self.upstream).driver("GetConnectionCredentials", "(s)", name)[0]
            process.stdin.close()
        self.assertEqual((found["UnixUserID"], set(found["UnixGroupIDs"])), (65534, {65534}))
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        self.assertIn("Uid:\t0\t0\t0\t0\n", status)
        self.assertIn("Gid:\t0\t0\t0\t0\n", status)
        self.assertRegex(status, "Groups:\t4711 ?\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--service"]:
        serve(sys.argv[2])
    else:
        unittest.main()

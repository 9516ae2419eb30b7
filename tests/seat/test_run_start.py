#!/usr/bin/python3
"""scanout-run: its command line, how it finds scanoutd, and how its command starts and ends."""
import signal
import socket
import threading
import unittest

from runner import RunTest


class Start(RunTest):
    def test_status(self):
        """The command's exit status is ours; a signal's is 128 more."""
        self.fake()
        for script, status in (("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137),
                               ("kill -SEGV $$", 139)):
            self.assertEqual(self.run_it("--", "sh", "-c", script)[0], status, script)

    def test_not_found(self):
        self.fake()
        status, _out, err = self.run_it("--", "/nowhere/mutter")
        self.assertEqual(status, 127)
        self.assertEqual(err.splitlines()[-1],
                         "scanout-run: Command '/nowhere/mutter' is not in this image: "
                         "install it, or correct its name")

    def test_not_executable(self):
        self.fake()
        self.assertEqual(self.run_it("--seat=fd", "--", "/etc/passwd")[0], 126)
        self.assertEqual(self.run_it("--seat=fd", "--", "/etc")[0], 126)

    def test_wishes_are_passed_on(self):
        fake = self.fake()
        self.run_it("--label", "desk", "--scanout=card0-Virtual-4", "--size", "800x600",
                    "--linger=1min", "--seat=fd", "--", "true")
        fake.expect("request scanout=card0-Virtual-4 label=desk width=800 height=600 timeout "
                    "linger")
        fake.expect("release card0-Virtual-4#1")

    def test_daemon_that_cannot_size(self):
        """width refused: asked again without; the program is told by its configuration."""
        fake = self.fake("no-size")
        self.assertEqual(self.run_it("--size=800x600", "--seat=fd", "--", "true")[0], 0)
        fake.expect("request width=800 height=600 timeout")
        fake.expect("request timeout")

    def test_bad_usage(self):
        for args in ((), ("--size=800", "true"), ("--size=0x5", "true"), ("--seat=x", "true"),
                     ("--restart=always", "true"), ("--timeout=soon", "true"),
                     ("--timeout=nan", "true"), ("--linger=long", "true"), ("--timeout=2d", "true"),
                     ("--input=/dev/dri/card0", "true"), ("--libseat=1", "true"),
                     ("--bogus", "true"), ("--size=800x600x", "true")):
            status, out, err = self.run_it(*args)
            self.assertEqual((status, out), (125, ""), args)
            self.assertEqual(len(err.splitlines()), 1, err)

    def test_help_and_version(self):
        self.assertIn("--label", self.run_it("--help")[1])
        self.assertIn("scanout-run ", self.run_it("--version")[1])

    def test_no_free_scanout(self):
        self.fake("busy")
        status, _out, err = self.run_it("--", "true")
        self.assertEqual(status, 125)
        self.assertEqual(err, "scanout-run: No scanout: All 16 scanouts are taken. Wait.\n")

    def test_daemon_down(self):
        """Nobody there: it waits, says so once, and gives up in time."""
        status, _out, err = self.run_it("--timeout=700ms", "--", "true")
        self.assertEqual(status, 125)
        lines = err.splitlines()
        self.assertEqual(len(lines), 2, err)
        self.assertIn("Waiting for scanoutd", lines[0])
        self.assertIn("Found no scanoutd", lines[1])

    def test_hung_up_on(self):
        """Who is turned away is not told to start what runs."""
        for read_first in (False, True):
            address = f"{self.home}/{read_first}"
            with socket.create_server(address, family=socket.AF_UNIX) as server:
                def turn_away():
                    client, _ = server.accept()
                    if read_first:
                        client.recv(1)
                    client.close()
                door = threading.Thread(target=turn_away)
                door.start()
                status, _out, err = self.run_it("-t", "0", "--", "true",
                                                SCANOUT_ADDRESS="unix:path=" + address)
                door.join()
            self.assertEqual(status, 125)
            self.assertIn("; scanoutd has hung up: 'journalctl -u scanoutd -u scanout-front' in "
                          "the VM says why", err)

    def test_daemon_comes_up(self):
        process = self.start("--timeout=1h", "--seat=fd", "--", "true")
        self.assertIn("Waiting for scanoutd", process.stderr.readline())
        self.fake()
        self.assertEqual(process.wait(), 0)

    def test_told_to_end_while_waiting(self):
        process = self.start("--timeout=1h", "--", "true")
        self.assertIn("Waiting for scanoutd", process.stderr.readline())
        process.terminate()
        self.assertEqual(process.wait(), 143)

    def test_signals_are_passed_on(self):
        self.fake()
        process = self.start("--seat=fd", *self.me("signals"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        for name in ("SIGUSR1", "SIGHUP", "SIGTERM"):
            process.send_signal(getattr(signal, name))
            self.assertEqual(process.stdout.readline(), name + "\n")
        self.assertEqual(process.wait(), 42)

    def test_restart(self):
        """on-failure: started again on the same scanout, but not after success."""
        fake = self.fake()
        flag = self.home / "flag"
        status, _out, err = self.run_it(
            "--restart=on-failure", "--seat=fd", "--", "sh", "-c",
            f"test -e {flag} && exit 0; touch {flag}; exit 7")
        self.assertEqual(status, 0)
        self.assertIn("exited with status 7", err)
        self.assertIn("Starting it again in 1 s", err)
        self.assertEqual(fake.rest(), ["request timeout", "release card0-Virtual-4#1",
                                       "request scanout=card0-Virtual-4 timeout",
                                       "release card0-Virtual-4#2"])

    def test_told_to_end_between_restarts(self):
        self.fake()
        process = self.start("--restart=on-failure", "--seat=fd", "--", "false")
        self.assertIn("exited with status 1", process.stderr.readline())
        process.terminate()
        self.assertEqual(process.wait(), 143)

    def test_killed_command_is_not_restarted_after_term(self):
        self.fake()
        process = self.start("--restart=on-failure", "--seat=fd", *self.me("signals"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertEqual(process.wait(), 42)

    def test_orphans_are_collected(self):
        """As the first process of a container it collects what others leave behind."""
        self.fake()
        status, out, _err = self.run_it("--seat=fd", *self.me("leave_orphan"))
        self.assertEqual((status, out), (0, "collected\n"))


class PeerStart(Start):
    """The same over a guest socket, without a bus."""

    peer = True


if __name__ == "__main__":
    unittest.main()

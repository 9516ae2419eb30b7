#!/usr/bin/python3
"""All commands of scanoutctl: their usage, and what may be wrong with bus and daemon."""
import json
import os
import subprocess
import unittest

from rig import DENY, SCANOUTCTL, Bus, Case


class Commands(Case):
    mode = "normal"

    def test_usage_errors(self):
        for args in ((), ("frob",), ("list", "x"), ("list", "--frob"), ("list", "-x"),
                     ("status",), ("status", "a", "b"), ("release",), ("resource",), ("request",),
                     ("request", "--"), ("request", "--timeout", "soon", "--", "true"),
                     ("request", "--timeout", "-1", "--", "true"), ("request", "--timeout"),
                     ("request", "--size", "1x", "--", "true"), ("--address",),
                     ("request", "--size", "99999x1", "--", "true"), ("monitor", "x"),
                     ("request", "--timeout", "9999999999999h", "true"), ("doctor", "x"),
                     ("cdi", "x"), ("cdi", "--output"), ("cdi", "--output", ""),
                     ("cdi", "--seats", "relative")):
            result = self.ctl(*args)
            self.check(result, 2)
            self.assertRegex(result.stderr, r"^scanoutctl: .*\.\n(Usage|Type): ")
            result = self.ctl("--json", *args)
            self.check(result, 2)
            self.assertEqual(json.loads(result.stderr)["error"], "Usage")

    def test_help_and_version(self):
        for args in (("--help",), ("-h",), ("list", "--help"), ("request", "-h"), ("--version",)):
            result = self.ctl(*args)
            self.check(result, 0)
            self.assertRegex(result.stdout, "^(Usage: )?scanoutctl ")

    def test_output_that_cannot_be_written(self):
        for args in (("list",), ("list", "--json"), ("--help",), ("monitor",)):
            with open("/dev/full", "w") as full:
                result = subprocess.run([SCANOUTCTL, *args], env=self.bus.env, text=True,
                                        stdout=full, stderr=subprocess.PIPE)
            self.assertEqual(result.returncode, 1, args)
            self.assertIn("OutputFailed", result.stderr)


class Unhappy(Case):
    def test_no_bus(self):
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
        for args in (("list",), ("status", "x"), ("release", "x"), ("resource", "x"),
                     ("request", "true"), ("monitor",)):
            result = subprocess.run([SCANOUTCTL, *args], env=env, capture_output=True, text=True)
            self.check(result, 3, "BusUnreachable")
        result = subprocess.run([SCANOUTCTL, "doctor"], env=env, capture_output=True, text=True)
        self.check(result, 1)
        self.assertRegex(result.stdout, r"(?m)^FAIL  bus ")
        result = subprocess.run([SCANOUTCTL, "--address", "junk", "list"], capture_output=True,
                                text=True)
        self.check(result, 3, "BusUnreachable")

    def elsewhere(self, place, *args, code=3):
        """What is said where /run is made like this."""
        script = f"mount -t tmpfs tmpfs /run; {place}; exec \"$@\""
        env = {name: value for name, value in os.environ.items() if name != "DBUS_SYSTEM_BUS_ADDRESS"}
        result = subprocess.run(["unshare", "--mount", "sh", "-ec", script, "sh", SCANOUTCTL, *args],
                                capture_output=True, text=True, env=env)
        self.check(result, code)
        return result.stderr + result.stdout

    @unittest.skipIf(os.geteuid() != 0, "only root can have another /run")
    def test_no_bus_here(self):
        """In a container the system bus is not to be started: what leads to scanoutd is named."""
        socket = "--address=unix:path=/run/scanoutd/guest/bus"
        mounted = "mkdir -p /run/scanoutd/guest; touch /run/scanoutd/guest/bus"
        mount = "--mount type=bind,src=/run/scanoutd/guest,dst=/run/scanoutd/guest,ro"
        bare = "scanoutctl: BusUnreachable: The system bus cannot be reached (No such file or directory). "
        self.assertEqual(self.elsewhere("true", "list"),
                         f"{bare}In a container, start that with {mount} and add {socket}\n")
        self.assertEqual(self.elsewhere(mounted, "list"), f"{bare}In a container, add {socket}\n")
        # A whole distribution with systemd in it, and a VM.
        systemd = "mkdir -p /run/systemd/system"
        self.assertEqual(
            self.elsewhere(f"{mounted}; {systemd}; echo podman > /run/systemd/container", "list"),
            f"{bare}In a container, add {socket}\n")
        self.assertEqual(self.elsewhere(f"{mounted}; {systemd}", "list"),
                         f"{bare}Type: systemctl start dbus\n")

    @unittest.skipIf(os.geteuid() != 0, "only root can have another /run")
    def test_another_bus_here(self):
        """The same where a container has a system bus of its own."""
        with Bus(None) as bus:
            for place, advice in (("mkdir -p /run/scanoutd/guest; touch /run/scanoutd/guest/bus",
                                   "In a container, add --address"),
                                  ("mkdir -p /run/systemd/system",
                                   "scanoutd does not run and D-Bus does not know how to start it. ")):
                place = f"{place}; export DBUS_SYSTEM_BUS_ADDRESS={bus.address}"
                said = self.elsewhere(place, "list")
                self.assertTrue(said.startswith(f"scanoutctl: ServiceUnknown: {advice}"), said)
                said = self.elsewhere(place, "doctor", code=1)
                self.assertEqual("In a container" in advice, "In a container, add" in said, said)

    def test_no_daemon(self):
        with Bus(None) as bus:
            self.check(bus.ctl("list"), 3, "ServiceUnknown")
            self.check(bus.ctl("request", "--", "true"), 3, "ServiceUnknown")
            result = bus.ctl("doctor")
            self.check(result, 1)
            self.assertRegex(result.stdout, r"(?m)^FAIL  name +Nobody owns")
            with bus.monitor() as monitor:
                self.assertIn("not running yet", monitor.stdout.readline())
                monitor.terminate()
            self.assertEqual(monitor.returncode, 0)

    def test_denied(self):
        with Bus("normal", DENY) as bus:
            result = bus.ctl("list")
            self.check(result, 1, "AccessDenied")
            self.assertIn("usermod -aG scanout", result.stderr)
            result = bus.ctl("doctor")
            self.check(result, 1)
            self.assertRegex(result.stdout, r"(?m)^FAIL  daemon +AccessDenied: .*usermod")

    def test_daemon_dies_in_the_call(self):
        with Bus("silent-death") as bus:
            self.check(bus.ctl("list"), 3, "NoReply")

    def test_other_version(self):
        with Bus("version") as bus:
            self.check(bus.ctl("list"), 1, "UnknownMethod")

    def test_empty(self):
        with Bus("empty") as bus:
            self.check(bus.ctl("cdi", "--output", "-"), 1, "NoSuchScanout")
            result = bus.ctl("list")
            self.check(result, 0)
            self.assertIn("scanoutctl doctor", result.stderr)
            self.assertEqual(json.loads(bus.ctl("list", "-j").stdout), {"scanouts": [], "paused": False})

    def test_garbage(self):
        with Bus("garbage") as bus:
            result = bus.ctl("list", "--json")
            self.check(result, 0)
            rows = json.loads(result.stdout)["scanouts"]
            for row in rows:
                self.assertIsInstance(row["id"], str)
                self.assertIsInstance(row["index"], int)
                self.assertIsInstance(row["state"], str)
                self.assertIsNone(row["holder"])
            self.assertEqual(rows[2]["since"], 2**64 - 1)
            self.assertEqual(rows[2]["deep"], {"1": [[3]]})
            self.assertEqual((rows[2]["low"], rows[2]["num"], rows[2]["yes"]), (-5, 1.5, True))
            result = bus.ctl("list")
            self.check(result, 0)
            self.assertNotIn("\033", result.stdout)
            self.assertEqual(len(result.stdout.splitlines()), 4)
            self.check(bus.ctl("status", "card9-é"), 0)
            self.check(bus.ctl("cdi", "--output", "-"), 1, "NoSuchScanout")
            self.check(bus.ctl("request", "--", "true"), 3, "BadReply")
            self.check(bus.ctl("doctor"), 1)


if __name__ == "__main__":
    unittest.main()

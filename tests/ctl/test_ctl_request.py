#!/usr/bin/python3
"""scanoutctl request and release: a lease begins and ends."""
import json
import re
import subprocess
import unittest

from rig import SCANOUTCTL, Case


class Request(Case):
    mode = "normal"

    def request(self, *args, command=("env",), **kwargs):
        return self.ctl("request", *args, "--", *command, **kwargs)

    def test_request_hands_over_the_lease_and_nothing_else(self):
        show = "env | grep -E '^SCANOUT_(ID|INDEX|DEVICE|LEASE_FD|SPARE_FD)=' | sort; ls /proc/$$/fd; readlink /proc/$$/fd/$SCANOUT_LEASE_FD"
        result = self.request(command=("sh", "-c", show),
                              env={**self.bus.env, "SCANOUT_SPARE_FD": "9"})
        self.check(result, 0)
        self.assertEqual(result.stdout.split(), [
            "SCANOUT_DEVICE=/dev/dri/card0", "SCANOUT_ID=card0-Virtual-1", "SCANOUT_INDEX=0",
            "SCANOUT_LEASE_FD=" + re.search(r"LEASE_FD=(\d+)", result.stdout)[1],
            "0", "1", "2", re.search(r"LEASE_FD=(\d+)", result.stdout)[1], "/dev/null"])

    def test_request_spare(self):
        result = self.request("--spare", command=("sh", "-c", "ls /proc/$$/fd; "
                              "test $SCANOUT_SPARE_FD -ne $SCANOUT_LEASE_FD && echo two"))
        self.check(result, 0)
        self.assertEqual(len(result.stdout.split()), 6)
        self.assertEqual(result.stdout.split()[-1], "two")

    def test_request_without_standard_files(self):
        script = f"exec {SCANOUTCTL} request -- sh -c 'test $SCANOUT_LEASE_FD -gt 2' <&- >&- 2>&-"
        result = subprocess.run(["sh", "-c", script], env=self.bus.env)
        self.assertEqual(result.returncode, 0)

    def test_request_passes_options_and_status(self):
        with self.bus.monitor("--json") as monitor:
            self.assertEqual(json.loads(monitor.stdout.readline())["event"], "watching")
            result = self.request("--label", "a", "--scanout", "b", "--timeout", "500ms", "--size",
                                  "800x600@59.94", "--takeover", "--linger", "1min",
                                  command=("sh", "-c", "exit 7"))
            event = json.loads(monitor.stdout.readline())
            self.request("--timeout", "infinity", command=("true",))
            endless = json.loads(monitor.stdout.readline())
            monitor.terminate()
        self.check(result, 7)
        wanted = {"label": "a", "scanout": "b", "timeout": 500000, "width": 800, "height": 600,
                  "refresh": 59940, "takeover": True, "linger": 60 * 10**6}
        self.assertEqual({k[7:]: v for k, v in event["info"].items() if k.startswith("option-")},
                         wanted)
        self.assertEqual((event["event"], event["id"]), ("leased", "card0-Virtual-1"))
        self.assertEqual(endless["info"]["option-timeout"], 86400 * 10**6)

    def test_request_refused_missing_or_not_executable(self):
        self.check(self.request("--label", "full"), 1, "NoFreeScanout")
        self.check(self.request(command=("/no/such",)), 127, "CommandNotFound")
        self.check(self.request(command=("/etc/passwd",)), 126, "NotExecutable")


class Release(Case):
    mode = "normal"

    def test_release_names_the_generation(self):
        result = self.ctl("release", "desk", "--json")
        self.check(result, 0)
        self.assertEqual(json.loads(result.stdout), {"released": "card0-Virtual-2"})
        result = self.ctl("--json", "release", "card0-Virtual-2#3")
        self.check(result, 1)
        error = json.loads(result.stderr)
        self.assertEqual(error, {"error": "ScanoutBusy",
                                 "message": "'card0-Virtual-2#3' is not that lease."})
        self.check(self.ctl("release", "card0-Virtual-1"), 1, "NoSuchScanout")


if __name__ == "__main__":
    unittest.main()

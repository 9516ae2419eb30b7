#!/usr/bin/python3
"""scanoutctl seccomp: the profile refuses two ioctls, and nothing else than before."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from rig import SCANOUTCTL

GETFB, GETFB2 = 0x64AD, 0x64CE
# In the form of containers-common's, which has what is of no interest here, too.
PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
        {"names": ["read", "ioctl", "write"], "action": "SCMP_ACT_ALLOW", "args": []},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
        {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}


class Seccomp(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def ctl(self, *args):
        return subprocess.run([SCANOUTCTL, *map(str, args)], capture_output=True, text=True,
                              env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/none"})

    def close(self, profile, *args):
        path = self.folder / "from.json"
        path.write_text(profile if isinstance(profile, str) else json.dumps(profile))
        return self.ctl("seccomp", "--from", path, *args)

    def test_closed(self):
        """Of all types and numbers of an ioctl exactly the two fit no rule, whatever the upper
        half of the request is; all else of the profile is as it was. No scanoutd is needed."""
        result = self.close(PROFILE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        closed = json.loads(result.stdout)
        ours = [rule for rule in closed["syscalls"] if rule["names"] == ["ioctl"]]
        filters = []
        for rule in ours:
            self.assertEqual(rule["action"], "SCMP_ACT_ALLOW")
            (arg,) = rule["args"]
            self.assertEqual((arg["index"], arg["op"]), (1, "SCMP_CMP_MASKED_EQ"))
            filters.append((arg["value"], arg["valueTwo"]))
        for upper in 0, 0xC01C0000, 0xDEADBEEF0000:
            refused = [lower for lower in range(1 << 16) if not any(
                (upper | lower) & mask == value for mask, value in filters)]
            self.assertEqual(refused, [GETFB, GETFB2], hex(upper))
        left = [rule for rule in closed["syscalls"] if rule not in ours]
        self.assertEqual(left[0]["names"], ["read", "write"])
        self.assertEqual(left[1:], PROFILE["syscalls"][1:])
        self.assertEqual({**closed, "syscalls": 0}, {**PROFILE, "syscalls": 0})

    def test_file(self):
        path = self.folder / "deep" / "closed.json"
        result = self.close(PROFILE, "--output", path)
        self.assertEqual(result.returncode, 0)
        self.assertIn(f"podman run --security-opt seccomp={path}", result.stdout)
        self.assertEqual(path.stat().st_mode & 0o777, 0o644)
        self.assertIn("SCMP_CMP_MASKED_EQ", path.read_text())
        result = self.close(PROFILE, "--output", path, "--json")
        self.assertEqual(json.loads(result.stdout), {"written": str(path)})
        again = self.ctl("seccomp", "--from", path)
        self.assertEqual(again.returncode, 1)
        self.assertIn("BadProfile: ", again.stderr)
        self.assertIn("closed already", again.stderr)

    def test_refused(self):
        """Whatever is no profile, or would leave everything else open."""
        for profile in ("", "x", "[]", "{}", "null", "[" * 5000,
                        {**PROFILE, "defaultAction": "SCMP_ACT_ALLOW"},
                        {**PROFILE, "syscalls": {}}, {**PROFILE, "syscalls": []},
                        {**PROFILE, "syscalls": [7, {"names": 7}, {"names": [7]}]},
                        {"syscalls": PROFILE["syscalls"]}):
            result = self.close(profile)
            self.assertEqual((result.returncode, result.stdout), (1, ""), profile)
            self.assertRegex(result.stderr, r"^scanoutctl: BadProfile: .*\.\n$")
        for path, said in (("/nonexistent", "No such file or directory"), (self.folder, "")):
            result = self.ctl("seccomp", "--from", path)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"BadProfile: '{path}' cannot be read: {said}", result.stderr)
        for args in (("x",), ("--frob",), ("--from",)):
            self.assertEqual(self.ctl("seccomp", *args).returncode, 2)
        result = self.close(PROFILE, "--output", "/dev/null/x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("OutputFailed: ", result.stderr)


if __name__ == "__main__":
    unittest.main()

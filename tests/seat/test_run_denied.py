#!/usr/bin/python3
"""scanout-run where the guest socket is there and it may not connect: each reason has its advice."""
import os
import pathlib
import shutil
import socket
import tempfile
import unittest

from runner import BUILD, SCANOUT_RUN, RunTest

FAKE_SECURITY = os.environ.get("FAKE_SECURITY", str(BUILD / "san" / "fake_security.so"))
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Denied(RunTest):
    peer = True

    def setUp(self):
        super().setUp()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address)
        self.listener.listen()
        self.addCleanup(self.listener.close)

    def told(self, **env):
        return self.run_it("--timeout=0", "--", "true", **env)[2]

    def by_module(self, label):
        os.chmod(self.address, 0o666)
        return self.told(LD_PRELOAD=FAKE_SECURITY, FAKE_LABEL=label)

    def test_selinux(self):
        """A mode that lets all in is not blamed."""
        self.assertIn("Permission denied; SELinux forbids it to this container: start it with "
                      "--security-opt label=disable",
                      self.by_module("system_u:system_r:container_t:s0:c1,c2"))

    def test_apparmor(self):
        self.assertIn("AppArmor forbids it to this container: start it with "
                      "--security-opt apparmor=unconfined",
                      self.by_module("docker-default (enforce)"))

    def test_another_module(self):
        self.assertIn("its mode is not what forbids it: look for a security module's refusal with "
                      "'journalctl -k' in the VM", self.by_module("unconfined"))

    @unittest.skipIf(os.geteuid() != 0, "only root can become another user")
    def test_modes(self):
        """The socket's mode, and that of a folder on the way."""
        folder = tempfile.TemporaryDirectory(prefix="program-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        program = shutil.copy(SCANOUT_RUN, pathlib.Path(folder.name) / "scanout-run")
        self.env["SCANOUT_ADDRESS"] = "unix:path=" + self.address

        # A copy that this user may execute; what comes behind its command is not looked at.
        def as_nobody():
            process = self.start("--version", prefix=(
                *NOBODY, str(program), "--timeout=0", "--", "true"))
            return process.communicate()[1]
        self.assertIn("allow this user to enter the folders that lead to it", as_nobody())
        os.chmod(self.home, 0o711)
        os.chmod(self.address, 0o600)
        self.assertIn("allow this user to use it: SocketMode= of scanoutd.socket in the VM",
                      as_nobody())


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""An installation with folders of its own: what is found by its path is found there.

FAKE_SCANOUTD names what it is tried against.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from runner import FAKE_SCANOUTD, ROOT, Fake

PREFIX = "/opt/scanout"
LIBDIR = PREFIX + "/lib64/desk"


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.home = pathlib.Path(cls.folder.name)
        cls.tree = cls.home / "tree"
        # Not the flags of the make that runs the tests.
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        done = subprocess.run(
            ["make", "-s", "-j2", "install", f"DESTDIR={cls.tree}", f"PREFIX={PREFIX}",
             f"LIBDIR={LIBDIR}", f"B={cls.home}/build"], cwd=ROOT, env=env,
            capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.bin = cls.tree / PREFIX[1:] / "bin"
        cls.preload = cls.tree / LIBDIR[1:] / "libscanout-preload.so"

    def run_it(self, *args):
        address = str(self.home / "guest")
        fake = Fake("peer", address)
        self.addCleanup(lambda: self.assertEqual(fake.stop(), 0))
        return subprocess.run([self.bin / "scanout-run", *args], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(self.home),
                                   "SCANOUT_ADDRESS": f"unix:path={address}"})

    def test_header(self):
        """A program elsewhere finds the names of the contract below $(INCLUDEDIR)."""
        include = self.tree / PREFIX[1:] / "include"
        source = "#include <scanout/dbus_names.h>\nname=SCANOUT_BUS_NAME;error=SCANOUT_ERROR_BUSY\n"
        done = subprocess.run(["gcc", "-E", "-P", f"-I{include}", "-"], input=source,
                              capture_output=True, text=True, check=True)
        joined = done.stdout.replace('" "', "")
        self.assertEqual(joined.strip(), 'name="org.scanoutd.Scanout1";'
                         'error="org.scanoutd.Scanout1.Error.ScanoutBusy"')

    def test_preload(self):
        """The library comes from $(LIBDIR), wherever the tree stands; one beside scanout-run is
        taken first. Without any, the message names both folders."""
        command = ("--seat=preload", "--", "sh", "-c", "echo $LD_PRELOAD")
        said = self.run_it(*command)
        self.assertEqual((said.stdout, said.returncode), (f"{self.preload}\n", 0), said.stderr)
        beside = self.bin / self.preload.name
        beside.write_bytes(self.preload.read_bytes())
        said = self.run_it(*command)
        self.assertEqual(said.stdout, f"{beside}\n", said.stderr)
        beside.unlink()
        away = self.preload.rename(self.home / "away")
        said = self.run_it(*command)
        away.rename(self.preload)
        self.assertEqual(said.returncode, 125)
        self.assertEqual(said.stderr, f"scanout-run: libscanout-preload.so is neither in "
                         f"'{self.bin}' nor in '{self.preload.parent}'; put it there or name it "
                         "in $SCANOUT_PRELOAD\n")

    def test_old_images(self):
        """What runs in containers needs no newer glibc than 2.34, whatever it is built on, and no
        libsystemd above 248. What newer headers turn into other functions is not in it at all, so
        that an older machine notices too."""
        newest = {"GLIBC": (2, 34), "LIBSYSTEMD": (248,)}
        for program in (self.bin / "scanout-run", self.preload):
            symbols = subprocess.run(["objdump", "-T", program], capture_output=True, text=True,
                                     check=True).stdout
            needed = re.findall(r"\((GLIBC|LIBSYSTEMD)_([0-9.]+)\) +(\w+)", symbols)
            self.assertIn("getenv", {name for _library, _version, name in needed})
            for library, version, name in needed:
                parts = tuple(map(int, version.split(".")))
                self.assertLessEqual(parts, newest[library], name)
                self.assertIsNone(re.search("strto(u?l|[iu]max)|scanf", name), name)

    def test_units(self):
        """The units start what was installed, and nothing else."""
        units = list((self.tree / LIBDIR[1:] / "systemd/system").glob("*.service"))
        self.assertGreater(len(units), 2)
        for unit in units:
            for line in unit.read_text().splitlines():
                if line.startswith("ExecStart="):
                    program = line.removeprefix("ExecStart=").split()[0]
                    self.assertTrue((self.tree / program[1:]).is_file(), line)

    def test_order(self):
        """The seats are there before an engine that starts its containers at boot: the engines of
        one unit are named, those with a unit for each container have a drop-in."""
        units = self.tree / LIBDIR[1:] / "systemd/system"
        lines = (units / "scanout-cdi.service").read_text().splitlines()
        before = {word for line in lines if line.startswith("Before=")
                  for word in line.removeprefix("Before=").split()}
        self.assertLessEqual({"containerd.service", "crio.service", "docker.service",
                              "kubelet.service", "lxc.service", "podman-restart.service"}, before)
        for template in ("lxc@", "podman-kube@", "systemd-nspawn@"):
            self.assertIn("After=scanout-cdi.service\n",
                          (units / f"{template}.service.d/scanoutd.conf").read_text())


if __name__ == "__main__":
    unittest.main()

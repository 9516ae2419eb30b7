#!/usr/bin/python3
"""Where the packages of a suite come from: tests/vm/suites.py."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/vm"))

import suites  # noqa: E402
from cache import ImageError  # noqa: E402

DEB822 = """# The mirror of this house.
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main

Types: deb
URIs: https://vendor.example/apt
Suites: bookworm
Components: main

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """deb [arch=amd64 signed-by=/a/key.gpg] http://mirror.example/debian bookworm main contrib
deb http://mirror.example/debian-security bookworm-security main
deb http://mirror.example/debian bookworm-backports main
deb-src http://mirror.example/debian bookworm main
# deb http://mirror.example/debian sid main
deb https://vendor.example/apt stable main
"""


APT_CONFIG = """APT "";
Acquire::Check-Valid-Until "false";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3142";
Acquire::https::Proxy::mirror.example "DIRECT";
Acquire::Languages "en";
Dir::Etc "etc/apt";
"""


class Settings(unittest.TestCase):
    def test_settings(self):
        """How to reach a mirror, and that old signatures will do; nothing about this machine alone."""
        self.assertEqual(suites.settings(APT_CONFIG), [
            'Acquire::Check-Valid-Until "false";',
            'Acquire::http::Proxy "http://proxy.example:3142";',
            'Acquire::https::Proxy::mirror.example "DIRECT";'])
        self.assertTrue(suites.apt_config())


class Sources(unittest.TestCase):
    def written(self, name: str, text: str, wanted: str) -> str:
        """What is written for a machine whose apt has this one file."""
        with tempfile.TemporaryDirectory() as folder:
            apt, out = Path(folder) / "apt", Path(folder) / "out"
            (apt / "sources.list.d").mkdir(parents=True)
            out.mkdir()
            (apt / name).write_text(text)
            (file,) = suites.sources(wanted, out, apt)
            self.assertEqual(file.name, Path(name).name)
            return file.read_text()

    def test_deb822(self):
        """Debian's stanzas are renamed, with all else in them kept; backports, sources and other
        vendors are left out."""
        told = self.written("sources.list.d/debian.sources", DEB822, "trixie")
        self.assertEqual(told, """Types: deb
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: trixie-security
Components: main
""")

    def test_one_line(self):
        """The same for lines of sources.list."""
        self.assertEqual(self.written("sources.list", ONE_LINE, "forky"), """\
deb [arch=amd64 signed-by=/a/key.gpg] http://mirror.example/debian forky main contrib
deb http://mirror.example/debian-security forky-security main
""")

    def test_none(self):
        """A machine without any: a sentence that says where to name one."""
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(ImageError, "no source of Debian's packages in .*; name a "
                                                    "mirror there"):
                suites.sources("trixie", Path(folder), Path(folder))

    def test_wrong_suite(self):
        """A suite that there is not: a sentence with those there are."""
        self.assertEqual([suites.checked(name) for name in suites.SUITES], list(suites.SUITES))
        with self.assertRaisesRegex(ImageError, "no suite 'buster'; there are: bookworm, trixie"):
            suites.checked("buster")


if __name__ == "__main__":
    unittest.main()

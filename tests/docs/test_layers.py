#!/usr/bin/python3
"""Calls go downward only: what includes what in src/, against a table of the floors. No circles."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PUBLIC = ROOT / "include"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)

# From the ground up. A folder may include those on lower floors, and itself.
FOLDERS = [
    "common",
    "seat lib preload door wire",
    "daemon run service ctl front host link",
]

# The files of src/host: one may include those to the left of it.
HOST = ("ages map frame screen listener capture console qemu tenants link host report options want file "
        "png picture encoder output recorder recording meter commands inspection list shot record "
        "measure qemuargs doctor scanout-host")

# The rooms of src/daemon from the ground up, and what is in each. A file may include those in lower
# rooms, and those that stand to the left of it in its own.
DAEMON = {
    "util/": "string_list config_error retry passed log failpoint fdstore",
    "kms/": "kms alloc mode_list uevent worker card_node card_holder card_drm seat",
    "model/": "refusal config config_key config_file identity policy scanout lease wish scanout_log "
              "card state_record",
    "drain/": "linger blank picture drain",
    "core/": "state_json state queue manager selection hostmem modes survey terminate reaper "
             "restore grant request inventory pause monitor",
    "bus/": "store bus_sender bus_options peer bus_property bus_scanout bus_manager bus_agent "
            "agent bus bus_signals",
    "": "arguments scanoutd main",
}


def module(path: Path) -> str:
    """NAME.c and NAME.h are one: "daemon/drain/drain"."""
    return str(path.relative_to(SRC).with_suffix(""))


def read_includes() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in SRC.rglob("*.[ch]"):
        used = set()
        for name in INCLUDE.findall(path.read_text()):
            if not (PUBLIC / name).exists():
                assert (SRC / name).exists(), f"{path} includes {name}, which is not below src/"
                used.add(module(SRC / name))
        found.setdefault(module(path), set()).update(used - {module(path)})
    return found


def reachable(includes: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for name in includes[todo.pop()] - seen:
            seen.add(name)
            todo.append(name)
    return seen


class Layers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.includes = read_includes()

    def test_folders(self):
        floor = {name: i for i, row in enumerate(FOLDERS) for name in row.split()}
        self.assertEqual(set(floor), {name.split("/")[0] for name in self.includes})
        upward = [f"{user} includes {used}" for user in self.includes
                  for used in self.includes[user]
                  if user.split("/")[0] != used.split("/")[0]
                  and floor[used.split("/")[0]] >= floor[user.split("/")[0]]]
        self.assertEqual(sorted(upward), [])

    def check_order(self, folder, order):
        place = {name: i for i, name in enumerate(order)}
        self.assertEqual(len(place), len(order))
        here = {name for name in self.includes if name.startswith(folder)}
        self.assertEqual(sorted(here ^ set(place)), [], "of the files and of the table, not both")
        upward = [f"{user} includes {used}" for user in here for used in self.includes[user] & here
                  if place[used] > place[user]]
        self.assertEqual(sorted(upward), [])

    def test_daemon(self):
        self.check_order("daemon/", [f"daemon/{room}{name}" for room in DAEMON
                                     for name in DAEMON[room].split()])

    def test_host(self):
        self.check_order("host/", [f"host/{name}" for name in HOST.split()])

    def test_no_d_bus_below(self):
        """Up to the manager, and in what it decides, nothing knows of D-Bus."""
        knowing = [module(path) for path in SRC.glob("daemon/*/*.[ch]")
                   if "<systemd/sd-bus.h>" in path.read_text() and path.parent.name != "bus"]
        self.assertEqual(sorted(knowing), [])

    def test_circles(self):
        around = {name: reachable(self.includes, name) for name in self.includes}
        circles = {" ".join(sorted(other for other in around[name] if name in around[other]))
                   for name in around if name in around[name]}
        self.assertEqual(sorted(circles), [])

    def test_public_stands_alone(self):
        """What is installed includes nothing that is not."""
        for header in PUBLIC.glob("*/*.h"):
            for name in INCLUDE.findall(header.read_text()):
                self.assertTrue((PUBLIC / name).exists(), f"{header.name} includes {name}")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""scanoutctl cdi: what container engines read to mount a seat."""
import json
import os
import tempfile
import unittest

from rig import Bus, Case


class Cdi(Case):
    mode = "normal"

    def test_cdi_describes_what_can_be_leased(self):
        result = self.ctl("cdi", "--output", "-", "--seats", "/seats")
        self.check(result, 0)
        spec = json.loads(result.stdout)
        self.assertEqual((spec["cdiVersion"], spec["kind"]), ("0.5.0", "scanoutd.org/scanout"))
        devices = {device["name"]: device["containerEdits"] for device in spec["devices"]}
        names = [f"card0-Virtual-{n}" for n in (1, 2, 3, 4, 5, 6)] + ["any-card0", "any"]
        self.assertEqual([name for name in devices if name != "software"], names)
        # as the library of podman 4.3 has it
        for name in devices:
            self.assertRegex(name, r"^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$")
        two = devices["card0-Virtual-2"]
        self.assertIn("XDG_SESSION_ID=card0Virtual2", two["env"])
        self.assertIn("SCANOUT_ID=card0-Virtual-2", two["env"])
        self.assertIn("SCANOUT_INDEX=1", two["env"])
        self.assertEqual(two["deviceNodes"][0],
                         {"path": "/dev/dri/card0", "permissions": "m", "fileMode": 0})
        self.assertEqual({m["containerPath"]: m["hostPath"] for m in two["mounts"]}, {
            "/run/scanout": "/seats/card0-Virtual-2", "/run/udev": "/seats/card0-Virtual-2/udev",
            "/run/systemd/sessions/card0Virtual2":
                "/seats/card0-Virtual-2/systemd/sessions/card0Virtual2"})
        for mount in two["mounts"]:
            self.assertIn("ro", mount["options"])
        self.assertIn("XDG_SESSION_ID=anycard0", devices["any"]["env"])
        self.assertFalse([e for e in devices["any"]["env"] if e.startswith("SCANOUT_ID=")])
        self.assertEqual(devices["any"], devices["any-card0"])
        env = spec["containerEdits"]["env"]
        self.assertIn("DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/scanout/bus", env)
        self.assertIn("SEATD_SOCK=/run/scanout/seatd.sock", env)

    def test_cdi_writes_nothing_that_points_nowhere(self):
        """Here is no such card, or nobody may write: the old file stays, no draft is left."""
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/cdi/scanoutd.json"
            os.mkdir(folder + "/cdi")
            with open(path, "w") as f:
                f.write("old")
            for seats in (folder + "/seats", "/proc/nowhere"):
                result = self.ctl("cdi", "--output", path, "--seats", seats)
                self.check(result, 1)
                self.assertRegex(result.stderr, "DeviceGone|OutputFailed")
            self.assertEqual(os.listdir(folder + "/cdi"), ["scanoutd.json"])
            with open(path) as f:
                self.assertEqual(f.read(), "old")


class Cards(Case):
    def test_cdi_with_several_cards(self):
        """One device each for any scanout of a card that has some, and none for any of any card:
        which card's node a container gets is settled before."""
        with Bus("cards") as bus:
            spec = json.loads(bus.ctl("cdi", "--output", "-", "--seats", "/seats").stdout)
        devices = {device["name"]: device["containerEdits"] for device in spec["devices"]}
        self.assertEqual([name for name in devices if name != "software"],
                         ["card0-Virtual-1", "card0-Virtual-2", "card1-Virtual-3", "any-card0",
                          "any-card1"])
        one = devices["any-card1"]
        self.assertEqual(one["deviceNodes"][0]["path"], "/dev/dri/card1")
        self.assertIn("WLR_DRM_DEVICES=/dev/dri/card1", one["env"])
        self.assertIn({"hostPath": "/seats/any-card1", "containerPath": "/run/scanout",
                       "options": ["bind", "ro", "nosuid", "nodev", "noexec"]}, one["mounts"])


if __name__ == "__main__":
    unittest.main()

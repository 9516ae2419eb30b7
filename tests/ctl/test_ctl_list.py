#!/usr/bin/python3
"""scanoutctl list and status: every scanout, one scanout, and how it is named."""
import json
import unittest

from rig import BIG, CONTAINER, Case


class List(Case):
    mode = "normal"

    def test_list_is_an_aligned_table(self):
        result = self.ctl("list")
        self.check(result, 0)
        self.assertEqual(result.stderr, "")
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 7)
        self.assertEqual(lines[0].split(),
                         "SCANOUT INDEX STATE LABEL HOLDER MODE SINCE".split())
        self.assertEqual(lines[2].split()[:4], ["card0-Virtual-2", "1", "leased", "desk"])
        column = lines[0].index("HOLDER")
        self.assertTrue(lines[2][column:].startswith("podman:1a2b3c4d5e6f uid 1000 pid 812  "))
        self.assertTrue(lines[3][column:].startswith("kiosk.service uid 0 pid 9  "))
        self.assertTrue(lines[4][column:].startswith("uid 0 pid 123  "))
        self.assertTrue(lines[2].endswith("  1920x1080@60  3 min"), lines[2])
        self.assertNotIn("\033", result.stdout)

    def test_list_json_keeps_every_digit_and_unknown_keys(self):
        for args in (("list", "--json"), ("--json", "list"), ("-j", "list")):
            result = self.ctl(*args)
            self.check(result, 0)
        rows = json.loads(result.stdout)["scanouts"]
        self.assertEqual(list(rows[0])[:7],
                         ["id", "device", "index", "state", "reason", "label", "holder"])
        self.assertIsNone(rows[0]["holder"])
        self.assertEqual(rows[0]["since"], 0)
        self.assertEqual(rows[1]["holder"], {"uid": 1000, "pid": 812, "container": CONTAINER,
                                             "engine": "podman", "unit": "x.scope"})
        self.assertEqual(rows[1]["generation"], BIG)
        self.assertEqual(rows[1]["planes"], [33, 34])
        self.assertEqual(rows[5]["new_thing"], [1, "a"])


class Status(Case):
    mode = "normal"

    def test_status_by_id_label_and_index(self):
        for name in ("card0-Virtual-2", "desk", "1"):
            result = self.ctl("status", name)
            self.check(result, 0)
            self.assertIn("id:         card0-Virtual-2\n", result.stdout)
            self.assertIn(f"container:  {CONTAINER}\n", result.stdout)
            self.assertIn("mode:       1920x1080@60\n", result.stdout)
        result = self.ctl("status", "desk", "-j")
        self.assertEqual(json.loads(result.stdout)["id"], "card0-Virtual-2")

    def test_ambiguous_and_unknown_names(self):
        result = self.ctl("status", "twin")
        self.check(result, 1, "AmbiguousScanout")
        self.assertIn("card0-Virtual-3, card0-Virtual-4", result.stderr)
        # a label that looks like another scanout's index
        self.check(self.ctl("status", "4"), 1, "AmbiguousScanout")
        for name in ("99", "", "-1", "no", "99999999999999999999999"):
            self.check(self.ctl("status", "--", name), 1, "NoSuchScanout")


class Paused(Case):
    mode = "paused"

    def test_list_says_so(self):
        result = self.ctl("list")
        self.check(result, 0)
        self.assertEqual(len(result.stdout.splitlines()), 3)
        self.assertIn("Paused: another session has the seat", result.stderr)
        self.assertIs(json.loads(self.ctl("list", "--json").stdout)["paused"], True)

    def test_status_tells_how_long_a_picture_lingers(self):
        self.assertIn("linger:     1.5 s\n", self.ctl("status", "desk").stdout)
        self.assertIn("linger:     5 s\n", self.ctl("status", "1").stdout)


if __name__ == "__main__":
    unittest.main()

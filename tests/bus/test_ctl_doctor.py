#!/usr/bin/python3
"""scanoutctl doctor: what is wrong, and what to do about it."""
import json
import unittest

from rig import Case


class Doctor(Case):
    mode = "normal"

    def test_doctor_names_the_stuck_scanout(self):
        result = self.ctl("doctor", "--json")
        self.check(result, 1)
        report = json.loads(result.stdout)
        self.assertFalse(report["ok"])
        stuck = [c for c in report["checks"] if c["check"] == "card0-Virtual-5"]
        self.assertEqual(stuck[0]["result"], "fail")
        self.assertIn("its CRTC does not blank", stuck[0]["message"])
        self.assertRegex(self.ctl("doctor").stdout, r"(?m)^FAIL  card0-Virtual-5 +stuck: its CRTC")


class Paused(Case):
    mode = "paused"

    def test_doctor_says_so_and_minds_no_picture_that_lingers(self):
        result = self.ctl("doctor")
        self.assertRegex(result.stdout, r"(?m)^warn  seat +Paused: another session has the seat")
        self.assertNotIn("still draining", result.stdout)


if __name__ == "__main__":
    unittest.main()

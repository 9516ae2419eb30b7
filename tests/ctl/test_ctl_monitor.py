#!/usr/bin/python3
"""scanoutctl monitor: shows changes until its reader or its bus is gone."""
import signal
import subprocess
import unittest

from rig import NAME, PATH, Case


class Monitor(Case):
    mode = "normal"

    def test_monitor_text_and_daemon_restart(self):
        with self.bus.monitor() as monitor:
            self.assertIn("scanoutd is running", monitor.stdout.readline())
            self.ctl("release", "desk")
            self.assertRegex(monitor.stdout.readline(),
                             r"^\d{4}-\d\d-\d\d .*  ended +card0-Virtual-2 reason=released\n$")
            subprocess.run(["dbus-send", "--print-reply", "--reply-timeout=2147483647",
                            f"--bus={self.bus.address}", f"--dest={NAME}", PATH,
                            NAME + ".Test.EmitAll"], check=True, stdout=subprocess.DEVNULL)
            self.assertIn('state=leased holder="podman:1a2b3c4d5e6f uid 1000 pid 812" label=""',
                          monitor.stdout.readline())
            self.assertIn("added       card0-Virtual-2 state=free", monitor.stdout.readline())
            self.assertIn("removed     card0-Virtual-2", monitor.stdout.readline())
            self.bus.stop_service()
            self.assertIn("went away", monitor.stdout.readline())
            self.bus.start("normal")
            self.assertIn("is back", monitor.stdout.readline())
            monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.returncode, 0)

    def test_monitor_ends_with_its_reader_or_its_bus(self):
        with self.bus.monitor() as monitor:
            monitor.stdout.readline()
            monitor.stdout.close()
            self.assertEqual(monitor.wait(), 0)
        with self.bus.monitor() as monitor:
            monitor.stdout.readline()
            self.bus.daemon.kill()
            self.assertEqual(monitor.wait(), 3)
            self.assertIn("Disconnected", monitor.stderr.read())


if __name__ == "__main__":
    unittest.main()

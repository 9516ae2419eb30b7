#!/usr/bin/python3
"""scanoutctl doctor: what is wrong, and what to do about it."""
import json
import os
import shlex
import subprocess
import sys
import unittest

from rig import SCANOUTCTL, Case

REFUSED = ("3,512,94013772,-;[drm:virtio_gpu_dequeue_ctrl_func [virtio_gpu]] *ERROR* response "
           "0x{:x} (command 0x105)\n")
# A card of QEMU's standard VGA, and then a virtio-gpu.
CARDS = """
mount -t tmpfs tmpfs /sys/class && cd /sys/class && mkdir -p drm && cd drm
mkdir -p card0/device card1/device/virtio0 card0-Virtual-1 card1-Virtual-2 card1-Virtual-3
ln -s /sys/bus/pci/drivers/bochs-drm card0/device/driver
ln -s /sys/bus/pci/drivers/virtio-pci card1/device/driver
ln -s /sys/bus/virtio/drivers/virtio_gpu card1/device/virtio0/driver
"""


def doctor_with(bus, preparation):
    """Its lines by the check that they are about, where a script has mounted things before."""
    own = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    done = subprocess.run(
        ["unshare", "--mount", *own, "sh", "-ec",
         f"{preparation}\ncd /\nexec {shlex.quote(os.path.abspath(SCANOUTCTL))} doctor --json"],
        env=bus.env, capture_output=True, text=True)
    assert "checks" in done.stdout, done.stderr
    return {check["check"]: check for check in json.loads(done.stdout)["checks"]}


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


    def test_doctor_asks_as_a_container_does(self):
        """Nobody listens on the guest socket; somebody does, and hangs up."""
        folder = "mount -t tmpfs tmpfs /run; mkdir -p /run/scanoutd/guest"
        told = doctor_with(self.bus, folder)["guest socket"]
        self.assertEqual((told["result"], told["type"]), (
            "fail", "systemctl stop scanoutd.socket; systemctl restart scanoutd"))
        self.assertIn("containers cannot ask", told["message"])
        mute = ("import socket; s = socket.socket(socket.AF_UNIX); "
                "s.bind('/run/scanoutd/guest/bus'); s.listen(); print(flush=True); s.accept()")
        told = doctor_with(self.bus, f'{folder}; mkfifo /run/up; {sys.executable} -c "{mute}" '
                           "> /run/up 2> /dev/null & read -r _ < /run/up")["guest socket"]
        self.assertEqual((told["result"], told["type"]), (
            "fail", "systemctl restart scanout-front; journalctl -b -u scanout-front"))
        self.assertIn("get no answer", told["message"])


class Paused(Case):
    mode = "paused"

    def test_doctor_says_so_and_minds_no_picture_that_lingers(self):
        result = self.ctl("doctor")
        self.assertRegex(result.stdout, r"(?m)^warn  seat +Paused: another session has the seat")
        self.assertNotIn("still draining", result.stdout)


def check_memory(case, log, result, *words):
    """The doctor's line about it with this kernel log."""
    path = case.bus.dir.name + "/kmsg"
    with open(path, "w") as f:
        f.write(log)
    line = doctor_with(case.bus, f"mount --bind {path} /dev/kmsg")["host memory"]
    case.assertEqual(line["result"], result)
    for word in words:
        case.assertIn(word, line["message"])


class Warned(Case):
    mode = "warned"

    def test_settings(self):
        """What scanoutd warns of is in the doctor's report, each in its own line."""
        found = json.loads(self.ctl("doctor", "--json").stdout)["checks"]
        said = [c for c in found if c["check"] == "settings"]
        self.assertEqual([(c["result"], c["message"]) for c in said], [
            ("warn", "Exclude= names card0-Virtual-9, but there is none.")])
        self.assertIn("systemctl reload scanoutd", said[0]["type"])

    def test_host_memory(self):
        """What to give the device on the host: for what five show, and eleven may."""
        line = "-device virtio-gpu-pci,max_outputs=16,max_hostmem=2048M"
        check_memory(self, REFUSED.format(0x1201) + 2 * REFUSED.format(0x1203), "warn",
                     "response 0x1201 1 times, 0x1203 2 times", "5 of 16 scanouts show",
                     "up to 1510 MiB", line)
        check_memory(self, "", "warn", "scanoutd has seen it", line)


class Enough(Case):
    mode = "normal"

    def test_enough_memory(self):
        check_memory(self, "6,1,2,-;all is well\n", "ok", "the host has refused no framebuffer",
                     "all 6 scanouts take up to 71 MiB")
        check_memory(self, REFUSED.format(0x1203), "warn", "max_outputs=6,max_hostmem=1024M")


class Cards(Case):
    mode = "empty"

    def test_second_card(self):
        """A card of another driver is left alone, and does not pass for the one that is missing."""
        found = doctor_with(self.bus, CARDS)
        self.assertEqual((found["card0"]["result"], found["card0"]["message"]), (
            "ok", "bochs-drm, 1 outputs: left alone, unless Devices= of scanoutd.conf names it"))
        self.assertIn("(virtio_gpu)", found["card1"]["message"])
        self.assertNotIn("cards", found)
        found = doctor_with(self.bus, CARDS + "rm -r card1*")
        self.assertIn("The kernel has no virtio-gpu with outputs. Give the VM one: -vga none",
                      found["cards"]["message"])


if __name__ == "__main__":
    unittest.main()

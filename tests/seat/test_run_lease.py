#!/usr/bin/python3
"""scanout-run: how leases come and go under a running command."""
import signal
import unittest

from runner import Fake, RunTest
from test_seatd import PONG


class Lease(RunTest):
    def test_fresh_lease_for_each_client(self):
        """The first client gets the lease that was asked for first, each later one a new one."""
        fake = self.fake()
        process = self.start("--label=x", "--seat=seatd", *self.me("reopen"))
        fake.expect("request label=x spare=1 timeout")
        for number in range(1, 4):
            process.stdin.write("again\n")
            process.stdin.flush()
            if number > 1:
                fake.expect("request scanout=card0-Virtual-4 label=x timeout")
            fake.expect(f"release card0-Virtual-4#{number}")
        self.assertEqual(self.finish(process)[:2], (0, "done\n"))
        self.assertEqual(fake.rest(), [])

    def test_revoked(self):
        """scanoutd takes the lease back: the command is told, and ended."""
        fake = self.fake()
        process = self.start("--seat=seatd", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        fake.process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(), 143)
        err = process.stderr.read()
        self.assertIn("scanoutd has ended the lease on card0-Virtual-4 (revoked)", err)

    def test_released_by_another(self):
        """Another process of the same holder has released the lease, as 'scanoutctl release' in
        the same container does: the command is ended all the same, and started again if it is to
        be. What scanout-run itself releases ends nothing."""
        fake = self.fake()
        process = self.start("--restart=on-failure", "--seat=seatd", *self.me("hold"))
        for _run in range(2):
            while (line := process.stdout.readline()) != "held\n":
                self.assertEqual(line, "0x8005\n")  # it may hear that its seat is paused
            fake.process.send_signal(signal.SIGPWR)
        process.terminate()
        process.wait()
        self.assertIn("scanoutd has ended the lease on card0-Virtual-4 (released)",
                      process.stderr.read())

    def test_orphan(self):
        """What a command leaves behind is ended, whether or not it sees before that it has lost the
        seat, so that the next run can have it."""
        self.fake()
        status, out, _err = self.run_it("--restart=on-failure", "--seat=seatd",
                                        *self.me("leave_holder", str(self.home / "flag")))
        self.assertEqual((status, out.replace("hung up on\n", "")), (0, "held\nheld\n"))

    def test_restarted_weston(self):
        """The next weston finds a socket without what the last one left unread."""
        fake = self.fake()
        process = self.start("--restart=on-failure", "--", self.script("weston"), "weston")
        for _run in range(2):
            # Its first word is the answer to its first request.
            self.assertEqual(process.stdout.readline(), "3\n")
            fake.process.send_signal(signal.SIGUSR1)
        process.terminate()
        process.wait()

    def test_revoked_before_it_is_taken(self):
        """The lease that waits for its first client is taken back: it is not handed on later."""
        fake = self.fake()
        process = self.start("--restart=on-failure", "--seat=seatd", *self.me("wait"))
        self.assertEqual(process.stdout.readline(), "waiting\n")
        fake.process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.stdout.readline(), "ended\n")
        # Status 0, but not of its own will: started again, on a new lease.
        self.assertEqual(process.stdout.readline(), "waiting\n")
        process.terminate()
        self.assertEqual(process.wait(), 0)
        self.assertEqual(fake.rest(), ["request spare=1 timeout", "revoked",
                                       "request scanout=card0-Virtual-4 spare=1 timeout",
                                       "release card0-Virtual-4#2"])

    def assert_no_event(self, process):
        """Nothing but the answer to its own ping comes to one that holds the card."""
        process.stdin.write("\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), hex(PONG) + "\n")

    def test_resized(self):
        """Another size from the host makes the seat blink; the same one told again does not."""
        fake = self.fake()
        process = self.start("--seat=seatd", "--libseat=0.9", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGHUP):
            fake.process.send_signal(number)
            fake.wait("told")
        self.assertEqual([process.stdout.readline().strip() for _ in range(3)],
                         ["0x8005", "0x8009", "0x8006"])
        fake.process.send_signal(signal.SIGHUP)
        fake.wait("told")
        self.assert_no_event(process)

    def test_paused(self):
        """Another session has scanoutd's seat: the compositor is paused until that is over,
        whatever becomes of its size meanwhile."""
        fake = self.fake()
        process = self.start("--seat=seatd", "--libseat=0.9", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        for _ in range(2):
            for number in (signal.SIGWINCH, signal.SIGUSR2, signal.SIGUSR2):
                fake.process.send_signal(number)
                fake.wait("told")
            fake.process.send_signal(signal.SIGWINCH)
            fake.wait("told")
            self.assertEqual([process.stdout.readline().strip() for _ in range(3)],
                             ["0x8005", "0x8009", "0x8006"])
        self.assert_no_event(process)

    def restarted(self, generation):
        """scanoutd goes and comes back, with this lease in its books."""
        fake = Fake("peer" if self.peer else "bus", self.address)
        process = self.start("--seat=seatd", *self.me("hold"))
        self.assertEqual(process.stdout.readline(), "held\n")
        self.assertEqual(fake.stop(), 0)
        return process, self.fake(generation)

    def test_restarted_scanoutd_kept_the_lease(self):
        """Nothing happens, and what the new one tells is heard."""
        process, fake = self.restarted("1")
        fake.expect("asked for State")
        self.assertIsNone(process.poll())
        fake.process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(), 143)
        self.assertIn("(revoked)", process.stderr.read())

    def test_resized_while_scanoutd_was_away(self):
        """What the next one says counts."""
        process, _fake = self.restarted("1:1280")
        self.assertEqual(process.stdout.readline(), "0x8005\n")
        process.terminate()
        process.wait()

    def test_restarted_scanoutd_lost_the_lease(self):
        process, _fake = self.restarted("0")
        self.assertEqual(process.wait(), 143)
        self.assertIn("(lost)", process.stderr.read())


class PeerLease(Lease):
    peer = True


if __name__ == "__main__":
    unittest.main()

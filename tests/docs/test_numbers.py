#!/usr/bin/python3
"""Every number with a unit on a page is the code's, or is known not to be."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/man/*.scd")]
SOURCES = list((ROOT / "src").rglob("*.[ch]"))

USEC, MSEC, SECOND, MINUTE, HOUR = 1, 1000, 10**6, 60 * 10**6, 3600 * 10**6
UNITS = {"µs": USEC, "ms": MSEC, "s": SECOND, "second": SECOND, "seconds": SECOND,
         "minute": MINUTE, "minutes": MINUTE, "min": MINUTE, "hour": HOUR, "hours": HOUR,
         "KiB": 1024, "MiB": 1024**2}
NUMBER = r"(\d+)\s+({})\b".format("|".join(sorted(UNITS, key=len, reverse=True)))

# What a page says, with # for the number and its unit, and the define that it is: of a file
# without its folder where several have one of that name.
OURS = {
    "org.scanoutd.Scanout1.5.scd": {
        "waiting for longer than #": "picture.DEADLINE_USEC",
        "keeps *scanoutd* waiting for #": "picture.DEADLINE_USEC",
        "at most #, 86400000000": "WISH_TIMEOUT_MAX_USEC",
        "that are shown, for at most #": "modes.PATIENCE_USEC",
        "or not within # because": "BLANK_DEADLINE_USEC",
        "tries again every #": "retry.RETRY_USEC",
    },
    "scanoutd.conf.5.scd": {"their scanouts, for up to #": "RELEASE_USEC"},
    "scanoutctl.1.scd": {"_infinity_, which is #": "DURATION_MAX_USEC"},
    "scanout-seat.8.scd": {
        "exits after # without a client": "IDLE_MSEC",
        "closes its connections # later": "REVOKED_USEC",
    },
    "scanout-run.1.scd": {
        "follows after #": "scanout-run.SECOND",
        "failures raise that to #": "MAX_BACKOFF_USEC",
        "_SIGKILL_ after #. For *--restart*": "scanout-run.KILL_USEC",
        "which has #": "scanout-run.KILL_USEC",
        "_SIGKILL_ after another #": "scanout-run.KILL_USEC",
    },
    "scanout-host.1.scd": {
        "another one every #": "recorder.KEY_USEC",
        "has been still for #": "REST_USEC",
        "does not answer within #": "link.PATIENCE_USEC",
    },
    "architecture.md": {
        "one timer made at the start, tries it again after #": "retry.RETRY_USEC",
        "After # without an answer": "BLANK_DEADLINE_USEC",
        "wait for modes at most #": "modes.PATIENCE_USEC",
        "given up after #": "link.PATIENCE_USEC",
        "for up to # if the bus does not": "CREDENTIALS_TIMEOUT_USEC",
    },
}
# Numbers without a unit: limits and defaults.
LIMITS = {
    "org.scanoutd.Scanout1.5.scd": {
        "Or # requests are waiting": "MAX_WAITERS",
        "may have # connections": "front.MAX_GUESTS",
        "each with # calls without": "link.MAX_CALLS",
        "connection with # unread messages": "server.MAX_UNREAD",
        "at most 24 hours, #": "WISH_TIMEOUT_MAX_USEC",
    },
    "scanout-front.8.scd": {
        "may have # connections": "front.MAX_GUESTS",
        "with at most # calls": "link.MAX_CALLS",
        "more than # unread messages": "server.MAX_UNREAD",
        "at most # processes": "MAX_INSTANCES",
        "of the VM may have #": "MAX_INSTANCES_PER_USER",
    },
    "scanoutd.conf.5.scd": {"each side from 1 to #": "config_key.MAX_SIZE"},
    "scanout-host.1.scd": {
        "by default #. If the VM": "DEFAULT_FPS",
        "so many seconds, by default #, and": "DEFAULT_SECONDS",
        "encoded up to # times": "MAX_REPAINTS",
    },
    "scanout-seat.8.scd": {
        "without a client, by default #": "IDLE_MSEC",
        "at most # processes": "MAX_INSTANCES",
        "of the VM may have #": "MAX_INSTANCES_PER_USER",
    },
}
# Of others: what was measured, what a unit file or an option says, what a host or a program does.
OTHERS = {
    "performance.md": ["0 ms", "10 ms", "131 ms", "30 ms", "39 ms", "4 ms", "8 s", "9 ms"],
    "README.md": ["4 minutes", "4 min", "46 s", "59 s", "1 min", "40 s", "11 min", "31 s",
                  "22 min", "26 s", "1 s", "7 s", "256 MiB", "24 MiB"],
    "containers.md": ["30 s", "5 minutes"],
    "scanoutd.8.scd": ["256 MiB"],
    "org.scanoutd.Scanout1.5.scd": ["4 KiB"],
    "scanout-front.8.scd": ["16 MiB", "512 MiB"],
    "scanout-run.1.scd": ["5 minutes", "10 minutes"],
    "scanout-seat.8.scd": ["30 seconds", "32 MiB", "64 MiB", "512 MiB"],
}


def value(name):
    """What a define comes to, in the unit of its name."""
    stem, _, define = name.rpartition(".")
    found = set()
    for source in SOURCES:
        if stem and source.stem != stem:
            continue
        for text in re.findall(rf"^#define {define} +(.+)$", source.read_text(), re.MULTILINE):
            text = re.sub(r"UINT64_C\((\d+)\)", r"\1", text)
            text = re.sub(r"\b[A-Z]\w+", lambda m, f=source: str(value(f"{f.stem}.{m[0]}")), text)
            found.add(eval(text))  # pylint: disable=eval-used - numbers, as written in our code
    assert len(found) == 1, f"{name} is defined as {found}"
    return found.pop()


def pattern(words, number):
    """A pattern for words of a page, wherever its lines break."""
    return re.escape(words).replace(r"\ ", r"\s+").replace(r"\#", number)


class Numbers(unittest.TestCase):
    def check(self, page, words, number, name):
        text = (next(path for path in PAGES if path.name == page)).read_text()
        found = re.findall(pattern(words, number), text)
        self.assertEqual(len(found), 1, f"{page}: {words}")
        return found[0], value(name) * (MSEC if name.endswith("_MSEC") else 1)

    def test_times_are_the_code_s(self):
        for page, sentences in OURS.items():
            for words, name in sentences.items():
                (number, unit), ours = self.check(page, words, NUMBER, name)
                self.assertEqual(int(number) * UNITS[unit], ours, f"{page}: {words}: {name}")

    def test_limits_are_the_code_s(self):
        for page, sentences in LIMITS.items():
            for words, name in sentences.items():
                number, ours = self.check(page, words, r"(\d+)", name)
                ours //= MSEC if name.endswith("_MSEC") else 1
                self.assertEqual(int(number), ours, f"{page}: {words}: {name}")

    def test_each_is_known(self):
        """A new number is put into one of the tables above."""
        for page in PAGES:
            text = page.read_text()
            for words in OURS.get(page.name, {}):
                text = re.sub(pattern(words, NUMBER), "", text)
            others = set(OTHERS.get(page.name, []))
            found = {f"{number} {unit}" for number, unit in re.findall(NUMBER, text)}
            self.assertEqual(found, others, page.name)


if __name__ == "__main__":
    unittest.main()

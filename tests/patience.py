"""Waiting for what has to come, however long that takes: no test knows how slow its machine is.

Tests block until it is there. watch.py sees whether anything still moves; if not, it sends SIGALRM,
and the test that waits fails where it waits. Should that not help, Python shows with SIGABRT what
each thread does. Who runs a test by hand, without watch.py, ends it with ^C.
"""
import faulthandler
import signal
import time

LONGEST_STEP = 10.0  # s; watch.py must not take looks for movement


def handle_alarm(_number, _frame):
    faulthandler.dump_traceback()  # unittest tells it at the end, which may not come
    raise AssertionError("nothing moves any more, and this never came")


faulthandler.enable()
signal.signal(signal.SIGALRM, handle_alarm)


def wait_until(condition, what):
    """For what no event tells: looks again and again, the longer the rarer. Returns what it saw."""
    since = time.monotonic()
    while not (seen := condition()):
        waited = time.monotonic() - since
        try:
            time.sleep(min(waited / 8, LONGEST_STEP))
        except AssertionError as error:
            raise AssertionError(f"{error}: {what}, since {waited:.0f} s") from error
    return seen

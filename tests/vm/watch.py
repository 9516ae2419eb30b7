"""What a head shows over time."""

import threading

import heads
from machine import wait_until


class Watch:
    """Captures a head again and again, as fast as it can be captured."""

    def __init__(self, vm, head: int):
        self.vm, self.head = vm, head
        self.seen: list[tuple] = []  # the colours in the middle, None for a blank head
        self.error: Exception | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        try:
            while not self.stop.is_set():
                picture = self.vm.capture(self.head)
                width, height = picture.size
                blank = heads.is_placeholder(picture)
                self.seen.append(None if blank else picture.getpixel((width // 2, height // 2)))
        except Exception as error:
            self.error = error

    def wait(self, n: int):
        """Until it has captured so many more pictures."""
        want = len(self.seen) + n
        wait_until(lambda: self.error or len(self.seen) >= want, 30, f"{n} more captures")

    def end(self) -> list[tuple]:
        self.stop.set()
        self.thread.join(20)
        if self.error:
            raise self.error
        return self.seen

"""What scanoutd tells by itself."""

import json

from machine import Machine


class Events:
    """`scanoutctl monitor` beside a test, which asks scanoutd nothing: what it tells, scanoutd has
    found out by itself."""

    def __init__(self, vm: Machine):
        self.monitor = vm.spawn("exec scanoutctl monitor --json")
        assert self._next()["event"] == "watching"

    def _next(self, seconds: float = 20) -> dict:
        line = self.monitor.readline(seconds)
        assert line, self.monitor.err
        return json.loads(line)

    def wait(self, scanout: str, state: str, seconds: float = 20) -> dict:
        """The properties of the next change of this scanout to this state."""
        while True:
            event = self._next(seconds)
            properties = event.get("properties", {})
            if event.get("id") == scanout and properties.get("state") == state:
                return properties

    def end(self):
        self.monitor.terminate()

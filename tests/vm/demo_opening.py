"""Starts the containers of the demo, a few at a time, and follows each until its picture lives."""

import json
import time
from collections.abc import Callable

from PIL import Image

from container import Container
from demo_desks import Desk, start
from demo_tiles import differs, is_there
from machine import Machine
from pace import Patience
from picture import read_strip
from scanouts import rows

# As many as the guest has CPUs: with more none of them is there sooner, and all of them later.
AT_ONCE = 2
# In which something of a container ought to move.
STILL_SECONDS = 60
LOOK_SECONDS = 0.5
# Of one CPU, for a program that draws as fast as it can, once its picture was seen.
PACED = "0.2"


class Opening:
    """A container from its start to a picture that changes."""

    def __init__(self, vm: Machine, desk: Desk, number: int):
        self.vm, self.desk = vm, desk
        start(vm, desk, number)
        self.container = Container(vm, desk.name, desk.process)
        self.first: Image.Image | None = None
        self.patience = Patience(STILL_SECONDS, "", self.container.movement)
        self.expect("the scanout")

    @property
    def head(self) -> int | None:
        return self.container.head

    def expect(self, what: str):
        self.patience.what = f"{what} of {self.desk.name}"

    def look(self, listed: dict[str, dict]) -> bool:
        """One step on, if there is one; whether its picture is right and lives."""
        desk = self.desk
        if self.head is None:
            if desk.name not in listed:
                return False
            self.container.head = listed[desk.name]["index"]
            self.expect(f"the picture, on head {self.head},")
        if not desk.program and not desk.told:
            if "\n" not in desk.process.out:
                return False
            desk.told = json.loads(desk.process.readline())
        picture = self.vm.capture(self.head)
        if self.first is None:
            if desk.program and not is_there(desk, picture):
                return False
            self.first = picture
            self.expect(f"a change of the picture, on head {self.head},")
            return False
        if desk.program:
            desk.is_alive = differs(self.first, picture)
        else:
            before, now = read_strip(self.first)[0], read_strip(picture)[0]
            desk.frame = before and before["frame"]
            desk.is_alive = bool(before and now) and before["frame"] != now["frame"]
        return desk.is_alive

    def problem(self) -> str | None:
        """Why there is no use in waiting for it any longer."""
        process = self.desk.process
        if process.poll() is not None:
            return f"ended with {process.wait()}"
        return self.patience.why() if self.patience.is_over() else None

    def last_words(self) -> str:
        said = f"{self.desk.process.out}{self.desk.process.err}".strip().splitlines()[-8:]
        return "".join(f"\n        {line}" for line in said) or " nothing was said by it"


def open_all(vm: Machine, say: Callable[[str], None], desks: list[Desk]) -> bool:
    """Until all are there or have failed; whether none has."""
    waiting = list(enumerate(desks))
    opening: list[Opening] = []
    listed: dict[str, dict] = {}
    good, done = True, 0
    while waiting or opening:
        while waiting and len(opening) < AT_ONCE:
            number, desk = waiting.pop(0)
            opening.append(Opening(vm, desk, number))
        if any(one.head is None for one in opening):
            listed = {row["label"]: row for row in rows(vm).values() if row["label"]}
        for one in list(opening):
            if one.look(listed):
                opening.remove(one)
                done += 1
                say(f"{one.desk.name} is there and lives, {done} of {len(desks)}")
                if one.desk.program and one.desk.program.is_greedy:
                    vm.run(["podman", "update", "--cpus", PACED, one.desk.name])
            elif problem := one.problem():
                opening.remove(one)
                good = False
                print(f"failed  {one.desk.name}: {problem}; its last words:{one.last_words()}",
                      flush=True)
        time.sleep(LOOK_SECONDS)
    return good

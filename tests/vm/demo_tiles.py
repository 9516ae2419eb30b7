"""What the host sees of the demo: the picture on each head, and whose it ought to be."""

from pathlib import Path

from PIL import Image, ImageChops

from demo_desks import Desk
from heads import is_placeholder
from machine import Machine
from picture import name_hash, read_strip, share, sheet

# A desktop's own clock is in the topmost rows; it goes without any client.
PANEL = 40


def is_there(desk: Desk, picture: Image.Image) -> bool:
    """Whether a desktop has its size and its terminal is on it."""
    if is_placeholder(picture) or picture.size != desk.size:
        return False
    return not desk.program.colour or share(picture, desk.program.colour) > 0.1


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Whether a client has drawn between the two pictures of a head."""
    if one.size != other.size:
        return True
    below = (0, PANEL, *one.size)
    return ImageChops.difference(one.convert("RGB").crop(below),
                                 other.convert("RGB").crop(below)).getbbox() is not None


class Tile:
    """A head, as the host saw it when all containers were there."""

    def __init__(self, vm: Machine, head: int):
        self.head = head
        self.picture = vm.capture(head)
        self.blank = is_placeholder(self.picture)
        self.strip, self.unreadable = read_strip(self.picture)


def problems(desk: Desk, row: dict | None, tiles: list[Tile]) -> list[str]:
    """What is wrong between what scanoutd lists, what the container said and what the host saw."""
    if row is None:
        return [f"scanoutctl lists no scanout with the label {desk.name}"]
    tile = tiles[row["index"]]
    wrong = []

    def same(what: str, is_, should):
        if is_ != should:
            wrong.append(f"{what} is {is_}, not {should}")

    same("its state", row["state"], "leased")
    same("its holder's container", row["holder"]["container"], desk.container)
    same("the size on the host", tile.picture.size, desk.size)
    same("the listed size", (row["width"], row["height"]), tile.picture.size)
    if not desk.is_alive:
        wrong.append(f"its picture on head {tile.head} was not seen to change")
    if desk.program:
        if not is_there(desk, tile.picture):
            wrong.append(f"head {tile.head} does not show its terminal")
        if desk.program.colour:
            # A head with a strip shows a card, of whatever colour: whose it is is checked there.
            wrong += [f"its terminal is on head {other.head} as well" for other in tiles
                      if other is not tile and not other.strip
                      and share(other.picture, desk.program.colour) > 0.02]
        return wrong
    same("the scanout the container got", desk.told and desk.told["scanout"], row["id"])
    if tile.strip is None:
        wrong.append(f"head {tile.head} shows {tile.unreadable}")
        return wrong
    same(f"the name's hash on head {tile.head}", tile.strip["hash"], name_hash(desk.name))
    same(f"the index on head {tile.head}", tile.strip["index"], row["index"])
    return wrong


def check(desks: list[Desk], rows: dict[str, dict], tiles: list[Tile]) -> bool:
    """Prints a line per tile; whether all is right."""
    good = True
    for desk in desks:
        row = rows.get(desk.name)
        wrong = problems(desk, row, tiles)
        if wrong:
            good = False
            print(f"failed  {desk.name}: {'; '.join(wrong)}")
            continue
        tile = tiles[row["index"]]
        width, height = tile.picture.size
        seen = (f"frame {desk.frame}, later {tile.strip['frame']}" if tile.strip
                else f"{desk.title.strip()}, alive")
        print(f"ok      {desk.name:7} {row['id']:17} head {tile.head:<3} {width}x{height}  {seen}")
    leased = {row["index"] for row in rows.values()}
    for tile in tiles:
        if tile.head not in leased and not tile.blank:
            good = False
            print(f"failed  head {tile.head} shows something, but nobody has leased it")
    return good


def draw_sheet(desks: list[Desk], rows: dict[str, dict], tiles: list[Tile], path: Path):
    """The desktops first, in the order of their containers."""
    shown: list[tuple[Image.Image, list[str]]] = []
    for desk in desks:
        if desk.name not in rows:
            continue
        row = rows[desk.name]
        tile = tiles[row["index"]]
        width, height = tile.picture.size
        how = desk.program.seat if desk.program else "fd"
        shown.append((tile.picture, [
            f"{desk.title.strip()}\t{width} × {height}",
            f"{row['id']} · {row['holder']['container'][:12]}\t{how}"]))
    sheet(shown, f"scanoutd\n{len(shown)} unprivileged containers, each with a leased output of "
          "one virtio-gpu\tcaptured by the hypervisor", path)

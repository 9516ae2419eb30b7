"""Pictures of heads: the strip that tells whose picture it is, and the contact sheet for people."""

import math
import re
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

HEADER = Path(__file__).resolve().parent / "guest" / "strip.h"
NEAR = 16  # how far each of red, green and blue may be off, of 256


def _layout() -> dict[str, int]:
    """The strip's measures, from the header that the drawing side is compiled with."""
    return {name: int(value, 0) for name, value in re.findall(
        r"^#define STRIP_(\w+) (0x[0-9A-Fa-f]+|\d+)$", HEADER.read_text(), re.M)}


STRIP = _layout()


def name_hash(name: str) -> int:
    """32-bit FNV-1a, as the strip has it."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def _crc16(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def read_strip(picture: Image.Image) -> tuple[dict[str, int] | None, str]:
    """What the strip says (index, frame, hash); or None, and why it cannot be read."""
    cell, margin = STRIP["CELL"], STRIP["MARGIN"]
    columns, rows = STRIP["COLUMNS"], STRIP["ROWS"]
    width, height = picture.size
    if width < columns * cell + 2 * margin or height < rows * cell + 2 * margin:
        return None, f"a picture of {width}x{height} is too small for a strip"
    grey = picture.convert("L")
    value = 0
    for number in range(rows * columns):
        left = margin + number % columns * cell
        top = height - margin - rows * cell + number // columns * cell
        # The inner part: a lossy codec blurs the edges of a cell.
        inner = grey.crop((left + cell // 4, top + cell // 4,
                           left + cell - cell // 4, top + cell - cell // 4))
        data = inner.tobytes()
        level = sum(data) / len(data)
        if 80 < level < 176:
            return None, f"no strip: cell {number} is neither black nor white ({level:.0f})"
        value = value << 1 | (level >= 176)
    data = value.to_bytes(rows * columns // 8, "big")
    magic = int.from_bytes(data[:2], "big")
    if magic != STRIP["MAGIC"]:
        return None, f"no strip: it begins with {magic:#06x}, not {STRIP['MAGIC']:#06x}"
    if int.from_bytes(data[10:], "big") != _crc16(data[:10]):
        return None, "the strip's checksum is wrong: two frames mixed?"
    return {"index": data[2], "frame": int.from_bytes(data[3:6], "big"),
            "hash": int.from_bytes(data[6:10], "big")}, ""


def share(picture: Image.Image, colour: str) -> float:
    """How much of a picture is of about this colour."""
    small = picture.convert("RGB").resize((160, 100), Image.Resampling.NEAREST)
    off = ImageChops.difference(small, Image.new("RGB", small.size, f"#{colour}")).split()
    farthest = ImageChops.lighter(ImageChops.lighter(off[0], off[1]), off[2])
    return sum(farthest.histogram()[:NEAR]) / (small.width * small.height)


def banner(text: str) -> list[str]:
    """A word in large letters for a terminal, two dots to a character."""
    font = _font(14, bold=True)
    box = font.getbbox(text)
    picture = Image.new("1", (box[2], box[3] + 1 & ~1))
    ImageDraw.Draw(picture).text((0, 0), text, font=font, fill=1)
    dots = picture.load()
    lines = ["".join(" ▀▄█"[bool(dots[x, y]) + 2 * bool(dots[x, y + 1])]
                     for x in range(picture.width)).rstrip()
             for y in range(0, picture.height, 2)]
    while lines and not lines[0]:
        del lines[0]
    return lines


# The sheet: all lengths in pixels of a sheet this wide.
SHEET_WIDTH = 2000
PADDING = 48
GAP = 36
CARD_PADDING = 14
BACKGROUND = (13, 15, 20)
CARD = (24, 27, 34)
BORDER = (48, 53, 64)
TEXT = (240, 242, 246)
DIM = (150, 158, 172)
FONTS = Path("/usr/share/fonts/truetype/dejavu")


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)


def _columns(count: int) -> int:
    """Four, or three where that leaves no hole; fewer tiles than that stand in one row."""
    if count <= 4:
        return max(count, 1)
    return 3 if count in (5, 6, 9) else 4


def _shorten(draw: ImageDraw.ImageDraw, text: str, font, width: float) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"


def _line(draw: ImageDraw.ImageDraw, box: tuple[float, float], top: float, text: str, font, fill,
          right_fill=DIM):
    """One line; what follows a tab stands at the right."""
    left, right = box
    text, _, at_right = text.partition("\t")
    if at_right:
        draw.text((right, top), at_right, font=font, fill=right_fill, anchor="ra")
        right -= draw.textlength(at_right, font=font) + font.size / 2
    draw.text((left, top), _shorten(draw, text, font, right - left), font=font, fill=fill,
              anchor="la")


def _rounded(picture: Image.Image, radius: int) -> Image.Image:
    """The mask of a picture's rounded corners, smooth by drawing it four times as large."""
    width, height = picture.size
    mask = Image.new("L", (width * 4, height * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width * 4 - 1, height * 4 - 1), radius * 4,
                                           fill=255)
    return mask.resize((width, height), Image.Resampling.LANCZOS)


def _tile(picture: Image.Image, lines: list[str], width: int, height: int) -> Image.Image:
    """A card: the picture, letterboxed if it is not 16:9, and its label."""
    bold, plain = _font(27, bold=True), _font(21)
    inner = width - 2 * CARD_PADDING
    screen_height = round(inner * 9 / 16)
    card = Image.new("RGB", (width, height), CARD)
    draw = ImageDraw.Draw(card)
    draw.rectangle((CARD_PADDING, CARD_PADDING, CARD_PADDING + inner - 1,
                    CARD_PADDING + screen_height - 1), fill=(0, 0, 0))
    scale = min(inner / picture.width, screen_height / picture.height)
    size = (round(picture.width * scale), round(picture.height * scale))
    card.paste(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS),
               (CARD_PADDING + (inner - size[0]) // 2, CARD_PADDING + (screen_height - size[1]) // 2))
    top = CARD_PADDING + screen_height + 16
    box = (CARD_PADDING + 4, width - CARD_PADDING - 4)
    for number, text in enumerate(lines):
        font = plain if number else bold
        _line(draw, box, top, text, font, DIM if number else TEXT, DIM if number else TEXT)
        top += 31 if number else 42
    return card


def sheet(tiles: list[tuple[Image.Image, list[str]]], title: str, path: Path | str):
    """Write all tiles as one labelled PNG.

    A label's first line and the first line of the title are the large ones; what follows a tab
    in any line stands at the right.
    """
    columns = _columns(len(tiles))
    rows = math.ceil(len(tiles) / columns)
    width = (SHEET_WIDTH - 2 * PADDING - (columns - 1) * GAP) // columns
    lines = max((len(lines) for _, lines in tiles), default=0)
    height = (CARD_PADDING + round((width - 2 * CARD_PADDING) * 9 / 16) + 16
              + 42 + 31 * max(lines - 1, 0) + CARD_PADDING - 4)
    headings = title.split("\n")
    head_height = PADDING + 66 + 38 * (len(headings) - 1) + 14
    page = Image.new("RGB", (SHEET_WIDTH, head_height + rows * (height + GAP) - GAP + PADDING),
                     BACKGROUND)
    draw = ImageDraw.Draw(page)

    top = PADDING
    for number, text in enumerate(headings):
        font = _font(25) if number else _font(46, bold=True)
        _line(draw, (PADDING, SHEET_WIDTH - PADDING), top, text, font, DIM if number else TEXT)
        top += 38 if number else 66
    for number, (picture, label) in enumerate(tiles):
        card = _tile(picture, label, width, height)
        left = PADDING + number % columns * (width + GAP)
        top = head_height + number // columns * (height + GAP)
        border = Image.new("RGB", (width + 4, height + 4), BORDER)
        page.paste(border, (left - 2, top - 2), _rounded(border, 16))
        page.paste(card, (left, top), _rounded(card, 14))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    page.save(path, optimize=True)

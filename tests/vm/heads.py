"""The host's side of a virtual GPU: the size of each head, and the picture on it."""

from collections.abc import Callable
from pathlib import Path

import dbus
import dbus.bus
from PIL import Image

VM = "/org/qemu/Display1/VM"
CONSOLE = "org.qemu.Display1.Console"
DPI = 96

# What QEMU draws on a console without a scanout: a text in one grey, in the middle, on black.
# (qemu_create_placeholder_surface: VGA font, 8x16.)
PLACEHOLDERS = ["Display output is not active.", "Guest has not initialized the display (yet)."]
BLACK, GREY = (0, 0, 0), (170, 170, 170)
FONT_WIDTH, FONT_HEIGHT = 8, 16


def is_placeholder(picture: Image.Image) -> bool:
    """Whether QEMU drew this itself, or all of it is black: nobody's picture is shown."""
    colours = picture.getcolors(2)
    if colours is None:
        return False
    if {colour for _, colour in colours} == {BLACK}:
        return True
    if {colour for _, colour in colours} != {BLACK, GREY}:
        return False
    width, height = picture.size
    left, top, right, bottom = picture.getbbox()
    line = (height // FONT_HEIGHT - 1) // 2 * FONT_HEIGHT
    column = (width // FONT_WIDTH - max(map(len, PLACEHOLDERS))) // 2 * FONT_WIDTH
    return (line <= top and bottom <= line + FONT_HEIGHT and
            column <= left and right <= width - column)


def read_ppm(data: bytes) -> Image.Image:
    """QEMU's: up to 7.2 it writes each row with what fills it up to a multiple of 4 bytes
    (ppm_save), which the format does not have."""
    _magic, size, _depth, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB",
                            len(pixels) // height, 1)


class Heads:
    def __init__(self, bus_address: str, qmp: Callable[..., object], directory: Path):
        self.bus = dbus.bus.BusConnection(bus_address)
        self.qmp = qmp
        self.directory = directory
        self.consoles: dict[tuple[str, int], dbus.Interface] = {}

    def close(self):
        self.bus.close()

    def _addresses(self) -> dict[str, str]:
        """Device id → its address as consoles tell it, e.g. gpu0 → pci/0000/02.0."""
        found = {}
        for bus in self.qmp("query-pci"):
            for device in bus["devices"]:
                address = f"pci/{bus['bus']:04x}/{device['slot']:02x}.{device['function']}"
                found[device["qdev_id"]] = address
        return found

    def console(self, head: int, gpu: str) -> dbus.Interface:
        if not self.consoles:
            ids = {address: gpu for gpu, address in self._addresses().items()}
            vm = self.bus.get_object("org.qemu", VM, introspect=False)
            for number in vm.Get("org.qemu.Display1.VM", "ConsoleIDs",
                                 dbus_interface=dbus.PROPERTIES_IFACE):
                proxy = self.bus.get_object("org.qemu", f"/org/qemu/Display1/Console_{number}",
                                            introspect=False)
                told = proxy.GetAll(CONSOLE, dbus_interface=dbus.PROPERTIES_IFACE)
                owner = ids.get(str(told["DeviceAddress"]))
                if owner:
                    self.consoles[owner, int(told["Head"])] = dbus.Interface(proxy, CONSOLE)
        if (gpu, head) not in self.consoles:
            raise ValueError(f"QEMU has no console for head {head} of {gpu}, "
                             f"but for {sorted(self.consoles)}")
        return self.consoles[gpu, head]

    def resize(self, head: int, width: int, height: int, width_mm: int | None,
               height_mm: int | None, gpu: str):
        if width_mm is None:
            width_mm = round(width * 25.4 / DPI)
        if height_mm is None:
            height_mm = round(height * 25.4 / DPI)
        if width == 0 or height == 0:
            # QEMU ignores what it believes to be unchanged, and believes a head that was never
            # sized to be 0x0, head 0 too, which starts connected. So make it a change.
            width_mm = 1
        self.console(head, gpu).SetUIInfo(
            dbus.UInt16(width_mm), dbus.UInt16(height_mm), dbus.Int32(0), dbus.Int32(0),
            dbus.UInt32(width), dbus.UInt32(height))

    def capture(self, head: int, gpu: str) -> Image.Image:
        # PPM: writing a PNG takes several times as long as all the rest.
        file = self.directory / f"{gpu}-{head}.ppm"
        self.qmp("screendump", filename=str(file), device=gpu, head=head)
        picture = read_ppm(file.read_bytes())
        file.unlink()
        return picture

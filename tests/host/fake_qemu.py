"""A QEMU with a D-Bus display and no VM: says what a test wants said, right or wrong."""
import contextlib
import os
import queue
import socket
import threading

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

CONSOLE = "org.qemu.Display1.Console"
LISTENER = "org.qemu.Display1.Listener"
MAP = LISTENER + ".Unix.Map"
LISTENER_PATH = "/org/qemu/Display1/Listener"
FORMAT = 0x20020888  # pixman's x8r8g8b8
FOREVER = 2**31 - 1

# gi makes a class when it is first used: two threads that are the first make two of one.
GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(b""), True)
GLib.Variant("(s)", (Gio.Socket.__name__ + Gio.UnixFDList.__name__ + Gio.DBusConnection.__name__,))

threading.Thread(target=GLib.MainLoop().run, daemon=True).start()


def in_loop(work):
    """Calls it in the loop's thread; what it returned or raised. dbus-python's watches belong to the
    loop: another thread that opens or closes a connection pulls them out of its hands."""
    done: queue.Queue = queue.Queue()

    def run():
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))
        return False
    GLib.idle_add(run)
    result, error = done.get()
    if error:
        raise error
    return result


def pixels(width, height, colour):
    """Of one colour, (red, green, blue)."""
    red, green, blue = colour
    return bytes((blue, green, red, 0)) * (width * height)


class Refused(Exception):
    """The listener's error: its name."""


class Listener:
    """QEMU's end of the connection that RegisterListener brought."""

    def __init__(self, fd):
        self.fd = fd
        stream = Gio.Socket.new_from_fd(fd).connection_factory_create_connection()
        self.connection = Gio.DBusConnection.new_sync(
            stream, Gio.dbus_generate_guid(), Gio.DBusConnectionFlags.AUTHENTICATION_SERVER,
            None, None)
        self.connection.set_exit_on_close(False)
        self.closed = threading.Event()
        self.connection.connect("closed", lambda *_: self.closed.set())
        self.interfaces = self.call("org.freedesktop.DBus.Properties", "GetAll",
                                    GLib.Variant("(s)", (LISTENER,)))[0]["Interfaces"]

    def call(self, interface, member, arguments, fd=None):
        fds = Gio.UnixFDList.new()
        if fd is not None:
            fds.append(fd)
        try:
            reply, _ = self.connection.call_with_unix_fd_list_sync(
                None, LISTENER_PATH, interface, member, arguments, None,
                Gio.DBusCallFlags.NONE, FOREVER, fds, None)
        except GLib.Error as error:
            raise Refused(Gio.dbus_error_get_remote_error(error) or error.message) from error
        return reply.unpack()

    def scanout_map(self, fd, width, height, *, stride=None, offset=0, pixman=FORMAT):
        self.call(MAP, "ScanoutMap", GLib.Variant(
            "(huuuuu)", (0, offset, width, height, 4 * width if stride is None else stride, pixman)),
            fd)

    def update_map(self, *area):
        self.call(MAP, "UpdateMap", GLib.Variant("(iiii)", area))

    def show(self, fd, width, height, **more):
        """One page flip."""
        self.scanout_map(fd, width, height, **more)
        self.update_map(0, 0, width, height)

    def scanout(self, width, height, data, *, stride=None, pixman=FORMAT):
        self.call(LISTENER, "Scanout", with_data(
            "uuuu", (width, height, 4 * width if stride is None else stride, pixman), data))

    def update(self, area, data, *, stride=None, pixman=FORMAT):
        self.call(LISTENER, "Update", with_data(
            "iiiiuu", (*area, 4 * max(area[2], 0) if stride is None else stride, pixman), data))

    def dmabuf(self, fd):
        self.call(LISTENER, "ScanoutDMABUF", GLib.Variant("(huuuutb)", (0, 64, 48, 256, 0, 0, False)), fd)

    def disable(self):
        self.call(LISTENER, "Disable", None)

    def close(self):
        """As when QEMU is killed."""
        with socket.socket(fileno=os.dup(self.fd)) as ours:
            ours.shutdown(socket.SHUT_RDWR)


def with_data(types, values, data):
    """Arguments of which the last are bytes."""
    return GLib.Variant.new_tuple(
        *map(GLib.Variant, types, values),
        GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(data), True))


@contextlib.contextmanager
def memory(size, data=b""):
    """A memfd, as QEMU's pictures are in."""
    fd = os.memfd_create("picture", os.MFD_CLOEXEC)
    try:
        os.truncate(fd, size)
        os.pwrite(fd, data, 0)
        yield fd
    finally:
        os.close(fd)


class Object(dbus.service.Object):
    """The VM or a console: a path with properties."""

    def __init__(self, bus, path, properties, registered=None):
        super().__init__(bus, path)
        self.properties = properties
        self.registered = registered

    @dbus.service.method("org.freedesktop.DBus.Properties", "ss", "v")
    def Get(self, interface, name):
        return self.properties[str(name)]

    @dbus.service.method("org.freedesktop.DBus.Properties", "s", "a{sv}")
    def GetAll(self, interface):
        return self.properties

    @dbus.service.method(CONSOLE, "h", "")
    def RegisterListener(self, fd):
        self.registered(fd.take())


class FakeQemu:
    """`gpus` are (device address, number of heads). Text consoles come first, as QEMU's may."""

    def __init__(self, address, gpus=(("pci/0000/02.0", 2),), refuses=False):
        self.refuses = refuses
        self.registered: queue.Queue = queue.Queue()
        self.listeners: list[Listener] = []
        in_loop(lambda: self.connect(address, gpus))

    def connect(self, address, gpus):
        self.bus = dbus.bus.BusConnection(
            address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        consoles = [("", 0, "Text")] + [
            (device, head, "Graphic") for device, heads in gpus for head in reversed(range(heads))]
        ids = dbus.Array(range(len(consoles)), "u")
        self.objects = [Object(self.bus, "/org/qemu/Display1/VM",
                               {"Name": "fake", "ConsoleIDs": ids})]
        for number, (device, head, kind) in enumerate(consoles):
            self.objects.append(Object(self.bus, f"/org/qemu/Display1/Console_{number}", {
                "DeviceAddress": device, "Head": dbus.UInt32(head), "Type": kind,
                "Label": f"console {number}", "Width": dbus.UInt32(640),
                "Height": dbus.UInt32(480)}, lambda fd, where=(device, head): self.register(where, fd)))
        self.bus.request_name("org.qemu")

    def register(self, where, fd):
        if self.refuses:
            os.close(fd)
            raise dbus.DBusException("no", name="org.qemu.Display1.Error.Failed")
        # Away from the loop, which the reply needs.
        threading.Thread(target=self.serve, args=(where, fd), daemon=True).start()

    def serve(self, where, fd):
        try:
            listener = Listener(fd)
        except Refused:
            return  # whoever registered it is gone already
        self.listeners.append(listener)
        self.registered.put((*where, listener))

    def wait_listener(self, head=None):
        """The next one that is registered; of this head."""
        _, found, listener = self.registered.get()
        assert head is None or found == head, f"a listener for head {found}"
        return listener

    def kill(self):
        for listener in self.listeners:
            listener.close()
        in_loop(self.bus.close)
        self.objects.clear()

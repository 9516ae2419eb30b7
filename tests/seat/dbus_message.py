"""D-Bus messages as bytes, sound ones and others."""
import struct


def align(data, size):
    return data + b"\0" * (-len(data) % size)


def message(serial, kind=1, flags=0, body=b"", signature=None, fds=0, **fields):
    """A D-Bus message, little endian. Fields: path, interface, member, destination."""
    codes = {"path": (1, b"o"), "interface": (2, b"s"), "member": (3, b"s"),
             "destination": (6, b"s")}
    array = b"\x09\x01u\0" + struct.pack("<I", fds) if fds else b""
    if signature:
        fields["signature"] = signature
    for name, value in fields.items():
        array = align(array, 8)
        value = value.encode()
        if name == "signature":
            array += b"\x08\x01g\0" + bytes([len(value)]) + value + b"\0"
        else:
            code, kind_of = codes[name]
            array += bytes([code, 1]) + kind_of + b"\0" + struct.pack("<I", len(value))
            array += value + b"\0"
    head = struct.pack("<cBBBIII", b"l", kind, flags, 1, len(body), serial, len(array)) + array
    return align(head, 8) + body

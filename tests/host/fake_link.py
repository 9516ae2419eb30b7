"""A VM's end of the link, behind the socket that QEMU has for it: one connection at a time."""
import json
import os
import queue
import socket
import threading

HELLO = {"hello": {"version": 1, "program": "fake"}}


def grant(head, label="", container="", device="pci/0000/02.0", scanout=None, **more):
    return {"grant": {"scanout": scanout or f"card0-Virtual-{head + 1}", "device": device,
                      "head": head, "label": label, "container": container, "width": 1920,
                      "height": 1080, **more}}


def ready(daemon=True):
    return {"ready": {"daemon": daemon}}


def lines(*messages):
    return b"".join(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in messages)


class FakeLink:
    """Answers each hello with the `answer`, bytes; connections come into `connected`, and what they
    said, once it is answered, into `said`."""

    def __init__(self, folder, *messages, name="link"):
        self.path = str(folder / name)
        self.answer = lines(b"\n", HELLO, *messages, ready())
        self.said = queue.Queue()
        self.connected = queue.Queue()
        self.listener = None
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def serve(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self.connected.put(connection)
                self.talk(connection)

    def talk(self, connection):
        with connection.makefile("rb") as file:
            try:
                for line in file:
                    if line != b"\n":
                        connection.sendall(self.answer)
                        self.said.put(json.loads(line))
            except OSError:
                pass  # it did not wait for all of it

    def close(self):
        """As when QEMU ends."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        while not self.connected.empty():
            try:
                self.connected.get().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

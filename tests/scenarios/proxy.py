# SPDX-License-Identifier: Apache-2.0
"""A bad network: a TCP proxy on 127.0.0.1 that a test makes slow, silent, cut off, and good again."""
import contextlib
import socket
import struct
import threading
import time

RESETS_WHEN_CLOSED = struct.pack("ii", 1, 0)
CHUNK = 64 * 1024


class Proxy:
    """Stands before one port. `with Proxy(port) as proxy:` ends it; `proxy.port` is where clients go."""

    def __init__(self, target_port, target_host="127.0.0.1"):
        self.target = target_host, target_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._delay = 0.0
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._lock = threading.Lock()
        self._sockets = set()
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def slow(self, seconds):
        """Whatever is answered comes that much later; what comes meanwhile comes with it."""
        self._delay = seconds

    def silence(self):
        """Nothing gets through, in either direction, and nobody is told: no reset, no end. What was said
        meanwhile arrives when it is good again, as over a network that was cut for a while."""
        self._flows.clear()

    def reset(self):
        """Every connection of now is reset; new ones are let through."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS_WHEN_CLOSED)
            _end(each, socket.SHUT_RD)  # who still writes there finds it reset

    def refuse(self):
        """All are reset, new ones too."""
        self._refuses = True
        self.reset()

    def restore(self):
        """Good again."""
        self._delay = 0.0
        self._refuses = False
        self._flows.set()

    def close(self):
        self._is_closed = True
        _end(self.listener)
        self.refuse()
        self._flows.set()

    def answer_to(self, _asked):
        """What a client hears to it instead of the server's answer; None: the server is asked."""

    def _accept(self):
        while not self._is_closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self._join(client)

    def _join(self, client):
        try:
            if self._refuses:
                raise ConnectionRefusedError
            server = socket.create_connection(self.target, timeout=10)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS_WHEN_CLOSED)
            client.close()
            return
        server.settimeout(None)
        for each in client, server:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets |= {client, server}
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source, sink, is_answering):
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                if not is_answering and (answer := self.answer_to(chunk)):
                    source.sendall(answer)
                    continue
                if is_answering and self._delay:
                    time.sleep(self._delay)
                self._flows.wait()
                sink.sendall(chunk)
        self._flows.wait()
        with self._lock:
            ended = self._sockets & {source, sink}
            self._sockets -= ended
        for each in ended:
            _end(each)


def _end(each, how=socket.SHUT_RDWR):
    """Closes it, and wakes whoever reads from it."""
    with contextlib.suppress(OSError):
        each.shutdown(how)
    each.close()

# SPDX-License-Identifier: Apache-2.0
"""Stands between a client and its Redis, and keeps what the client says."""
import socket
import threading

CHUNK = 1 << 16


class Recorder:
    def __init__(self, target_port):
        self.target_port, self.said = target_port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def longest(self):
        """What was said on the connection that said most."""
        return bytes(max(self.said, key=len))

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target_port))
            said = bytearray()
            self.said.append(said)
            threading.Thread(target=_pass_on, args=(client, server, said), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, None), daemon=True).start()


def _pass_on(source, target, said):
    try:
        while chunk := source.recv(CHUNK):
            if said is not None:
                said += chunk
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

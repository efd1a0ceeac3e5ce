# SPDX-License-Identifier: Apache-2.0
"""A member that leads its group and never says who gets what: the others have joined, and wait for their assignment."""
import socket
import struct

JOIN_GROUP, VERSION = 11, 2  # https://kafka.apache.org/protocol#The_Messages_JoinGroup
NONE, COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE = 0, 14, 15


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def data(content):
    return struct.pack(">i", len(content)) + content


class SilentLeader:
    def __init__(self, address, group, topic, strategy="cooperative-sticky"):
        host, port = address.rsplit(":", 1)
        self.group, self.member = group, ""
        subscription = struct.pack(">hi", 0, 1) + string(topic) + struct.pack(">i", -1)  # version, topics, no user data
        self.protocols = struct.pack(">i", 1) + string(strategy) + data(subscription)
        self.socket = socket.create_connection((host, int(port)), timeout=60)

    def join(self):
        """Waits for all who want to; how many they are, this one included. Which it leads, if it came first."""
        request = (struct.pack(">hhi", JOIN_GROUP, VERSION, 1) + string("silent") + string(self.group)
                   + struct.pack(">ii", 60000, 60000)  # session, rebalance: milliseconds
                   + string(self.member) + string("consumer") + self.protocols)
        self.socket.sendall(data(request))
        size, = struct.unpack(">i", self.read(4))
        answer = Answer(self.read(size))
        answer.take(">ii")  # which request, throttle time
        error, _ = answer.take(">hi")
        if error in (COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE):
            return 0
        assert error == NONE, f"JoinGroup: error {error}"
        answer.string()
        leader, self.member = answer.string(), answer.string()
        assert leader == self.member, "somebody else leads"
        count, = answer.take(">i")
        return count

    def read(self, size):
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            assert more, "the broker hung up"
            got += more
        return got

    def close(self):
        self.socket.close()


class Answer:
    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, form):
        values = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self):
        length, = self.take(">h")
        self.at += length
        return self.content[self.at - length:self.at].decode()

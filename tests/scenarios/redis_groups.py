# SPDX-License-Identifier: Apache-2.0
"""Several redis-servers as one: a master with a replica and sentinels, a Cluster."""
import signal
import subprocess
from pathlib import Path

from support import Redis, eventually, free_port, run

SLOTS = 16384


class Sentinels:
    """A master, a replica, and three sentinels that watch over them. `url` leads there."""

    def __init__(self, folder, name="runs"):
        self.name = name
        self.servers = [Redis(Path(folder) / "first"), Redis(Path(folder) / "second")]
        self.servers[1].cli("replicaof", "127.0.0.1", self.servers[0].port)
        eventually(lambda: "master_link_status:up" in self.servers[1].cli("info", "replication"))
        self.sentinels = [self._sentinel(Path(folder) / f"sentinel-{n}") for n in range(3)]
        eventually(lambda: all(self._knows_all(port) for _, port in self.sentinels))
        self.url = f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for _, port in self.sentinels)}/{name}"

    def _sentinel(self, folder):
        folder.mkdir(parents=True)
        port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(f"port {port}\ndir {folder}\nsentinel monitor {self.name} 127.0.0.1 {self.servers[0].port} 2\n"
                          f"sentinel down-after-milliseconds {self.name} 2000\nsentinel failover-timeout {self.name} 4000\n")
        out = open(folder / "out", "ab")
        process = subprocess.Popen(["redis-server", config, "--sentinel"], stdout=out, stderr=out, start_new_session=True)
        out.close()
        return process, port

    def _ask(self, port, *words):
        return subprocess.run(["redis-cli", "-p", str(port), *words], capture_output=True, text=True).stdout

    def _knows_all(self, port):
        told = self._ask(port, "sentinel", "master", self.name).split()
        facts = dict(zip(told[::2], told[1::2]))
        return facts.get("num-slaves") == "1" and facts.get("num-other-sentinels") == "2"

    def master(self):
        """The server that the sentinels name."""
        port = self._ask(self.sentinels[0][1], "sentinel", "get-master-addr-by-name", self.name).split()[-1]
        return next(server for server in self.servers if server.port == int(port))

    def stop(self):
        for process, _ in self.sentinels:
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        for server in self.servers:
            server.kill()


class Cluster:
    """Three masters with a replica each. `url` leads there."""

    def __init__(self, folder):
        self.nodes = [Redis(Path(folder) / f"node-{n}", "--cluster-enabled", "yes", "--cluster-node-timeout", "3000",
                            "--cluster-port", str(free_port())) for n in range(6)]
        addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
        run("redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes")
        eventually(lambda: all("cluster_state:ok" in node.cli("cluster", "info") for node in self.nodes))
        eventually(lambda: sum("role:slave" in node.cli("info", "replication") and
                               "master_link_status:up" in node.cli("info", "replication") for node in self.nodes) == 3)
        self.url = f"redis+cluster://{','.join(addresses)}"

    def living(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def owner(self, slot):
        """The master that serves a slot, and its id."""
        for line in self.living()[0].cli("cluster", "nodes").splitlines():
            node_id, address, flags, _, _, _, _, _, *ranges = line.split()
            bounds = [[int(end) for end in each.split("-")] for each in ranges if "[" not in each]
            if "master" in flags and "fail" not in flags and any(each[0] <= slot <= each[-1] for each in bounds):
                port = int(address.split("@")[0].rpartition(":")[2])
                return next(node for node in self.nodes if node.port == port), node_id
        raise AssertionError(f"nobody serves slot {slot}")

    def serves(self, slot):
        """Whether a master that is not said to fail serves the slot: none does while a replica is chosen."""
        try:
            return self.owner(slot) is not None
        except AssertionError:
            return False

    def slot(self, shard):
        return int(self.nodes[0].cli("cluster", "keyslot", f"{{{shard}}}"))

    def begin_move(self, slot, target):
        """The slot is on its way to the node `target`: what is asked for there and not found is sent on."""
        source, source_id = self.owner(slot)
        target_id = target.cli("cluster", "myid")
        assert target.cli("cluster", "setslot", slot, "importing", source_id) == "OK"
        assert source.cli("cluster", "setslot", slot, "migrating", target_id) == "OK"
        return source

    def end_move(self, slot, source, target):
        """Its keys go there, then it does."""
        while keys := source.cli("cluster", "getkeysinslot", slot, 100).split("\n"):
            if keys == [""]:
                break
            said = source.cli("migrate", "127.0.0.1", target.port, "", 0, 5000, "keys", *keys)
            assert said in ("OK", "NOKEY"), said
        target_id = target.cli("cluster", "myid")
        for node in (target, source):
            assert node.cli("cluster", "setslot", slot, "node", target_id) == "OK"

    def masters(self):
        return [node for node in self.living() if "role:master" in node.cli("info", "replication")]

    def moves_atomically(self):
        """By Valkey's command (9), or by Redis's (8.4)."""
        said = self.nodes[0].cli("cluster", "help")
        return "MIGRATESLOTS" in said or "MIGRATION" in said

    def move(self, slot, target):
        """As this server does it."""
        source, _ = self.owner(slot)
        if not self.moves_atomically():
            self.end_move(slot, self.begin_move(slot, target), target)
            return
        if "MIGRATESLOTS" in source.cli("cluster", "help"):
            said = source.cli("cluster", "migrateslots", "slotsrange", slot, slot, "node", target.cli("cluster", "myid"))
            assert said == "OK", said
        else:
            said = target.cli("cluster", "migration", "import", slot, slot)
            assert "ERR" not in said, said
        eventually(lambda: self.serves(slot) and self.owner(slot)[0] is target, what=lambda: source.cli("cluster", "getslotmigrations"))

    def stop(self):
        for node in self.nodes:
            node.kill()

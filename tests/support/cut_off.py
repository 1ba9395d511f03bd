"""A server in a network namespace of its own, behind a cable that can be pulled: no FIN, no RST, just silence."""
import itertools
import os
import subprocess

from support.child import Child

_numbers = itertools.count(1)


def _ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


class Cable:
    """Needs the right to make network namespaces (root)."""

    def __init__(self):
        number = next(_numbers)
        self.namespace = f"stox{os.getpid()}-{number}"
        self.device = f"sx{os.getpid() % 100000}-{number}"
        network = f"10.{200 + number}.{os.getpid() // 256 % 256}.{os.getpid() % 64 * 4}".rsplit(".", 1)
        self.host = f"{network[0]}.{int(network[1]) + 2}"  # of the server
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self.device, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        _ip("address", "add", f"{network[0]}.{int(network[1]) + 1}/30", "dev", self.device)
        _ip("-n", self.namespace, "address", "add", f"{self.host}/30", "dev", "eth0")
        for words in (["-n", self.namespace, "link", "set", "lo", "up"],
                      ["-n", self.namespace, "link", "set", "eth0", "up"]):
            _ip(*words)
        self.plug()

    def plug(self):
        _ip("link", "set", self.device, "up")

    def pull(self):
        _ip("link", "set", self.device, "down")

    def is_quiet(self):
        """The server's side waits for no acknowledgement: when the cable is back it has nothing to send again, by
        which it would learn that a connection is no more."""
        return "unacked" not in subprocess.run(["ip", "netns", "exec", self.namespace, "ss", "-tin"], check=True,
                                               capture_output=True, text=True).stdout

    def enclose(self, server):
        """What this server starts runs behind the cable."""
        for part in [server] if isinstance(server, Child) else server.parts:
            part.command = ["ip", "netns", "exec", self.namespace, *part.command]
        return server

    def remove(self):
        _ip("netns", "del", self.namespace)

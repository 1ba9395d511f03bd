"""A DNS server of the test: dnsmasq, which knows of the domain "test" what it is told, and nothing else."""
import shutil
import socket
import struct

from support import loopback
from support.child import Child


class NameServer(Child):
    def __init__(self, folder, host, addresses=(), services=(), pointers=(), records=()):
        """addresses: (name, address), or one of each family with a comma between; services: (name, target, port,
        priority, weight); pointers: (name, order, preference, flags, service, replacement);
        records: (name, number of its type, bytes) of any other type. On port 53 of its own address
        if that is free, because some servers ask on no other."""
        folder.mkdir()
        self.host, self.port = host, loopback.free_port(host, 53)
        self.address = f"{host}:{self.port}"
        options = [f"--host-record={name},{address}" for name, address in addresses]
        options += ["--srv-host=" + ",".join(map(str, service)) for service in services]
        options += [f"--naptr-record={','.join(map(str, pointer[:-1]))},,{pointer[-1]}" for pointer in pointers]
        options += [f"--dns-rr={name},{number},{data.hex()}" for name, number, data in records]
        super().__init__("dnsmasq", [shutil.which("dnsmasq") or "/usr/sbin/dnsmasq", "--keep-in-foreground", "--log-queries",
                                     "--log-facility=-", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
                                     "--user=root", "--local=/test/", "--bind-interfaces", f"--listen-address={host}",
                                     f"--port={self.port}", *options], folder)

    def start(self):
        super().start()
        self.wait_until(self._answers, "answering")
        return self

    def _answers(self):
        question = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\4test\0" + struct.pack(">2H", 1, 1)
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.settimeout(1)
            probe.connect((self.host, self.port))
            try:
                probe.send(question)
                return len(probe.recv(512)) > 0
            except OSError:
                return False

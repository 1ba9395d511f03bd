"""A DNS server of the test: dnsmasq with the records it is given, and no others."""
import socket
import struct

from support import loopback
from support.child import Child


class NameServer(Child):
    def __init__(self, folder, host, records, services=()):
        """records: {domain: (addresses, port)}, the addresses, of either family, with a comma between; services: {domain:
        [(service, port)]} where it is not _xmpp-server at that port. On port 53 of its own address, because some servers
        ask on no other."""
        folder.mkdir()
        self.host = host
        self.port = loopback.free_port(host, 53)
        options = []
        for domain, (addresses, port) in records.items():
            options += [f"--host-record=host.{domain},{address}" for address in addresses.split(",")]
            for service, at in dict(services).get(domain, [("_xmpp-server", port)]):
                options.append(f"--srv-host={service}._tcp.{domain},host.{domain},{at},5,5")
        super().__init__("dnsmasq", ["dnsmasq", "--keep-in-foreground", "--log-queries", "--log-facility=-", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                                     "--pid-file=", "--user=root", "--local=/test/", "--bind-interfaces", f"--listen-address={host}",
                                     f"--port={self.port}", *options], folder)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

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

"""A DNS server whose A and SRV records a test changes while it runs; they live a second."""
import asyncio
import socket
import struct

from support import background, loopback

A, SRV = 1, 33


def _name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".")) + b"\0"


class ChangingDns(asyncio.DatagramProtocol):
    def __init__(self, host):
        self.records = {}  # (name, A) -> [address], (name, SRV) -> [(port, target)]
        self.host, self.port = host, loopback.free_port(host)
        background.call(self._open)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def close(self):
        background.call(self.transport.close)

    async def _open(self):
        self.transport, _ = await background.loop().create_datagram_endpoint(lambda: self, (self.host, self.port))

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        end, labels = 12, []
        while data[end]:
            labels.append(data[end + 1:end + 1 + data[end]].decode())
            end += 1 + data[end]
        kind = struct.unpack("!H", data[end + 1:end + 3])[0]
        name = ".".join(labels).lower()
        found = list(self.records.get((name, kind), []))
        exists = any(known == name for known, _ in self.records)
        flags = 0x8580 | (0 if exists else 3)
        answer = b""
        for record in found:
            content = socket.inet_aton(record) if kind == A else struct.pack("!HHH", 0, 0, record[0]) + _name(record[1])
            answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(content)) + content
        self.transport.sendto(data[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + data[12:end + 5] + answer,
                              address)

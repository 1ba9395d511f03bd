"""A way for datagrams between two ends that loses those that a test wants lost."""
import asyncio

from support import background, loopback


class LossyPath:
    """What comes to `address` goes on to `to`, and what comes back from there to whoever sent last."""

    def __init__(self, host, to):
        self.to = to
        self.address = (host, loopback.free_port(host))
        self.lose_there, self.lose_back = set(), set()  # numbers of datagrams, from 1
        self.went = {"there": 0, "back": 0}
        self._sender = None
        background.call(self._open)

    async def _open(self):
        path = self

        class Front(asyncio.DatagramProtocol):
            def datagram_received(self, data, address):
                path._sender = address
                path._pass("there", path.lose_there, lambda: path._back.sendto(data, path.to))

        class Back(asyncio.DatagramProtocol):
            def datagram_received(self, data, _):
                path._pass("back", path.lose_back, lambda: path._front.sendto(data, path._sender))

        loop = background.loop()
        self._front, _ = await loop.create_datagram_endpoint(Front, self.address)
        self._back, _ = await loop.create_datagram_endpoint(Back, (self.address[0], 0))

    def _pass(self, direction, lost, send):
        self.went[direction] += 1
        if self.went[direction] not in lost:
            send()

    def close(self):
        background.call(lambda: (self._front.close(), self._back.close()))

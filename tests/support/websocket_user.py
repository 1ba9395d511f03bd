"""A SIP user agent over secure WebSocket (RFC 7118), as one in a browser."""
import asyncio
import uuid

import websockets

from support import background
from support.sip_message import SipMessage
from support.sip_user import SipUser


class WebSocketUser(SipUser):
    def __init__(self, uri, server, password, authority):
        """server: (host, port) of wss://; its certificate is of the authority."""
        super().__init__("127.0.0.1", uri, server, "wss", password, tcp=False)
        self._tls, self._socket = authority.client(), None
        # RFC 7118 5: a browser has no address that it could tell.
        self.host, self.port = f"{uuid.uuid4().hex[:12]}.invalid", 5060

    @property
    def contact(self):
        return f"sip:{self.uri.partition(':')[2].partition('@')[0]}@{self.host};transport=ws"

    async def _write(self, data):
        if self._socket is None:
            self._socket = await websockets.connect(f"wss://{self.proxy[0]}:{self.proxy[1]}/", ssl=self._tls,
                                                    subprotocols=["sip"], ping_interval=None)
            assert self._socket.subprotocol == "sip"
            asyncio.ensure_future(self._receive())
        await self._socket.send(data.decode())

    async def _receive(self):
        async for frame in self._socket:
            head, _, body = (frame if isinstance(frame, bytes) else frame.encode()).partition(b"\r\n\r\n")
            if head.strip():
                self._took_in(SipMessage.parse(head, body), lambda out: background.loop().create_task(self._socket.send(out.decode())))

    async def _close(self):
        await super()._close()
        if self._socket:
            await self._socket.close()

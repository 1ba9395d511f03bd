"""A small SIP user agent for MESSAGE over UDP, TCP and TLS, beside the real ones: it says when a test asks, and how,
and answers as the test tells it."""
import asyncio
import hashlib
import itertools
import queue
import re
import time
import uuid

from support import background, loopback
from support.sip_message import Framer, SipMessage
from support.waiting import PATIENCE

T1, T2 = 0.5, 4.0  # RFC 3261 17.1.1.1


class Sent:
    """A request of ours and what was answered."""

    def __init__(self, request):
        self.request = request
        self.provisional = []
        self.finals = []  # the first ended the transaction; copies come behind it
        self.answered_after = None  # seconds
        self._final = queue.Queue()
        self._began = time.monotonic()

    def took_in(self, response):
        if response.status < 200:
            self.provisional.append(response)
            return
        self.finals.append(response)
        if len(self.finals) == 1:
            self.answered_after = time.monotonic() - self._began
            self._final.put(response)  # last: who waits for it reads the rest from another thread

    def answer(self, within=PATIENCE):
        if not self.finals:
            try:
                self._final.get(timeout=within)
            except queue.Empty:
                raise AssertionError(f"no final answer within {within:.0f} s to {self.request}") from None
        return self.finals[0]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, user):
        self.user = user

    def datagram_received(self, data, address):
        head, _, body = data.partition(b"\r\n\r\n")
        if head.strip():
            self.user._took_in(SipMessage.parse(head, body), lambda out: self.user._udp.sendto(out, address))


class SipUser:
    def __init__(self, host, uri, proxy=None, transport="udp", password=None, authority=None,
                 tcp=True):
        """uri: who we are; proxy: (host, port) that gets all requests; transport: "udp", "tcp" or "tls", for which
        an authority is needed: support.certificates.Authority; tcp: whether it listens for connections."""
        self._listens = tcp
        self._server = None
        self._client_tls = authority.client() if authority else None
        self._server_tls = authority.server(f"IP:{host}") if authority else None
        self.host, self.uri, self.proxy, self.transport, self.password = host, uri, proxy, transport, password
        self.port = loopback.free_port(host, 5060)
        self.inbox = queue.Queue()  # requests, copies of one transaction once
        self.copies = {}  # branch -> how many times that request came
        self.automatic = (200, "OK")  # answer to each request; None: the test calls respond() of the request
        self._answers = {}  # branch -> response sent
        self._sent = {}  # branch -> Sent
        self._numbers = itertools.count(1)
        self._writer = None
        self._closed = False
        background.call(self._open)

    async def _open(self):
        loop = background.loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (self.host, self.port))
        if self._listens:
            self._server = await asyncio.start_server(self._accepted, self.host, self.port, ssl=self._server_tls)

    @property
    def contact(self):
        return f"sip:{self.uri.partition(':')[2].partition('@')[0]}@{self.host}:{self.port};transport={self.transport}"

    # What a test asks for.

    def message(self, to, body, within=PATIENCE, **how):
        """Sends a MESSAGE and returns its final response."""
        return self.send("MESSAGE", to, body, **how).answer(within)

    def request(self, method, to, within=PATIENCE, **how):
        return self.send(method, to, "", content_type=None, **how).answer(within)

    def send(self, method, to, body, **how):
        """Sends a request and returns at once; see make() for how."""
        request = self.make(method, to, body, **{k: v for k, v in how.items() if k != "retransmit"})
        return self.send_request(request, how.get("retransmit", True))

    def send_request(self, request, retransmit=True):
        sent = Sent(request)
        self._sent[request.branch] = sent
        background.call(self._transact, sent, retransmit)
        return sent

    def send_together(self, requests, piece):
        """Pipelined on one connection, in writes of so many bytes."""
        sent = [Sent(request) for request in requests]
        self._sent |= {one.request.branch: one for one in sent}
        data = b"".join(request.bytes() for request in requests)
        for at in range(0, len(data), piece):
            background.call(self._write, data[at:at + piece])
        return sent

    def make(self, method, to, body, content_type="text/plain;charset=UTF-8", headers=(), call_id=None, cseq=None,
             tag=None, branch=None, max_forwards=70, sender=None):
        """A request as a user agent would make it; headers are added, or replace those of the same name."""
        body = body if isinstance(body, bytes) else body.encode()
        usual = [
            ("Via", f"SIP/2.0/{self.transport.upper()} {self.host}:{self.port};rport;"
                    f"branch={branch or 'z9hG4bK' + uuid.uuid4().hex}"),
            ("Max-Forwards", max_forwards),
            ("From", f"<{sender or self.uri}>;tag={tag or uuid.uuid4().hex[:12]}"),
            ("To", f"<{to}>"),
            ("Call-ID", call_id or uuid.uuid4().hex),
            ("CSeq", f"{cseq or next(self._numbers)} {method}"),
        ]
        if content_type and body:
            usual.append(("Content-Type", content_type))
        usual.append(("Content-Length", len(body)))
        names = {name.lower() for name, _ in headers}
        kept = [(name, value) for name, value in usual if name.lower() not in names]
        return SipMessage(f"{method} {to} SIP/2.0", [*kept, *headers], body)

    def register(self, expires=600):
        """Registers our contact at the proxy, with digest if asked."""
        registrar = "sip:" + self.uri.partition("@")[2]
        headers = [("Contact", f"<{self.contact}>"), ("Expires", expires), ("To", f"<{self.uri}>")]
        response = self.request("REGISTER", registrar, headers=headers)
        if response.status == 401:
            headers.append(("Authorization", self._digest("REGISTER", registrar, response.get("www-authenticate"))))
            response = self.request("REGISTER", registrar, headers=headers)
        assert response.status == 200, f"registration of {self.uri}: {response}"
        return self

    def message_through_proxy(self, to, body, **how):
        """A MESSAGE through a proxy that asks for a password."""
        return self.through_proxy("MESSAGE", to, body, **how)

    def through_proxy(self, method, to, body="", within=PATIENCE, **how):
        response = self.send(method, to, body, **how).answer(within)
        if response.status == 407:
            credentials = self._digest(method, to, response.get("proxy-authenticate"))
            headers = [*how.pop("headers", ()), ("Proxy-Authorization", credentials)]
            response = self.send(method, to, body, headers=headers, **how).answer(within)
        return response

    def next_request(self, within=PATIENCE):
        """The next request that came in, copies of one transaction counting once."""
        try:
            return self.inbox.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"{self.uri} received nothing within {within:.0f} s") from None

    def texts(self, count, within=PATIENCE):
        return [self.next_request(within).text for _ in range(count)]

    def send_bytes(self, data):
        """Raw bytes to the proxy: one datagram, or a write on the connection."""
        background.call(self._write, data)

    def close(self):
        self._closed = True
        background.call(self._close)

    # On the loop.

    async def _transact(self, sent, retransmit):
        data = sent.request.bytes()
        await self._write(data)
        if self.transport == "udp" and retransmit:
            asyncio.ensure_future(self._retransmit(sent, data))

    async def _retransmit(self, sent, data):
        wait, end = T1, time.monotonic() + 64 * T1
        while True:
            await asyncio.sleep(wait)
            if sent.finals or self._closed or time.monotonic() > end:
                return
            self._udp.sendto(data, self.proxy)
            wait = T2 if sent.provisional else min(2 * wait, T2)

    async def _write(self, data):
        if self.transport == "udp":
            self._udp.sendto(data, self.proxy)
            return
        if self._writer is None or self._writer.is_closing():
            reader, self._writer = await asyncio.open_connection(*self.proxy, local_addr=(self.host, 0),
                                                                 ssl=self._client_tls)
            asyncio.ensure_future(self._read(reader, self._writer))
        self._writer.write(data)
        await self._writer.drain()

    async def _accepted(self, reader, writer):
        await self._read(reader, writer)

    async def _read(self, reader, writer):
        framer = Framer()
        try:
            while data := await reader.read(65536):
                for message in framer.feed(data):
                    self._took_in(message, writer.write)
        except ConnectionError:
            pass
        writer.close()

    def _took_in(self, message, reply):
        if message.is_response:
            sent = self._sent.get(message.branch)
            if sent:
                sent.took_in(message)
            return
        branch = message.branch
        self.copies[branch] = self.copies.get(branch, 0) + 1
        if branch in self._answers:
            reply(self._answers[branch])
            return
        if self.copies[branch] > 1:
            return

        def respond(status, reason, headers=()):
            to = message.get("to") + ("" if "tag=" in message.get("to") else ";tag=" + uuid.uuid4().hex[:12])
            copied = [("Via", via) for via in message.all("via")] + [
                ("From", message.get("from")), ("To", to), ("Call-ID", message.get("call-id")),
                ("CSeq", message.get("cseq")), *headers, ("Content-Length", 0)]
            data = SipMessage(f"SIP/2.0 {status} {reason}", copied).bytes()
            if status >= 200:
                self._answers[branch] = data
            background.loop().call_soon_threadsafe(reply, data)

        message.respond = respond
        if self.automatic:
            respond(*self.automatic)
        self.inbox.put(message)

    async def _close(self):
        self._udp.close()
        if self._server:
            self._server.close()
        if self._writer:
            self._writer.close()

    def _digest(self, method, uri, challenge):
        """RFC 7616 with qop=auth or without, MD5 or SHA-256."""
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.partition(" ")[2]))
        user = self.uri.partition(":")[2].partition("@")[0]
        algorithm = given.get("algorithm", "MD5")
        hashed = lambda text: hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()
        ha1, ha2 = hashed(f"{user}:{given['realm']}:{self.password}"), hashed(f"{method}:{uri}")
        parts = {"username": user, "realm": given["realm"], "nonce": given["nonce"], "uri": uri}
        tail = f", algorithm={algorithm}"
        if "qop" in given:
            cnonce = uuid.uuid4().hex[:8]
            parts["response"] = hashed(f"{ha1}:{given['nonce']}:00000001:{cnonce}:auth:{ha2}")
            tail += f', qop=auth, nc=00000001, cnonce="{cnonce}"'
        else:
            parts["response"] = hashed(f"{ha1}:{given['nonce']}:{ha2}")
        return "Digest " + ", ".join(f'{k}="{v}"' for k, v in parts.items()) + tail

"""Floods of all kinds: memory stays bounded, what is refused is counted, and afterwards a message crosses as ever."""
import asyncio
import random
import resource
import socket

import pytest

from support import background, loopback
from support.site import Site
from support.stox import PROGRAMS
from support.waiting import eventually

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"
PACKETS, CONNECTIONS, OF_ONE_ADDRESS = 2000, 1000, 200
BOUND = 15  # messages in flight, too few for shares
MAY_GROW = 150e6  # bytes; what is kept for retransmissions of answered requests is in it
SANITIZED = b"__asan_init" in (PROGRAMS / "stox-sip-front").read_bytes()  # which keeps what was freed
pytestmark = pytest.mark.usefixtures("many_descriptors")


class Flooded:
    """A site with a second UDP listener, at which nobody is trusted."""

    def __init__(self):
        self.site = Site(with_tls=True, front={"max_in_flight": BOUND, "max_connections_per_source": OF_ONE_ADDRESS})
        stox = self.site.stox
        self.strange = (stox.host, loopback.free_port(stox.host))
        front = stox.configuration["sip_front"][0]
        front["listen"].append("udp:%s:%d" % self.strange)
        front["listener"] = [{"listen": front["listen"][-1], "trusted": []}]
        stox.write()
        self.site.start()
        self.romeo, self.juliet = self.site.sip_user("romeo"), self.site.xmpp_user("juliet")
        self.pid = stox.pid("sip-1")
        self.works()
        self.before = self.memory()

    def memory(self):
        with open(f"/proc/{self.pid}/statm") as figures:
            return int(figures.read().split()[1]) * resource.getpagesize()

    def figures(self):
        return self.site.stox.ctl_json("sip")["fronts"][0]

    def works(self):
        assert self.romeo.message(JULIET, "as ever").status == 200
        assert self.juliet.next_message().body == "as ever"

    def stood_it(self):
        assert self.site.stox.pid("sip-1") == self.pid
        assert SANITIZED or self.memory() < self.before + MAY_GROW, f"{self.memory() / 1e6:.0f} MB"
        self.works()


@pytest.fixture(scope="module")
def flooded():
    flooded = Flooded()
    yield flooded
    flooded.site.stop()


def packet(method="MESSAGE", body=b"x", length=None, number=iter(range(10**9))):
    n = next(number)
    return (f"{method} {JULIET} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKflood{n};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:flood{n}@sip.test>;tag=f{n}\r\nTo: <{JULIET}>\r\nCall-ID: flood{n}\r\n"
            f"CSeq: 1 {method}\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n\r\n").encode() + body


def answer(number):
    return (f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{number:016x}.00000000\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: e\r\nCSeq: 1 MESSAGE\r\n\r\n").encode()


def pour(address, packets):
    """As datagrams, as fast as they go; returns what came back of it."""
    back = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sender.bind((loopback.address(230), 0))
        sender.connect(address)
        sender.setblocking(False)
        for data in packets:
            try:
                sender.send(data)
            except BlockingIOError:
                pass
            try:
                back.append(sender.recv(65536))
            except BlockingIOError:
                pass
        sender.settimeout(1)
        try:
            while True:
                back.append(sender.recv(65536))
        except TimeoutError:
            return back


def test_datagrams_of_any_kind(flooded):
    noise = random.Random(7)
    kinds = {
        "rubbish": lambda i: noise.randbytes(noise.randint(1, 1400)),
        "half a header": lambda i: packet()[:noise.randint(30, 200)],
        "a giant length": lambda i: packet(length=4_000_000_000),
        "64 kB": lambda i: packet(body=b"x" * 60_000) if i % 10 == 0 else b"\r\n\r\n",
        "answers to nothing": answer,
        "CANCEL": lambda i: packet("CANCEL"),
        "ACK": lambda i: packet("ACK"),
        "OPTIONS": lambda i: packet("OPTIONS"),
        "unknown": lambda i: packet(f"DANCE{i}"),
    }
    for kind in kinds.values():
        pour(flooded.site.stox.address, map(kind, range(PACKETS)))
    flooded.stood_it()
    seen = flooded.figures()
    assert seen["stray_responses"] > 0 and seen["ignored"] > 0
    assert {"malformed", "method"} <= seen["refused"].keys()


def test_messages_of_strangers(flooded):
    answers = pour(flooded.strange, (packet() for _ in range(PACKETS)))
    flooded.stood_it()
    seen = flooded.figures()
    assert seen["refused"]["untrusted"] > 0 and seen["strangers_unanswered"] > 0
    assert {one.partition(b"\r\n")[0] for one in answers} == {b"SIP/2.0 403 Forbidden"}


def test_messages_beyond_the_bound(flooded):
    """Refused before anybody looks at their bodies, which are no text at all."""
    flooded.site.xmpp_server.freeze()
    waiting = [flooded.romeo.send("MESSAGE", JULIET, f"number {i}") for i in range(BOUND)]
    eventually(lambda: flooded.site.stox.in_flight("sip-1") == BOUND, "the bound is reached")
    answers = pour(flooded.site.stox.address, (packet(body=b"\xff\xfe\x00" * 100) for _ in range(PACKETS)))
    flooded.site.xmpp_server.thaw()

    assert {one.partition(b"\r\n")[0] for one in answers} == {b"SIP/2.0 503 Service unavailable"}
    assert all(b"\r\nRetry-After: " in one for one in answers)
    assert [one.answer().status for one in waiting] == [200] * BOUND
    assert flooded.juliet.bodies(BOUND) == [f"number {i}" for i in range(BOUND)]
    assert flooded.figures()["refused"]["unavailable"] >= len(answers)
    flooded.stood_it()


async def open_many(address, count, data):
    """Connections from four addresses, each of which says the same and no more."""
    async def one(i):
        try:
            _, writer = await asyncio.open_connection(*address, local_addr=(loopback.address(231 + i % 4), 0))
            writer.write(data)
            return writer
        except OSError:
            return None

    return [writer for at in range(0, count, 100)
            for writer in await asyncio.gather(*(one(at + i) for i in range(100))) if writer]


def come_to_nothing(flooded, address, data, transport):
    writers = background.call(open_many, address, CONNECTIONS, data)
    if not data:  # these are not closed for their silence so soon
        eventually(lambda: flooded.figures()["connections_refused"] > 0, "some are refused")
    assert flooded.figures()["connection_count"] <= 4 * OF_ONE_ADDRESS + 2
    flooded.stood_it()
    user = flooded.site.sip_user("mercutio", transport)
    assert user.message(JULIET, "in between").status == 200
    assert flooded.juliet.next_message().body == "in between"
    for writer in writers:
        background.loop().call_soon_threadsafe(writer.close)
    user.close()
    eventually(lambda: flooded.figures()["connection_count"] <= 1, "all of them have gone")


@pytest.mark.parametrize("data", [b"", b"M", b"MESSAGE " + b"x" * 15_000, packet(length=60_000) + b"x" * 30_000,
                                  packet(length=4_000_000_000)],
                         ids=["nothing", "one byte", "half a head", "half a body", "a giant length"])
def test_connections_that_come_to_nothing(flooded, data):
    come_to_nothing(flooded, flooded.site.stox.address, data, "tcp")


def test_handshakes_that_never_end(flooded):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # of a ClientHello that goes on
    come_to_nothing(flooded, flooded.site.stox.tls_address, hello, "tls")

"""Thousands of connections to one front, and some of them bad."""
import asyncio

import pytest

from support import background, loopback
from support.waiting import eventually

SITE = {"with_tls": True}
MANY, HOSTS = 2400, 4
pytestmark = pytest.mark.usefixtures("many_descriptors")


async def _open(address, count, tls=None):
    """Connections from several addresses of ours."""
    made = []
    for at in range(count):
        made.append(await asyncio.open_connection(*address, local_addr=(loopback.address(220 + at % HOSTS), 0), ssl=tls))
    return made


def _opened(site, transport):
    """How many connections peers have opened, as the front says."""
    listed = {peer["name"]: peer for peer in site.stox.status()["sip-1"]["peers"]}
    return listed.get(f"{transport} connections", {"opened_by_peer": 0})["opened_by_peer"]


def test_thousands_of_connections(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo", "tcp")
    connections = background.call(_open, site.stox.address, MANY)
    eventually(lambda: _opened(site, "tcp") == MANY, "the front has them all")
    half = connections[:50]  # begin a message and leave it there
    for _, writer in half:
        writer.write(b"MESSAGE sip:somebody@sip-xmpp.test SIP/2.0\r\nVia: ")
    assert romeo.message(site.sip_uri(juliet), "through the crowd").status == 200
    assert juliet.next_message().body == "through the crowd"
    eventually(lambda: _opened(site, "tcp") == MANY + 1 - len(half), "those that stalled are closed")

    async def ping(reader, writer):
        writer.write(b"\r\n\r\n")
        return await asyncio.wait_for(reader.readexactly(2), 30)

    async def ping_all():
        return await asyncio.gather(*(ping(*one) for one in connections[len(half):]))

    assert set(background.call(ping_all)) == {b"\r\n"}
    for _, writer in connections:
        background.loop().call_soon_threadsafe(writer.close)
    eventually(lambda: _opened(site, "tcp") <= 1, "the front has noticed that they have gone")


def test_hundreds_of_tls_connections(site):
    connections = background.call(_open, site.stox.tls_address, 300, site.authority.client())
    eventually(lambda: _opened(site, "tls") == 300, "the front has them all")
    for _, writer in connections:
        background.loop().call_soon_threadsafe(writer.close)
    eventually(lambda: _opened(site, "tls") == 0, "the front has noticed that they have gone")

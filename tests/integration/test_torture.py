"""The 49 messages of RFC 4475 at a running front, over UDP and over TCP: each gets the answer that
tests/unit/sip_front/torture/expected.txt says, and nothing of it gets in the way of what comes after."""
import pathlib
import re
import select
import socket
import uuid

from support import loopback
from support.waiting import PATIENCE

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "unit" / "sip_front" / "torture"
ROWS = [line.split()[:5] for line in (FOLDER / "expected.txt").read_text().splitlines() if re.match(r"\w", line)]


def messages():
    """(name, bytes, answers over UDP, answers over TCP): example.org is not the gateway's, so 404 for "taken"."""
    for name, _, _, udp, tcp in ROWS:
        yield name, (FOLDER / f"{name}.dat").read_bytes(), udp.replace("taken", "404"), tcp.replace("taken", "404")


class Marker:
    """An OPTIONS whose answer shows that all before it was handled."""

    def __init__(self, host, transport):
        self.branch = "z9hG4bK" + uuid.uuid4().hex
        self.bytes = (f"OPTIONS sip:sip-xmpp.test SIP/2.0\r\nVia: SIP/2.0/{transport} {host};branch={self.branch}\r\n"
                      f"From: <sip:m@sip.test>;tag=1\r\nTo: <sip:sip-xmpp.test>\r\nCall-ID: {self.branch}\r\n"
                      "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode()

    def is_answered_by(self, response):
        return self.branch.encode() in response


def statuses(responses):
    return [re.match(rb"SIP/2\.0 (\d{3}) ", response)[1].decode() for response in responses]


def over_udp(site, host):
    """What came for each message."""
    came = {}
    with socket.socket(type=socket.SOCK_DGRAM) as sock, socket.socket(type=socket.SOCK_DGRAM) as other:
        sock.bind((host, 5060))  # where answers go when Via has no other port
        other.bind((host, 5050))  # the port in the Via of quotbal
        sock.settimeout(PATIENCE)
        for name, data, _, _ in messages():
            marker = Marker(host, "UDP")
            sock.sendto(data, site.stox.address)
            sock.sendto(marker.bytes, site.stox.address)
            responses = []
            while not marker.is_answered_by(response := sock.recv(65536)):
                responses.append(response)
            while select.select([other], [], [], 0)[0]:
                responses.append(other.recv(65536))
            came[name] = ",".join(statuses(responses)) or "-"
    return came


def over_tcp(site, host, data, expected):
    """What came on a connection of its own for one message, in the words of the table."""
    marker = Marker(host, "TCP")
    with socket.socket() as sock:
        sock.bind((host, 0))
        sock.connect(site.stox.address)
        sock.settimeout(PATIENCE)
        sock.sendall(data)
        if expected == "waits":
            return expected  # until the deadline, which no test waits for
        closes = expected.endswith("closed")
        if not closes:
            sock.sendall(marker.bytes)
        received = b""
        while not marker.is_answered_by(received):
            piece = sock.recv(65536)
            if not piece:
                break
            received += piece
    responses = received.split(b"\r\n\r\n")[:-1]
    if marker.is_answered_by(received):
        responses.pop()
    words = statuses(responses)
    if closes:
        words += [word for word in expected.split(",") if word == "-"] + ["closed"]
    return ",".join(words) or "-"


def test_the_torture_messages(site):
    juliet = site.xmpp_user("juliet")
    mallory = loopback.address(150)
    assert len(ROWS) == 49

    assert over_udp(site, mallory) == {name: udp for name, _, udp, _ in messages()}
    assert ({name: over_tcp(site, mallory, data, tcp) for name, data, _, tcp in messages()}
            == {name: tcp for name, _, _, tcp in messages()})

    for transport in "udp", "tcp":
        assert site.sip_user("romeo", transport).message(site.sip_uri(juliet), "all well").status == 200
        assert juliet.next_message().body == "all well"
    assert juliet.nothing_came()
    assert site.stox.state("sip-1") == "ready"

"""Whoever invents domains, or opens streams by the thousand, costs the gateway little, and others nothing."""
import socket
import ssl

import pytest

from support import loopback
from support.federation import Federation
from support.hand_made_server import HEADER, HandMadeServer
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

MESSAGE = "<message from='{sender}' to='{to}' type='chat'><body>{body}</body></message>"
INVENTED = 10_200
pytestmark = pytest.mark.usefixtures("many_descriptors")


@pytest.fixture(scope="module")
def place():
    def records(site, _):
        gateway = (site.host, site.port, XMPP_DOMAIN)
        site.good, site.evil = (HandMadeServer(loopback.address(number), f"{name}.test", gateway)
                                for number, name in ((103, "good"), (104, "evil")))
        return {XMPP_DOMAIN: (site.host, site.port), "good.test": (site.good.host, site.good.port),
                "late.test": (site.good.host, site.good.port), "evil.test": (site.evil.host, site.evil.port)}

    site = Federation(records=records, tls={"require": False}).start()
    yield site
    site.good.close()
    site.evil.close()
    site.stop()


@pytest.fixture
def romeo(place):
    user = place.sip_user("romeo")
    yield user
    place.users.remove(user)
    user.close()


def text_crosses(place, romeo):
    """From and to a domain that there is no stream to."""
    place.stox.ctl("streams", "close", "good.test")
    assert romeo.message(place.sip_uri("juliet@good.test"), "Still there?").status == 200
    place.good.authenticated().send(MESSAGE.format(sender="juliet@good.test/x", to=place.jid_at_host(romeo), body="Yes"))
    assert romeo.next_request().text == "Yes"


class Stranger:
    """A server without a certificate, with TLS."""

    def __init__(self, place):
        self.socket = socket.create_connection((place.host, place.port), timeout=30, source_address=(place.evil.host, 0))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        header = HEADER.format(own="evil.test", to=XMPP_DOMAIN, more="").encode()
        try:
            self.socket.sendall(header + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self.until(b"<proceed")
            self.socket = context.wrap_socket(self.socket)
            self.socket.sendall(header)
            self.until(b"</stream:features>")
        except OSError:
            self.socket.close()

    def until(self, wanted):
        text = b""
        while wanted not in text:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError
            text += data

    def asks(self, numbers):
        """One domain after the other, as fast as the answers come. How many were asked before it was sent away."""
        asked, text = 0, b""
        try:
            for number in numbers:
                self.socket.sendall(f"<db:result from='r{number}.evil.test' to='{XMPP_DOMAIN}'>key</db:result>".encode())
                asked += 1
                while text.count(b"<db:result") < asked - 15:
                    data = self.socket.recv(65536)
                    if not data:
                        return asked
                    text += data
        except OSError:
            pass
        return asked


def test_dialback_of_invented_domains(place, romeo):
    asked = 0
    while asked < INVENTED:
        asked += max(1, Stranger(place).asks(range(asked, INVENTED)))
    text_crosses(place, romeo)
    invented = [s for s in place.streams() if s["domain"].endswith("evil.test") and s["direction"] == "out"]
    assert len(invented) <= 100
    lines = [line for line in place.stox.log("component-1").splitlines() if "evil.test" in line]
    assert len(lines) < 3000


def test_messages_to_invented_domains(place, romeo):
    for at in range(0, INVENTED, 100):
        sent = [romeo.send("MESSAGE", place.sip_uri(f"a@x{number}.nowhere.test"), "Anyone?") for number in range(at, at + 100)]
        assert all(one.answer(within=60).status in (404, 503) for one in sent)
    assert romeo.message(place.sip_uri("juliet@late.test"), "Still there?").status == 200
    text_crosses(place, romeo)


def test_silent_connections_of_many_addresses(place, romeo):
    idle = [socket.create_connection((place.host, place.port), timeout=30, source_address=(f"127.0.{i // 200}.{i % 200 + 1}", 0))
            for i in range(1200)]
    text_crosses(place, romeo)
    for one in idle:
        one.close()


def test_certificates_of_many_names(place, romeo):
    """They are not even kept until the connection ends."""
    files = place.authority.sign(*(f"DNS:n{i}" for i in range(9000)), stem="huge")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*files)
    for _ in range(20):
        peer = socket.create_connection((place.host, place.port), timeout=30, source_address=(place.evil.host, 0))
        with pytest.raises(OSError):
            with context.wrap_socket(peer) as tls:
                assert not tls.recv(1)
                raise ConnectionResetError
    text_crosses(place, romeo)


def test_a_large_record_of_tls_that_does_not_end(place):
    """It is told so, and does not wait for its rest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, goes)
    with socket.create_connection((place.host, place.port), timeout=30, source_address=(place.evil.host, 0)) as peer:
        def until(wanted):
            text = b""
            while wanted not in text:
                try:
                    text += tls.read()
                except ssl.SSLWantReadError:
                    data = peer.recv(65536)
                    came.write(data) if data else came.write_eof()
            return text
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                peer.sendall(goes.read())
                came.write(peer.recv(65536))
        tls.write(HEADER.format(own="evil.test", to=XMPP_DOMAIN, more="").encode())
        peer.sendall(goes.read())
        until(b"</stream:features>")
        tls.write(b" " * 10_000)
        peer.sendall(goes.read()[:10])
        assert b"<policy-violation " in until(b"</stream:error>")

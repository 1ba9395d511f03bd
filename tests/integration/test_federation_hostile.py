"""What comes to the gateway's port for servers: nobody gets in who has not shown who he is, nobody speaks for others,
and whoever misbehaves harms only himself."""
import socket

import pytest

from support import loopback
from support.federation import Federation
from support.hand_made_server import HandMadeServer, HEADER
from support.stox import XMPP_DOMAIN
from support.waiting import eventually

MESSAGE = "<message from='{sender}' to='{to}' type='chat'><body>{body}</body></message>"


@pytest.fixture(scope="module")
def place():
    def records(site, _):
        gateway = (site.host, site.port, XMPP_DOMAIN)
        site.good, site.evil = (HandMadeServer(loopback.address(number), f"{name}.test", gateway)
                                for number, name in ((101, "good"), (102, "evil")))
        return {XMPP_DOMAIN: (site.host, site.port), "good.test": (site.good.host, site.good.port),
                "evil.test": (site.evil.host, site.evil.port)}

    site = Federation(records=records, with_certificate=False, worker={"insecure_domains": ["good.test", "evil.test"]}).start()
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


@pytest.fixture(autouse=True)
def others_are_unharmed(place, request):
    yield
    place.evil.verdict, place.evil.answers_pings, place.evil.reads = "valid", True, True
    user = place.sip_user("rosaline")
    assert user.message(place.sip_uri("juliet@good.test"), "Still there?").status == 200
    place.good.authenticated().send(MESSAGE.format(sender="juliet@good.test/x", to=place.jid_at_host(user), body="Yes"))
    assert user.next_request().text == "Yes"
    assert place.stox.state("component-1") == "ready"
    place.users.remove(user)
    user.close()


def test_a_stanza_before_any_proof(place, romeo):
    stream = place.evil.open()
    stream.send(MESSAGE.format(sender="a@evil.test", to=place.jid_at_host(romeo), body="let me in"))
    assert stream.error() == "not-authorized"


@pytest.mark.parametrize("sender", ["juliet@good.test", "a@evil.test@good.test", "good.test/a@evil.test", "a@sub.evil.test", ""])
def test_a_stanza_in_the_name_of_another(place, romeo, sender):
    stream = place.evil.authenticated()
    stream.send(MESSAGE.format(sender=sender, to=place.jid_at_host(romeo), body="I am Juliet"))
    assert stream.error() == ("invalid-from" if sender else "improper-addressing")


def test_a_stanza_to_a_domain_that_is_not_ours(place):
    stream = place.evil.authenticated()
    stream.send(MESSAGE.format(sender="a@evil.test", to="juliet@good.test", body="relay this"))
    assert stream.error() == "host-unknown"


def test_a_wrong_key(place, romeo):
    place.evil.verdict = "invalid"
    stream = place.evil.open()
    stream.send(f"<db:result from='evil.test' to='{XMPP_DOMAIN}'>wrong</db:result>" +
                MESSAGE.format(sender="a@evil.test", to=place.jid_at_host(romeo), body="no proof yet"))
    assert stream.error() == "not-authorized"  # it did not even wait for the verdict
    stream = place.evil.open()
    stream.send(f"<db:result from='evil.test' to='{XMPP_DOMAIN}'>wrong</db:result>")
    assert stream.error().startswith("none") and "type='invalid'" in stream.text


def test_a_key_in_the_name_of_another(place):
    """The question goes to the server of the domain that is claimed, whoever asks for it."""
    place.good.verdict = "invalid"
    stream = place.evil.open("good.test")
    stream.send(f"<db:result from='good.test' to='{XMPP_DOMAIN}'>forged</db:result>")
    stream.error()
    place.good.verdict = "valid"
    assert "type='invalid'" in stream.text


def test_plaintext_of_a_domain_that_owes_tls(place):
    stream = place.evil.open("other.test")
    stream.send(f"<db:result from='other.test' to='{XMPP_DOMAIN}'>key</db:result>")
    stream.until("<policy-violation")


@pytest.mark.parametrize("bytes, error", [
    ("<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><stream:stream>", "restricted-xml"),
    ("<stream:stream", "policy-violation"),
    ("GET / HTTP/1.0\r\n\r\n", "not-well-formed"),
], ids=["entities", "endless header", "http"])
def test_what_is_no_stream(place, bytes, error):
    with socket.create_connection((place.host, place.port), timeout=30, source_address=(place.evil.host, 0)) as peer:
        peer.sendall((bytes + (" a='" + "x" * 40_000 if error == "policy-violation" else "")).encode())
        answer = b""
        while data := peer.recv(65536):
            answer += data
    assert f"<{error} ".encode() in answer


def test_connections_of_one_address_are_bounded(place):
    """They say nothing; one after another is still taken, up to the bound."""
    idle = [socket.create_connection((place.host, place.port), timeout=30, source_address=(place.evil.host, 0))
            for _ in range(260)]
    def refused():
        count = 0
        for one in idle:
            one.setblocking(False)
            try:
                count += one.recv(1) == b""
            except BlockingIOError:
                pass
            except ConnectionResetError:
                count += 1
        return count
    eventually(lambda: refused() >= 50, "those over the bound are closed")
    for one in idle:
        one.close()


def test_a_peer_that_never_reads(place):
    stream = place.evil.open()
    question = f"<db:verify from='evil.test' to='{XMPP_DOMAIN}' id='1'>{'0' * 64}</db:verify>" * 100
    stream.socket.settimeout(30)
    with pytest.raises(OSError):
        for _ in range(20_000):  # of which none of the answers is read
            stream.send(question)


def test_a_domain_that_never_answers_costs_only_its_own(place, romeo):
    place.evil.answers_pings = False
    sent = romeo.send("MESSAGE", place.sip_uri("a@evil.test"), "Hello?")
    assert place.evil.next_stanza()
    assert romeo.message(place.sip_uri("juliet@good.test"), "Hello").status == 200
    assert sent.answer(within=40).status == 504


def test_many_halves_of_streams(place):
    for _ in range(50):
        peer = socket.create_connection((place.host, place.port), timeout=30, source_address=(place.evil.host, 0))
        peer.sendall(HEADER.format(own="evil.test", to=XMPP_DOMAIN, more="").encode()[:80])
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, no goodbye
        peer.close()

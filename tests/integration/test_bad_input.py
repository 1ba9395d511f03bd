"""Bad input from both sides: each has its clear answer, and what comes after it works."""
import random

import pytest

from support import loopback
from support.sip_user import SipUser
from support.site import Site
from support.waiting import eventually
from support.xmpp_server import XmppServer

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"


def works(site):
    """A message still crosses, from SIP."""
    romeo, nurse = site.sip_user("romeo"), site.xmpp_user("nurse")
    assert romeo.message(site.sip_uri(nurse), "all well").status == 200
    return nurse.next_message().body == "all well"


# From SIP.


def test_a_body_that_is_not_utf_8(site):
    juliet = site.xmpp_user("juliet")

    assert site.sip_user("romeo").message(JULIET, b"caf\xe9 \xff\xfe").status in (400, 415)

    assert juliet.nothing_came() and works(site)


def test_control_characters_do_not_end_the_stream(site):
    juliet = site.xmpp_user("juliet")

    assert site.sip_user("romeo").message(JULIET, b"a\x00b\x01c\x1bd\xef\xbf\xbfe\r\nf").status == 200

    assert juliet.next_message().body == "abcde\nf"
    assert site.stox.state("component-1") == "ready" and works(site)


def test_an_empty_body_is_no_stanza(site):
    juliet = site.xmpp_user("juliet")

    assert site.sip_user("romeo").message(JULIET, "").status in (200, 202)

    assert juliet.nothing_came() and works(site)


GARBAGE = {
    "bytes": random.Random(1).randbytes(1400),
    "zeros": bytes(2000),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no headers": b"MESSAGE sip:juliet*xmpp.test@sip-xmpp.test SIP/2.0\r\n\r\n",
    "half a header": b"MESSAGE sip:juliet*xmpp.test@sip-xmpp.test SIP/2.0\r\nVia: SIP/2.0/UDP",
    "a response to nobody": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nCSeq: 1 MESSAGE\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "long": b"A" * 60_000,
}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_on_the_wire(site, transport, name):
    site.sip_user("mercutio", transport).send_bytes(GARBAGE[name])
    assert works(site)


@pytest.mark.parametrize("missing", ["From", "To", "Call-ID", "CSeq"])
def test_a_request_without_a_header_it_must_have(site, missing):
    romeo = site.sip_user("romeo")
    request = romeo.make("MESSAGE", JULIET, "Hello")
    request.headers = [(name, value) for name, value in request.headers if name != missing]

    assert romeo.send_request(request).answer().status == 400
    assert works(site)


@pytest.mark.parametrize("name, value, status", [
    ("CSeq", "1 INVITE", 400),
    ("CSeq", "99999999999 MESSAGE", 400),
    ("Content-Length", "9999", 400),
    ("Content-Length", "-1", 400),
    ("From", "<sip:romeo@sip.test", 400),
    ("To", '"unclosed <sip:juliet*xmpp.test@sip-xmpp.test>', 400),
])
def test_a_header_that_cannot_be_read(site, name, value, status):
    assert site.sip_user("romeo").message(JULIET, "Hello", headers=[(name, value)]).status == status
    assert works(site)


def test_another_version_of_sip(site):
    romeo = site.sip_user("romeo")
    request = romeo.make("MESSAGE", JULIET, "Hello")
    request.start_line = request.start_line.replace("SIP/2.0", "SIP/7.0")
    assert romeo.send_request(request).answer().status == 505


# From XMPP, through a server that lets pass anything.


class SiteWithBadServer(Site):
    def __init__(self):
        super().__init__(xmpp_server=XmppServer(loopback.address(200)))
        self.romeo = SipUser(loopback.address(201), "sip:romeo@sip.test", self.stox.address)
        self.to = self.jid_at_host(self.romeo)

    def message(self, body, to=None, sender="juliet@xmpp.test/balcony", id="m1"):
        return f"<message from='{sender}' to='{to or self.to}' id='{id}' type='chat'><body>{body}</body></message>"

    def works(self):
        self.xmpp_server.send(self.message("all well"))
        return self.romeo.next_request().text == "all well"

    def error(self):
        """(condition, type) of the stanza that came back."""
        stanza = self.xmpp_server.next_stanza()
        assert stanza.get("type") == "error", f"no error: {stanza.attrib}"
        error = stanza.find("{*}error")
        return error[0].tag.partition("}")[2], error.get("type")


@pytest.fixture(scope="module")
def standing_bad_site():
    site = SiteWithBadServer().start()
    yield site
    site.romeo.close()
    site.stop()
    site.xmpp_server.close()


@pytest.fixture
def bad(standing_bad_site):
    yield standing_bad_site
    assert standing_bad_site.works()
    assert standing_bad_site.xmpp_server.stanzas.empty()


def test_a_stanza_in_many_segments(bad):
    bad.xmpp_server.send_slowly(bad.message("Grüße &amp; 😀"))
    assert bad.romeo.next_request().text == "Grüße & 😀"


def test_a_stanza_of_100_kb_is_told(bad):
    bad.xmpp_server.send(bad.message("x" * 100_000))
    assert bad.error() == ("policy-violation", "modify")
    assert bad.romeo.inbox.empty()


def ends_the_stream(bad, xml, condition):
    """The worker says why, ends the stream, and makes a new one."""
    bad.stox.restart("component-1")  # which has not had to wait yet
    bad.stox.ready()
    server = bad.xmpp_server
    server.stream_errors.clear()
    before = server.streams
    server.send(xml)
    eventually(lambda: server.streams > before, "a new stream")
    bad.stox.ready()
    return server.stream_errors == ([condition] if condition else [])


@pytest.mark.parametrize("xml, condition", [
    ("<message><body></message>", "not-well-formed"),
    ("<message attribute>", "not-well-formed"),
    ("\udcff\udcfe", "not-well-formed"),
    ("<message from='a@b' to='c@d'>&nbsp;</message>", "restricted-xml"),
    ("<message><!-- comment --></message>", "restricted-xml"),
    ("<?php x ?>", "restricted-xml"),
    ("<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>]>", "not-well-formed"),  # never behind the root's start
    ("</stream:stream>", None),
], ids=["end tag", "attribute", "bytes", "entity", "comment", "instruction", "doctype", "end of stream"])
def test_bad_xml_costs_one_stream(bad, xml, condition):
    assert ends_the_stream(bad, xml, condition), bad.xmpp_server.stream_errors


def test_a_stanza_without_an_end_is_not_kept_for_ever(bad):
    xml = f"<message from='juliet@xmpp.test' to='{bad.to}'><body>" + "x" * 3_000_000
    assert ends_the_stream(bad, xml, "policy-violation"), bad.xmpp_server.stream_errors


def test_cr_lf_inside_a_jid_injects_nothing(bad):
    to = "romeo&#13;&#10;Evil: yes*" + bad.to.partition("*")[2]
    bad.xmpp_server.send(bad.message("Hello", to=to))
    assert bad.error() == ("jid-malformed", "modify")
    assert bad.romeo.inbox.empty()


def test_cr_lf_in_the_senders_resource_injects_nothing(bad):
    bad.xmpp_server.send(bad.message("Hello", sender="juliet@xmpp.test/a&#13;&#10;Evil: yes"))
    assert bad.error() == ("jid-malformed", "modify")
    assert bad.romeo.inbox.empty()


def test_cr_lf_in_what_becomes_a_header_injects_nothing(bad):
    evil = "a&#13;&#10;Evil: yes&#13;&#10;&#13;&#10;MESSAGE sip:x SIP/2.0"
    bad.xmpp_server.send(f"<message from='juliet@xmpp.test/balcony' to='{bad.to}' id='h1' type='chat' xml:lang='{evil}'>"
                         f"<subject>{evil}</subject><thread>{evil}</thread><body>Hello</body>"
                         f"<nick xmlns='http://jabber.org/protocol/nick'>{evil}</nick></message>")
    request = bad.romeo.next_request()
    assert request.text == "Hello"
    assert "evil" not in {name.lower() for name, _ in request.headers}
    assert all(len(request.all(name)) == 1 for name in ("From", "To", "Call-ID", "CSeq", "Content-Length"))


def test_markup_in_sip_headers_stays_text(site):
    juliet = site.xmpp_user("juliet")
    evil = "</subject><evil xmlns='evil'/><subject>'\""
    answer = site.sip_user("romeo").message(JULIET, "Hello", headers=[
        ("Subject", evil + "\x01\x1b"), ("Content-Language", evil), ("Call-ID", "'<evil/>"),
        ("From", '"</body>\\"<evil/>" <sip:romeo@sip.test>;tag=1')])
    assert answer.status == 200
    message = juliet.next_message()
    assert (message.body, message.sender) == ("Hello", "romeo*sip.test@xmpp-sip.test")
    assert site.stox.state("component-1") == "ready" and works(site)


@pytest.mark.parametrize("xml", [
    "<message/>",
    "<message from='' to=''><body>x</body></message>",
    "<message type='chat'><body>x</body></message>",
    "<iq/>",
    "<iq type='result' id='nobody asked' from='xmpp.test' to='xmpp-sip.test'/>",
    "<presence from='juliet@xmpp.test' to='romeo*sip.test@xmpp-sip.test'/>",
    "<unknown xmlns='urn:x'/>",
    "   \n ",
], ids=["bare", "empty addresses", "no addresses", "empty iq", "stray result", "presence", "unknown", "space"])
def test_stanzas_that_say_nothing(bad, xml):
    bad.xmpp_server.send(xml)
    assert bad.works()
    bad.xmpp_server.stanzas.queue.clear()


def test_an_error_about_nothing_is_dropped(bad):
    bad.xmpp_server.send("<message type='error' from='juliet@xmpp.test' to='xmpp-sip.test' id='x'><error type='cancel'>"
                         "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")


def test_a_bounce_from_somebody_else_does_not_count(bad):
    """The condition of a message is decided by its recipient, not by whoever guesses an id."""
    bad.xmpp_server.answers_pings = False
    sent = bad.romeo.send("MESSAGE", JULIET, "Hello")
    message = bad.xmpp_server.next_stanza()
    bad.xmpp_server.send(f"<message type='error' from='tybalt@xmpp.test' to='{message.get('from')}' "
                         f"id='{message.get('id')}'><error type='cancel'><item-not-found "
                         "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    bad.xmpp_server.answers_pings = True
    other = bad.romeo.send("MESSAGE", JULIET.replace("juliet", "nurse"), "Hello")  # brings a new ping
    assert other.answer().status == 200
    bad.xmpp_server.next_stanza()
    assert sent.answer().status == 202, "the ping behind it was never answered, but a later one"

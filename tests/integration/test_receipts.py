"""Receipts, chat states and what a SIP client takes: an XMPP client with XEP-0184, XEP-0333 and XEP-0085 at Prosody,
a SIP client registered at Kamailio that speaks CPIM, IMDN and isComposing as linphone does."""
import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from support.waiting import eventually

SITE = {"with_proxy": True}
RECEIPTS, MARKERS = "urn:xmpp:receipts", "urn:xmpp:chat-markers:0"
STATES, HINTS = "http://jabber.org/protocol/chatstates", "urn:xmpp:hints"
IMDN = "{urn:ietf:params:xml:ns:imdn}"
COMPOSING = "application/im-iscomposing+xml"
ASKED = "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"

numbers = itertools.count(1)


@pytest.fixture
def romeo(site):
    """A client of which nothing is known yet, and the proxy of no older one."""
    user = site.sip_user(f"romeo{next(numbers)}", registered=True)
    user.jid = site.jid(user)
    user.name = user.uri.partition(":")[2]
    return user


@pytest.fixture
def juliet(site):
    return site.xmpp_user("juliet")


def cpim(sender, content_type, body, message_id, wants=None):
    """A CPIM as linphone writes it."""
    lines = [f"From: <{sender}>", "To: <sip:juliet*xmpp.test@sip-xmpp.test>",
             "DateTime: 2026-01-02T03:04:05Z", "NS: imdn <urn:ietf:params:imdn>", f"imdn.Message-ID: {message_id}"]
    if wants:
        lines.append(f"imdn.Disposition-Notification: {wants}")
    disposition = "Content-Disposition: notification\r\n" if content_type == "message/imdn+xml" else ""
    return "\r\n".join(lines) + f"\r\n\r\nContent-Type: {content_type}\r\n{disposition}\r\n{body}"


def say(user, to, content_type, body, wants=None, message_id=None):
    """Sends a CPIM; the Message-ID it had."""
    message_id = message_id or f"m{next(numbers)}xQ"
    answer = user.message_through_proxy(to, cpim(user.uri, content_type, body, message_id, wants),
                                        content_type="message/cpim")
    assert answer.status == 200
    return message_id


def notify(user, to, message_id, kind, status):
    body = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">"
            f"<message-id>{message_id}</message-id><datetime>2026-01-02T03:04:05Z</datetime>"
            f"<{kind}><status><{status}/></status></{kind}></imdn>")
    say(user, to, "message/imdn+xml", body)


def composing(user, to, state, refresh=60):
    body = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?><isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\">"
            f"<state>{state}</state><refresh>{refresh}</refresh></isComposing>")
    assert user.message_through_proxy(to, body, content_type=COMPOSING).status == 200


def headers_of(request):
    """Of a CPIM that came: its own headers."""
    assert request.get("content-type") == "message/cpim", request
    return dict(line.split(": ", 1) for line in request.text.split("\r\n\r\n")[0].split("\r\n"))


def notification(request):
    """(message-id, status, time) of an IMDN that came."""
    headers, mime, body = request.text.split("\r\n\r\n", 2)
    assert "Content-Type: message/imdn+xml" in mime and "Content-Disposition: notification" in mime
    assert "Disposition-Notification" not in headers
    imdn = ET.fromstring(body)
    status = next(e for e in imdn.iter(f"{IMDN}status"))[0].tag.replace(IMDN, "")
    return imdn.findtext(f"{IMDN}message-id"), status, imdn.findtext(f"{IMDN}datetime")


def answer(juliet, to, namespace, what, message_id):
    juliet.send_raw(f"<message to='{to}' type='chat'><{what} xmlns='{namespace}' id='{message_id}'/></message>")


def ask(juliet, to, text, message_id):
    juliet.send_raw(f"<message to='{to}' type='chat' id='{message_id}'><body>{text}</body>{ASKED}</message>")


def tell_state(site, juliet, to, state):
    """A chat state alone, when nothing is under way to SIP: otherwise it would be dropped."""
    eventually(lambda: not site.stox.ctl_json("inflight", "sip-1")["in_flight"], "nothing is under way to SIP")
    juliet.send_raw(f"<message to='{to}' type='chat'><{state} xmlns='{STATES}'/></message>")


def test_what_sip_wants_to_hear_is_told(site, romeo, juliet):
    message_id = say(romeo, site.sip_uri(juliet), "text/plain;charset=UTF-8", "hello",
                     "positive-delivery, negative-delivery, display")
    message = juliet.next_message()
    assert message.body == "hello"
    assert message.child("request", RECEIPTS) is not None and message.child("markable", MARKERS) is not None

    answer(juliet, message.sender, RECEIPTS, "received", message.id)
    assert notification(romeo.next_request()) == (message_id, "delivered", "2026-01-02T03:04:05Z")
    answer(juliet, message.sender, MARKERS, "displayed", message.id)
    assert notification(romeo.next_request()) == (message_id, "displayed", "2026-01-02T03:04:05Z")


def test_what_sip_does_not_ask_for_is_not_told(site, romeo, juliet):
    assert romeo.message_through_proxy(site.sip_uri(juliet), "plain").status == 200
    message = juliet.next_message()
    assert message.child("request", RECEIPTS) is None and message.child("markable", MARKERS) is None
    answer(juliet, message.sender, RECEIPTS, "received", message.id)
    juliet.send(romeo.jid, "behind it")
    assert romeo.next_request().text == "behind it"


def test_what_xmpp_wants_to_hear_is_told(site, romeo, juliet):
    say(romeo, site.sip_uri(juliet), "text/plain", "I take CPIM")
    juliet.next_message()
    ask(juliet, romeo.jid, "seen?", "id-7")
    request = romeo.next_request()
    headers = headers_of(request)
    assert request.text.endswith("\r\n\r\nseen?")
    assert headers["From"].startswith("<sip:juliet*xmpp.test@sip-xmpp.test")
    assert headers["imdn.Disposition-Notification"] == "positive-delivery, negative-delivery, display"

    notify(romeo, site.sip_uri(juliet), headers["imdn.Message-ID"], "delivery-notification", "delivered")
    told = juliet.next_message()
    assert (told.child("received", RECEIPTS).get("id"), told.to, told.type) == ("id-7", juliet.full, "chat")
    notify(romeo, site.sip_uri(juliet), headers["imdn.Message-ID"], "display-notification", "displayed")
    assert juliet.next_message().child("displayed", MARKERS).get("id") == "id-7"


def test_a_failure_told_late_is_an_error_for_that_message(site, romeo, juliet):
    say(romeo, site.sip_uri(juliet), "text/plain", "I take CPIM")
    juliet.next_message()
    ask(juliet, romeo.jid, "lost", "id-8")
    message_id = headers_of(romeo.next_request())["imdn.Message-ID"]
    notify(romeo, site.sip_uri(juliet), message_id, "delivery-notification", "failed")
    error = juliet.next_message()
    assert (error.type, error.id, error.condition) == ("error", "id-8", "recipient-unavailable")


def test_a_refusal_after_the_answer_is_told(site, romeo, juliet):
    message_id = say(romeo, site.sip_uri(juliet), "text/plain", "unwanted", "negative-delivery")
    message = juliet.next_message()
    juliet.send_raw(f"<message to='{message.sender}' id='{message.id}' type='error'><error type='auth'><forbidden "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    assert notification(romeo.next_request())[:2] == (message_id, "forbidden")


def test_forged_receipts_are_nobodys(site, romeo, juliet):
    message_id = say(romeo, site.sip_uri(juliet), "text/plain", "for juliet", "positive-delivery")
    message = juliet.next_message()
    nurse = site.xmpp_user("nurse")
    answer(nurse, message.sender, RECEIPTS, "received", message.id)
    answer(juliet, message.sender, RECEIPTS, "received", "made-up")
    answer(juliet, message.sender, RECEIPTS, "received", message.id)
    assert notification(romeo.next_request())[:2] == (message_id, "delivered")
    assert romeo.inbox.empty()


def test_who_is_not_known_gets_plain_text(site, romeo, juliet):
    ask(juliet, romeo.jid, "plain", "id-9")
    request = romeo.next_request()
    assert (request.get("content-type").replace(" ", ""), request.text) == ("text/plain;charset=UTF-8", "plain")


# COMPAT(pjsip 2.13): 488 with the types that it takes.
@pytest.mark.parametrize("status", [415, 488, 606])
def test_who_refuses_cpim_gets_plain_text_from_then_on(site, romeo, juliet, status):
    say(romeo, site.sip_uri(juliet), "text/plain", "I send CPIM")
    juliet.next_message()
    romeo.automatic = None
    ask(juliet, romeo.jid, "first", "id-10")
    refused = romeo.next_request()
    assert refused.get("content-type") == "message/cpim"
    refused.respond(status, "No", [("Accept", "text/plain, application/im-iscomposing+xml")])
    plain = romeo.next_request()
    assert plain.text == "first"
    plain.respond(200, "OK")
    romeo.automatic = (200, "OK")
    ask(juliet, romeo.jid, "second", "id-11")
    assert romeo.next_request().text == "second"
    assert juliet.nothing_came()

    known = {peer["peer"]: peer for peer in site.stox.ctl_json("peers")["peers"] if peer["process"] == "sip-1"}
    assert known[romeo.name]["refuses"] == ["cpim"]
    assert romeo.name in site.stox.ctl("peers").stdout
    assert site.stox.ctl_json("peers", "clear", romeo.uri)["forgotten"] >= 1
    assert not [peer for peer in site.stox.ctl_json("peers")["peers"] if peer["peer"] == romeo.name]


def test_what_a_client_takes_outlives_a_restart_of_the_front(site, romeo, juliet):
    say(romeo, site.sip_uri(juliet), "text/plain", "I send CPIM")
    juliet.next_message()
    site.stox.restart("sip-1")
    site.stox.ready()
    ask(juliet, romeo.jid, "after the restart", "id-12")
    assert romeo.next_request().get("content-type") == "message/cpim"


def test_linphone_gets_a_file_in_its_form_and_others_the_address(site, romeo, juliet):
    url = "https://x.test/a%20cat.png"
    file = (f"<message to='{romeo.jid}' type='chat'><body>{url}</body>"
            f"<x xmlns='jabber:x:oob'><url>{url}</url></x></message>")
    juliet.send_raw(file)
    assert romeo.next_request().text == url
    assert romeo.message_through_proxy(site.sip_uri(juliet), "hi", headers=[
        ("User-Agent", "Linphone Desktop/4.4.10 (vm) LinphoneCore/5.1.65")]).status == 200
    juliet.next_message()
    juliet.send_raw(file)
    request = romeo.next_request()
    assert request.get("content-type") == "application/vnd.gsma.rcs-ft-http+xml"
    info = ET.fromstring(request.body)[0]
    rcs = "{urn:gsma:params:xml:ns:rcs:rcs:fthttp}"
    assert (info.find(rcs + "file-name").text, info.find(rcs + "content-type").text) == ("a cat.png", "image/png")
    assert info.find(rcs + "data").get("url") == url
    known = next(peer for peer in site.stox.ctl_json("peers")["peers"] if peer["peer"] == romeo.name)
    assert known["takes"] == ["iscomposing", "rcs-ft-http"]
    assert juliet.nothing_came()


def test_typing_both_ways(site, romeo, juliet):
    romeo.message_through_proxy(site.sip_uri(juliet), "hello")
    assert juliet.next_message().child("active", STATES) is not None

    # Nobody knows whether the SIP client wants to see it: it says so by sending it.
    tell_state(site, juliet, romeo.jid, "composing")
    juliet.send(romeo.jid, "typed")
    assert romeo.next_request().text == "typed"
    juliet.send_raw(f"<message to='{romeo.jid}' type='chat'><body>hi</body><active xmlns='{STATES}'/></message>")
    assert romeo.next_request().text == "hi"
    composing(romeo, site.sip_uri(juliet), "active")
    typing = juliet.next_message()
    assert typing.child("composing", STATES) is not None and typing.child("no-store", HINTS) is not None
    assert typing.body == ""
    composing(romeo, site.sip_uri(juliet), "active")  # a refresh is no news
    composing(romeo, site.sip_uri(juliet), "idle")
    assert juliet.next_message().child("paused", STATES) is not None

    tell_state(site, juliet, romeo.jid, "composing")
    request = romeo.next_request()
    assert request.get("content-type") == COMPOSING and "<state>active</state>" in request.text
    assert re.search("<refresh>[0-9]+</refresh>", request.text)
    tell_state(site, juliet, romeo.jid, "paused")
    assert "<state>idle</state>" in romeo.next_request().text


def test_typing_that_nobody_sends_again_ends(site, romeo, juliet):
    juliet.send_raw(f"<message to='{romeo.jid}' type='chat'><body>hi</body><active xmlns='{STATES}'/></message>")
    romeo.next_request()
    composing(romeo, site.sip_uri(juliet), "active", refresh=1)
    assert juliet.next_message().child("composing", STATES) is not None
    assert juliet.next_message().child("paused", STATES) is not None


def test_a_typing_state_that_is_refused_stops_and_troubles_nobody(site, romeo, juliet):
    juliet.send_raw(f"<message to='{romeo.jid}' type='chat'><body>hi</body><active xmlns='{STATES}'/></message>")
    romeo.next_request()
    composing(romeo, site.sip_uri(juliet), "idle")
    romeo.automatic = (415, "Unsupported Media Type")
    tell_state(site, juliet, romeo.jid, "composing")
    assert romeo.next_request().get("content-type") == COMPOSING
    romeo.automatic = (200, "OK")
    eventually(lambda: any(peer["peer"] == romeo.name and peer["refuses"] == ["iscomposing"]
                           for peer in site.stox.ctl_json("peers")["peers"]), "the refusal is remembered")
    tell_state(site, juliet, romeo.jid, "composing")
    juliet.send(romeo.jid, "typed")
    assert romeo.next_request().text == "typed"
    assert juliet.nothing_came()


def test_disco_tells_what_there_is(romeo, juliet):
    _, features = juliet.disco(romeo.jid)
    assert {RECEIPTS, MARKERS, STATES, "jid\\20escaping"} <= set(features)
    assert "urn:xmpp:message-correct:0" not in features


def test_a_200_is_a_receipt_where_the_site_says_so(new_site):
    site = new_site(gateway={"receipt_on_200": True}).start()
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    to = site.jid_at_host(romeo)
    juliet.send_raw(f"<message to='{to}' type='chat' id='r-1'><body>hi</body>{ASKED}</message>")
    assert romeo.next_request().text == "hi"
    assert juliet.next_message().child("received", RECEIPTS).get("id") == "r-1"
    romeo.automatic = (202, "Accepted")
    juliet.send_raw(f"<message to='{to}' type='chat' id='r-2'><body>ho</body>{ASKED}</message>")
    assert romeo.next_request().text == "ho"
    eventually(lambda: site.stox.in_flight("component-1") == 0, "nothing is in flight")
    assert juliet.nothing_came()

"""What a message is on the other side: whole domains mapped onto each other, and bodies that are not plain text."""
import pytest

from support import loopback
from support.sip_user import SipUser
from support.stox import XMPP_DOMAIN


@pytest.fixture
def romeo():
    user = SipUser(loopback.address(211), "sip:romeo@sip.test")
    yield user
    user.close()


def test_a_gwmap_maps_whole_domains(new_site, romeo):
    site = new_site(gateway={"outbound_proxy": f"sip:{romeo.host}:{romeo.port};transport=udp"})
    site.stox.configuration["gateway.gwmap"] = {"sip.test": XMPP_DOMAIN, "people.test": "xmpp.test"}
    site.stox.write()
    site.start()
    romeo.proxy = site.stox.address
    juliet = site.xmpp_user("juliet")

    assert romeo.message("sip:juliet@people.test", "What light?").status == 200
    message = juliet.next_message()
    assert (message.sender, message.body) == (f"romeo@{XMPP_DOMAIN}", "What light?")
    juliet.send(message.sender, "Ay me!")
    request = romeo.next_request()
    assert (request.uri, request.text) == ("sip:romeo@sip.test", "Ay me!")
    assert request.sender == "sip:juliet@people.test"

    assert romeo.message("sip:juliet@other.test", "Anyone?").status == 404
    assert romeo.message("sip:juliet@people.test", "Who?", sender="sip:tybalt@elsewhere.test").status == 403
    assert romeo.message("sip:romeo@sip.test", "Myself?").status == 482


@pytest.mark.parametrize("content_type, body, text", [
    ("text/html", "<p>Parting is <b>such</b> sweet&nbsp;sorrow", "Parting is such sweet\u00a0sorrow"),
    ("message/cpim",
     "From: Romeo <sip:romeo@sip.test>\r\nTo: <sip:juliet@xmpp.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
     "imdn.Message-ID: 34jk324j\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n"
     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nAdieu", "Adieu"),
    ("multipart/alternative;boundary=b",
     "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--", "plain"),
], ids=["html", "cpim", "alternative"])
def test_the_words_arrive(site, content_type, body, text):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    assert romeo.message(site.sip_uri(juliet), body, content_type=content_type).status == 200
    assert juliet.next_message().body == text


def test_what_is_not_understood_is_refused_with_what_is(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    answer = romeo.message(site.sip_uri(juliet), "GIF89a", content_type="image/gif")

    assert answer.status == 415
    assert "text/plain" in answer.get("accept") and "message/cpim" in answer.get("accept")


def test_a_typing_state_is_taken_in_and_shown_to_nobody(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    assert romeo.message(site.sip_uri(juliet), "<isComposing/>", content_type="application/im-iscomposing+xml").status == 200
    assert juliet.nothing_came()


def test_a_shared_file_and_a_correction_reach_the_sip_user(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    to = site.jid_at_host(romeo)

    juliet.send_raw(f"<message to='{to}' type='chat'><body>https://x.test/1.png</body>"
                    "<x xmlns='jabber:x:oob'><url>https://x.test/1.png</url></x></message>")
    assert romeo.next_request().text == "https://x.test/1.png"
    juliet.send_raw(f"<message to='{to}' type='chat'><body>Good night</body>"
                    "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/></message>")
    assert romeo.next_request().text == "* Good night"


def typing(state):
    return ("<?xml version='1.0'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>"
            f"<state>{state}</state></isComposing>")


def test_all_devices_of_a_person_are_one_to_a_phone(site, romeo):
    romeo.proxy = site.stox.address
    to = site.jid_at_host(romeo)
    balcony, laptop = site.xmpp_user("juliet"), site.xmpp_user("juliet", resource="laptop")
    for device in laptop, balcony:
        device.send_raw(f"<message to='{to}' type='chat'><body>hi</body>"
                        "<active xmlns='http://jabber.org/protocol/chatstates'/></message>")
        assert romeo.next_request().sender == site.sip_uri("juliet@xmpp.test")
    # What she sees of his typing is for the client that showed states last.
    me = f"sip:romeo@{romeo.host}:{romeo.port}"
    assert romeo.message(site.sip_uri("juliet@xmpp.test"), typing("active"), sender=me,
                         content_type="application/im-iscomposing+xml").status == 200
    assert balcony.next_message().child("composing", "http://jabber.org/protocol/chatstates") is not None
    assert laptop.nothing_came()


def test_a_saved_address_with_gr_reaches_the_device_or_else_the_person(site, romeo):
    romeo.proxy = site.stox.address
    me, phone = f"sip:romeo@{romeo.host}:{romeo.port}", site.sip_uri("juliet@xmpp.test") + ";gr=phone"
    laptop, device = site.xmpp_user("juliet", resource="laptop"), site.xmpp_user("juliet", resource="phone")
    assert romeo.message(phone, "to the phone", sender=me).status == 200
    assert device.next_message().body == "to the phone"
    assert laptop.nothing_came()
    device.send(site.jid_at_host(romeo), "from it")
    assert romeo.next_request().sender == phone  # the address that he has

    device.close()
    laptop.presence_of("juliet@xmpp.test/phone", "unavailable")
    assert romeo.message(phone, "whoever is there", sender=me).status == 200
    assert laptop.next_message().body == "whoever is there"
    laptop.send(site.jid_at_host(romeo), "I am")
    assert romeo.next_request().sender == site.sip_uri("juliet@xmpp.test")

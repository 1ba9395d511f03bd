"""Bodies as phones really send them, and what an XMPP client gets of them: files, deflated notifications that name a
Call-ID, encodings, labels that are wrong."""
import itertools
import zlib

import pytest

SITE = {"with_proxy": True}
RECEIPTS, MARKERS, OOB = "urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "jabber:x:oob"
FILES = "urn:xmpp:sfs:0"
ASKED = "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
ADDRESS = "https://files.example.org/p/4711.jpg"
RCS = ('<?xml version="1.0" encoding="UTF-8"?>\n<file xmlns="urn:gsma:params:xml:ns:rcs:rcs:fthttp">\n<file-info type="file">\n'
       "<file-size>81230</file-size>\n<file-name>balcony.jpg</file-name>\n<content-type>image/jpeg</content-type>\n"
       f'<data url="{ADDRESS}" until="2026-06-01T00:00:00Z"/>\n</file-info>\n</file>')

numbers = itertools.count(1)


@pytest.fixture
def romeo(site):
    user = site.sip_user(f"romeo{next(numbers)}", registered=True)
    user.jid = site.jid(user)
    return user


@pytest.fixture
def juliet(site):
    return site.xmpp_user("juliet")


def imdn(message_id, kind, status):
    return ('<?xml version="1.0" encoding="UTF-8" standalone="no" ?><imdn xmlns="urn:ietf:params:xml:ns:imdn">'
            f"<message-id>{message_id}</message-id><datetime>2026-11-28T21:24:00Z</datetime>"
            f"<{kind}-notification><status><{status}/></status></{kind}-notification></imdn>")


def is_file(message):
    assert message.body == ADDRESS
    assert message.child("x", OOB).findtext(f"{{{OOB}}}url") == ADDRESS
    return message.child("file-sharing", FILES) is not None


def test_a_picture_of_linphone_stands_alone_behind_its_words(site, romeo, juliet):
    body = (f"--b\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nLook\r\n--b\r\n"
            f"Content-Type: application/vnd.gsma.rcs-ft-http+xml\r\n\r\n{RCS}\r\n--b--\r\n")
    assert romeo.message_through_proxy(site.sip_uri(juliet), body,
                                       content_type="multipart/mixed;boundary=b").status == 200
    assert juliet.next_message().body == "Look"
    assert is_file(juliet.next_message())


def test_an_address_in_the_type_is_a_file(site, romeo, juliet):
    where = [("Content-Type", f'message/external-body; access-type=URL; URL="{ADDRESS}"')]
    assert romeo.message_through_proxy(site.sip_uri(juliet), "", headers=where).status == 200
    assert is_file(juliet.next_message())


def test_an_empty_body_of_another_type_is_refused(site, romeo, juliet):
    answer = romeo.message_through_proxy(site.sip_uri(juliet), "", headers=[("Content-Type", "image/jpeg")])
    assert (answer.status, answer.reason) == (415, "Content-Type image/jpeg is not understood")
    assert juliet.nothing_came()


def test_a_phone_that_sends_no_cpim_reports_what_it_shows(site, romeo, juliet):
    juliet.send_raw(f"<message to='{romeo.jid}' type='chat' id='r1'><body>seen?</body>{ASKED}</message>")
    call_id = romeo.next_request().get("call-id")
    for kind, status in ("delivery", "delivered"), ("display", "displayed"):
        answer = romeo.message_through_proxy(
            site.sip_uri(juliet), zlib.compress(imdn(call_id, kind, status).encode()), content_type="message/imdn+xml",
            headers=[("Content-Encoding", "deflate")])
        assert answer.status == 200
    assert juliet.next_message().child("received", RECEIPTS).get("id") == "r1"
    assert juliet.next_message().child("displayed", MARKERS).get("id") == "r1"


def test_several_notifications_of_one_message_are_several_receipts(site, romeo, juliet):
    ids = []
    for number in "r1", "r2":
        juliet.send_raw(f"<message to='{romeo.jid}' type='chat' id='{number}'><body>x</body>{ASKED}</message>")
        ids.append(romeo.next_request().get("call-id"))
    parts = "".join(f"--b\r\nContent-Type: message/imdn+xml\r\n\r\n{imdn(each, 'delivery', 'delivered')}\r\n"
                    for each in [ids[0], "of-nobody", ids[1]])
    assert romeo.message_through_proxy(site.sip_uri(juliet), f"{parts}--b--",
                                       content_type="multipart/mixed;boundary=b").status == 200
    assert [juliet.next_message().child("received", RECEIPTS).get("id") for _ in range(2)] == ["r1", "r2"]


@pytest.mark.parametrize("content_type, encoding, body, text", [
    ("text/plain", "deflate", zlib.compress(b"Hello"), "Hello"),
    ("text/plain", None, b"Gr\xfc\xdfe", "Grüße"),
    ("text/plain;charset=GB2312", None, b"\xc4\xe3\xba\xc3", "你好"),
    ("text/html", None, b"I <3 you\nsecond line", "I <3 you\nsecond line"),
])
def test_a_text_arrives_as_it_was_meant(site, romeo, juliet, content_type, encoding, body, text):
    headers = [("Content-Encoding", encoding)] if encoding else []
    assert romeo.message_through_proxy(site.sip_uri(juliet), body, content_type=content_type,
                                       headers=headers).status == 200
    assert juliet.next_message().body == text


def test_a_small_body_that_inflates_to_much_is_refused(site, romeo, juliet):
    answer = romeo.message_through_proxy(site.sip_uri(juliet), zlib.compress(b"a" * 200_000), content_type="text/plain",
                                         headers=[("Content-Encoding", "deflate")])
    assert answer.status == 413
    assert juliet.nothing_came()

"""SIP to XMPP: a 200 is sent when the XMPP server has processed the message, and only then."""
import pytest

from support.sipp import Sipp
from support.waiting import eventually
from support import loopback

both_transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


@both_transports
def test_a_message_arrives_and_is_accepted(site, transport):
    romeo, juliet = site.sip_user("romeo", transport), site.xmpp_user("juliet")

    answer = romeo.message(site.sip_uri(juliet), "Shall I hear more?")

    assert (answer.status, answer.reason) == (200, "Accepted")
    assert answer.body == b"" and answer.get("contact") is None
    message = juliet.next_message()
    assert (message.sender, message.body, message.type) == (site.jid(romeo), "Shall I hear more?", "chat")


@both_transports
def test_sipp_is_content_with_the_answer(site, tmp_path, transport):
    juliet = site.xmpp_user("juliet")

    Sipp(tmp_path, "say", loopback.address(250), site.stox.address, transport,
         values={"STATUS": 200, "REASON": "Accepted"}, to=site.sip_uri(juliet), body="from sipp", max_forwards=70,
         **{"from": "sip:rosaline@sip.test"}).play()

    assert juliet.next_message().body == "from sipp"


@pytest.mark.parametrize("text", [
    "Grüße, 你好, नमस्ते, 😀",
    "<b>&amp;</b> ]]> ' \" <!-- -->",
    "two\nlines and a\ttab",
    "x" * 1200,
], ids=["scripts", "markup", "lines", "long"])
def test_text_arrives_unchanged(site, text):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    assert romeo.message(site.sip_uri(juliet), text).status == 200
    assert juliet.next_message().body == text


def test_an_unknown_user_is_not_found(site):
    romeo = site.sip_user("romeo")

    answer = romeo.message(site.sip_uri("nobody@xmpp.test"), "Anyone?")

    assert (answer.status, answer.reason) == (404, "Not found")


def test_what_the_server_says_about_another_domain_is_told(site):
    romeo = site.sip_user("romeo")

    answer = romeo.message(site.sip_uri("juliet@elsewhere.test"), "Anyone?")

    assert (answer.status, answer.reason) == (403, "Communication with remote domains is not enabled")


def test_a_user_who_is_offline_gets_the_message_later(site):
    romeo = site.sip_user("romeo")

    assert romeo.message(site.sip_uri("nurse@xmpp.test"), "Good morrow").status == 200

    nurse = site.xmpp_user("nurse")
    assert nurse.next_message().body == "Good morrow"


def test_a_user_with_an_apostrophe_is_reached_and_answers(new_site):
    site = new_site(xmpp_users=["o\\27malley"]).start()
    romeo, malley = site.sip_user("d'artagnan"), site.xmpp_user("o\\27malley")

    assert romeo.message("sip:o'malley*xmpp.test@sip-xmpp.test", "Hello").status == 200
    message = malley.next_message()
    assert message.sender == "d\\27artagnan*sip.test@xmpp-sip.test"


def test_a_retransmission_is_absorbed(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    request = romeo.make("MESSAGE", site.sip_uri(juliet), "once")

    sent = romeo.send_request(request, retransmit=False)
    romeo.send_bytes(request.bytes())
    sent.answer()
    # As if the answer had been lost.
    had = len(sent.finals)
    romeo.send_bytes(request.bytes())
    eventually(lambda: len(sent.finals) > had, "the same answer again")

    assert {final.bytes() for final in sent.finals} == {sent.finals[0].bytes()}
    assert juliet.next_message().body == "once"
    assert juliet.nothing_came()


def test_the_same_request_on_another_way_is_merged(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    same = {"call_id": "fork@sip.test", "cseq": 7, "tag": "one"}

    assert romeo.message(site.sip_uri(juliet), "once", **same).status == 200
    assert romeo.message(site.sip_uri(juliet), "once", **same).status == 482

    assert juliet.next_message().body == "once"
    assert juliet.nothing_came()


@both_transports
def test_a_hundred_messages_stay_in_order(site, transport):
    romeo, juliet = site.sip_user("romeo", transport), site.xmpp_user("juliet")
    bodies = [f"number {i}" for i in range(100)]

    sent = [romeo.send("MESSAGE", site.sip_uri(juliet), body) for body in bodies]

    assert [s.answer().status for s in sent] == [200] * 100
    assert juliet.bodies(100) == bodies
    assert juliet.nothing_came()


@both_transports
def test_no_answer_before_the_server_has_processed_the_message(new_site, transport):
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo", transport), site.xmpp_user("juliet")

    site.xmpp_server.freeze()
    sent = romeo.send("MESSAGE", site.sip_uri(juliet), "Are you there?")
    eventually(lambda: site.stox.in_flight("sip-1") == 1, "the message is in flight")
    eventually(lambda: sent.provisional, "100 Trying, because it takes long")  # RFC 4320
    assert not sent.finals
    site.xmpp_server.thaw()

    assert sent.answer().status == 200
    assert {response.status for response in sent.provisional} == {100}
    assert juliet.next_message().body == "Are you there?"


def test_a_server_that_hangs_leads_to_504(new_site):
    site = new_site().start()
    romeo = site.sip_user("romeo")

    site.xmpp_server.freeze()
    answer = romeo.message(site.sip_uri("juliet@xmpp.test"), "Are you there?", within=40)
    site.xmpp_server.thaw()

    assert answer.status == 504
    assert romeo.message(site.sip_uri("juliet@xmpp.test"), "And now?").status == 200

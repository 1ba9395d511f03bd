"""What the SIP front answers to requests that are not simply a message: the table of interface and errors."""
from email.utils import formatdate
import time

import pytest

from support.waiting import eventually

GATEWAY = "sip:sip-xmpp.test"
JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"

both_transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


@both_transports
@pytest.mark.parametrize("to", [GATEWAY, JULIET])
def test_options_are_answered(site, transport, to):
    answer = site.sip_user("romeo", transport).request("OPTIONS", to)

    assert answer.status == 200
    assert "MESSAGE" in answer.get("allow") and "OPTIONS" in answer.get("allow")
    assert "text/plain" in answer.get("accept")
    assert (answer.get("accept-encoding"), answer.get("accept-language"), answer.get("supported")) == ("deflate, gzip, identity", "*", "")


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "PUBLISH", "INFO", "BYE"])
def test_another_known_method_is_not_allowed(site, method):
    answer = site.sip_user("romeo").request(method, JULIET)

    assert answer.status in ((405, 481) if method == "BYE" else (405,))
    if answer.status == 405:
        assert "MESSAGE" in answer.get("allow")


@pytest.mark.parametrize("event", [None, "dialog"])
@pytest.mark.parametrize("method", ["SUBSCRIBE", "NOTIFY"])
def test_only_presence_can_be_subscribed_to(site, method, event):
    answer = site.sip_user("romeo").request(method, JULIET, headers=[("Event", event)] if event else [])
    assert (answer.status, answer.get("allow-events")) == (489, "presence")


@pytest.mark.parametrize("method", ["SUBSCRIBE", "NOTIFY"])
def test_without_presence_nothing_can_be_subscribed_to(new_site, method):
    site = new_site(gateway={"presence": False}).start()
    assert site.sip_user("romeo").request(method, JULIET, headers=[("Event", "presence")]).status == 405


def test_a_caller_is_told_that_nobody_can_be_called(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    answer = romeo.request("INVITE", site.sip_uri(juliet))

    assert answer.status == 405
    assert answer.get("warning") == '399 stox "Users of XMPP can be written to but not called"'



def test_an_unknown_method_is_not_implemented(site):
    assert site.sip_user("romeo").request("DANCE", JULIET).status == 501


def test_other_methods_can_be_answered_as_openser_did(new_site):
    site = new_site(gateway={"unhandled_method_status": 503}).start()
    answer = site.sip_user("romeo").request("PUBLISH", JULIET)
    assert (answer.status, answer.reason) == (503, "Service unavailable")


def test_too_many_hops(site):
    answer = site.sip_user("romeo").message(JULIET, "Hello", max_forwards=0)
    assert (answer.status, answer.reason) == (483, "Too Many Hops")


@pytest.mark.parametrize("transport, size", [("udp", 2048), ("tcp", 65536)])
def test_a_message_too_big(site, transport, size):
    answer = site.sip_user("romeo", transport).message(JULIET, "x" * size)
    assert (answer.status, answer.reason) == (513, "Message too big")


def test_a_big_message_fits_on_tcp(site):
    juliet = site.xmpp_user("juliet")
    assert site.sip_user("romeo", "tcp").message(JULIET, "x" * 60_000).status == 200
    assert juliet.next_message().body == "x" * 60_000


@pytest.mark.parametrize("content_type", ["application/sdp", "image/png", "message/sipfrag"])
def test_content_that_is_not_understood(site, content_type):
    answer = site.sip_user("romeo").message(JULIET, "v=0", content_type=content_type)
    assert answer.status == 415
    assert "text/plain" in answer.get("accept")


def test_encoded_content_is_not_understood(site):
    answer = site.sip_user("romeo").message(JULIET, "x", headers=[("Content-Encoding", "br")])
    assert answer.status == 415
    assert answer.get("accept-encoding") == "deflate, gzip, identity"


def test_an_extension_that_is_required_and_unknown(site):
    answer = site.sip_user("romeo").message(JULIET, "Hello", headers=[("Require", "teleportation")])
    assert (answer.status, answer.get("unsupported")) == (420, "teleportation")


@pytest.mark.parametrize("to, status", [
    ("sip:juliet@sip-xmpp.test", 404),  # no separator
    ("sip:sip-xmpp.test", 404),  # no user
    ("sip:*xmpp.test@sip-xmpp.test", 404),  # an empty user
    ("sip:juliet*xmpp.test@elsewhere.test", 404),  # not our domain
    ("sip:a%zzb*xmpp.test@sip-xmpp.test", 400),
    ("sip:a%FFb*xmpp.test@sip-xmpp.test", 404),  # not UTF-8
    ("sip:a%00b*xmpp.test@sip-xmpp.test", 404),
    ("sip:juliet*xmpp.test%2Fbalcony@sip-xmpp.test", 404),
    ("sips:juliet*xmpp.test@sip-xmpp.test", 416),
    ("tel:+15551234", 416),
])
def test_a_request_uri_that_cannot_be_mapped(site, to, status):
    assert site.sip_user("romeo").message(to, "Hello").status == status


@pytest.mark.parametrize("sender", ["sip:sip.test", "sip:a%00b@sip.test", "sip:a%FFb@sip.test", "tel:+15551234"])
def test_a_sender_that_cannot_be_mapped(site, sender):
    assert site.sip_user("romeo").message(JULIET, "Hello", sender=sender).status == 403


def test_requests_from_elsewhere_are_forbidden(new_site):
    site = new_site(front={"trusted": ["192.0.2.0/24"]}).start()
    romeo = site.sip_user("romeo")
    assert romeo.message(JULIET, "Hello").status == 403

    def tells(what):
        shown = site.stox.ctl("status")
        return shown.returncode == 1 and what in shown.stdout

    assert tells(f"every message of the last minute was refused: {romeo.host} is not in `trusted`")
    site.stox.send_all_to(f"sip:{romeo.host}:{romeo.port}")
    assert site.stox.ctl("status").returncode == 0
    assert romeo.request("OPTIONS", "sip:sip-xmpp.test").status == 403
    eventually(lambda: tells(f"requests of outbound_proxy are refused: add {romeo.host} to `trusted`"),
               "the proxy is known by its address")
    site.stox.configuration["sip_front"][0]["trusted"] = [romeo.host]
    site.stox.write()
    site.stox.read_again()
    assert romeo.request("OPTIONS", "sip:sip-xmpp.test").status == 200
    assert site.stox.ctl("status").returncode == 0


def test_domains_that_may_not_be_claimed_or_reached(new_site):
    site = new_site(front={"from_domains": ["sip.test"]}, gateway={"xmpp_domains": ["xmpp.test"]}).start()
    romeo = site.sip_user("romeo")

    assert romeo.message(JULIET, "Hello").status == 200
    assert romeo.message(JULIET, "Hello", sender="sip:romeo@elsewhere.test").status == 403
    assert romeo.message("sip:juliet*elsewhere.test@sip-xmpp.test", "Hello").status in (403, 404)


def test_the_status_of_success_is_a_setting(new_site):
    site = new_site(gateway={"accept_status": 202}).start()
    answer = site.sip_user("romeo").message(JULIET, "Hello")
    assert (answer.status, answer.reason) == (202, "Accepted")


def test_messages_can_be_normal(new_site):
    site = new_site(gateway={"message_type": "normal"}).start()
    juliet = site.xmpp_user("juliet")
    assert site.sip_user("romeo").message(JULIET, "Hello").status == 200
    assert juliet.next_message().type == "normal"


def test_headers_that_change_nothing(site):
    nurse = site.xmpp_user("nurse")
    headers = [("Supported", "100rel, timer"), ("Accept", "application/sdp"), ("Expires", "600"),
               ("Record-Route", "<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>"), ("Proxy-Require", "sec-agree"),
               ("Content-Disposition", "render;handling=optional"), ("Content-Encoding", "identity"),
               ("Content-Language", "en"), ("Organization", "Montague (\\(house\\), Verona)"),
               ("Contact", "not even an address")]
    answer = site.sip_user("romeo").message(site.sip_uri(nurse), "Hello", headers=headers)

    assert answer.status == 200
    assert answer.get("record-route") is None and answer.get("contact") is None
    assert nurse.next_message().body == "Hello"


def test_all_vias_come_back_in_order(site):
    romeo = site.sip_user("romeo")
    request = romeo.make("MESSAGE", JULIET, "Hello")
    behind = ["SIP/2.0/TCP edge.test;branch=z9hG4bKe, SIP/2.0/TLS [2001:db8::9]:5062;received=2001:db8::1",
              "SIP / 2.0 / WSS phone.invalid;branch=z9hG4bKp;x=\"a,b;c\""]
    request.headers[1:1] = [("Via", behind[0]), ("v", behind[1])]
    answer = romeo.send_request(request).answer()

    assert answer.status == 200
    vias = answer.all("via")
    assert f"received={romeo.host}" in vias[0] and f"rport={romeo.port}" in vias[0]
    assert vias[1:] == behind[0].split(", ") + [behind[1]]


@pytest.mark.parametrize("headers, status", [
    ([("Date", formatdate(time.time() - 3600, usegmt=True)), ("Expires", "600")], 480),
    ([("Date", "Sat, 13 Nov 2010 23:29:00 GMT"), ("Expires", "600")], 200),
    ([("Date", "Sat, 13 Nov 2010 23:29:00 GMT")], 200),
    ([("Date", "yesterday"), ("Expires", "soon")], 200),
    ([("Expires", "0")], 200),
    ([("Content-Disposition", "surprise;handling=required")], 415),
])
def test_expiry_and_disposition(site, headers, status):
    assert site.sip_user("romeo").message(JULIET, "Hello", headers=headers).status == status


@pytest.mark.parametrize("to, tag, max_forwards, status", [
    (GATEWAY, "", 0, 200),
    (JULIET, "", 70, 200),
    (GATEWAY, ";tag=1", 70, 481),
])
def test_options_inside_and_outside(site, to, tag, max_forwards, status):
    answer = site.sip_user("romeo").request("OPTIONS", to, headers=[("To", f"<{to}>{tag}")], max_forwards=max_forwards)
    assert answer.status == status


def test_a_cancel_of_nothing_and_a_stray_ack(site):
    romeo = site.sip_user("romeo")
    romeo.send_bytes(romeo.make("ACK", JULIET, "").bytes())
    assert romeo.request("CANCEL", JULIET).status == 481


def test_the_same_message_by_two_ways(site):
    romeo, nurse = site.sip_user("romeo"), site.xmpp_user("nurse")
    same = {"call_id": "merged", "cseq": 7, "tag": "m"}
    first = romeo.send("MESSAGE", site.sip_uri(nurse), "once", **same)
    second = romeo.send("MESSAGE", site.sip_uri(nurse), "once", **same)

    assert [first.answer().status, second.answer().status] == [200, 482]
    assert nurse.next_message().body == "once" and nurse.nothing_came()


def test_more_than_a_source_may_send(new_site):
    site = new_site(front={"max_rate_per_source": 1}).start()
    romeo = site.sip_user("romeo")
    answers = [romeo.message(JULIET, "Hello") for _ in range(10)]

    assert {answer.status for answer in answers} == {200, 480}
    refused = next(answer for answer in answers if answer.status == 480)
    assert int(refused.get("retry-after")) > 0
    assert site.stox.ctl_json("sip")["fronts"][0]["refused"]["rate"] >= 1

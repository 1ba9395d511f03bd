"""What the SIP front answers to requests that are not simply a message: the table of interface and errors."""
import pytest

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


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REGISTER", "PUBLISH", "NOTIFY", "INFO", "BYE"])
def test_another_known_method_is_not_allowed(site, method):
    answer = site.sip_user("romeo").request(method, JULIET)

    assert answer.status in ((405, 481) if method == "BYE" else (405,))
    if answer.status == 405:
        assert "MESSAGE" in answer.get("allow")


def test_an_unknown_method_is_not_implemented(site):
    assert site.sip_user("romeo").request("DANCE", JULIET).status == 501


def test_other_methods_can_be_answered_as_openser_did(new_site):
    site = new_site(gateway={"unhandled_method_status": 503}).start()
    answer = site.sip_user("romeo").request("SUBSCRIBE", JULIET)
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
    answer = site.sip_user("romeo").message(JULIET, "\x1f\x8b", headers=[("Content-Encoding", "gzip")])
    assert answer.status == 415
    assert answer.get("accept-encoding") == "identity"


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
    assert site.sip_user("romeo").message(JULIET, "Hello").status == 403


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

"""The connection to the outbound proxy is kept alive by pings (RFC 5626), which a real Kamailio answers."""
import pytest

from support.waiting import eventually

ROMEO = "romeo*sip.test@xmpp-sip.test"


def front(site):
    return site.stox.ctl_json("sip")["fronts"][0]


def to_proxy(site):
    return [one for one in front(site)["connections"] if one["opened_by"] == "us"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_proxy_that_answers_no_more_is_connected_to_anew(new_site, transport):
    site = new_site(with_proxy=True, with_tls=True, proxy_transport=transport, front={"keepalive_seconds": 1}).start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    juliet.send(ROMEO, "one")
    assert romeo.next_request().text == "one"
    eventually(lambda: [one["answers_pings"] for one in to_proxy(site)] == [True], "Kamailio answers pings")

    site.kamailio.freeze()
    eventually(lambda: front(site)["pings_unanswered"] > 0, "the silence is noticed")
    site.kamailio.thaw()

    juliet.send(ROMEO, "two")
    assert romeo.next_request().text == "two"
    assert juliet.nothing_came()

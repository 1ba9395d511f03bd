"""What the wire may do to SIP: loss, copies, late and several answers, streams cut anywhere."""
import pytest

from support import loopback
from support.lossy_path import LossyPath
from support.sip_user import SipUser
from support.sipp import Sipp


@pytest.fixture
def path():
    paths = []

    def make(to):
        paths.append(LossyPath(loopback.address(240), to))
        return paths[-1]

    yield make
    for made in paths:
        made.close()


@pytest.mark.parametrize("there, back", [({1, 2}, set()), (set(), {1}), ({1}, {1, 2})])
def test_what_is_lost_on_the_way_in_comes_once(site, path, there, back):
    way = path(site.stox.address)
    way.lose_there, way.lose_back = there, back
    juliet = site.xmpp_user("juliet")
    romeo = SipUser(loopback.address(241), "sip:romeo@sip.test", way.address)
    site.users.append(romeo)
    assert romeo.message(site.sip_uri(juliet), "through the noise").status == 200
    assert juliet.next_message().body == "through the noise"
    assert juliet.nothing_came()


@pytest.mark.parametrize("there, back", [({1, 2}, set()), (set(), {1}), ({1}, {1})])
def test_what_is_lost_on_the_way_out_comes_once(site, path, there, back):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    way = path((romeo.host, romeo.port))
    way.lose_there, way.lose_back = there, back
    host, port = way.address
    juliet.send(f"romeo*{host}\\3a{port}@xmpp-sip.test", "one")
    juliet.send(f"romeo*{host}\\3a{port}@xmpp-sip.test", "two")  # goes out when the first has been answered
    assert romeo.texts(2) == ["one", "two"]
    assert juliet.nothing_came()


@pytest.mark.parametrize("scenario", ["answer_late", "answer_forked"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_late_and_several_answers_are_one(site, tmp_path, scenario, transport):
    juliet = site.xmpp_user("juliet")
    rosaline = Sipp(tmp_path, scenario, loopback.address(242), transport=transport).start()
    gateway = site.stox
    to = f"rosaline*{rosaline.host}\\3a{rosaline.port}@xmpp-sip.test"
    listening = {"udp": loopback.takes_datagrams, "tcp": loopback.accepts}[transport]
    rosaline.wait_until(lambda: listening(rosaline.host, rosaline.port), "listening")
    # A large one goes by TCP (RFC 3261 18.1.1).
    text = "?" * (1400 if transport == "tcp" else 10)
    juliet.send(to, text)
    rosaline.finish()
    assert {body for _, body in rosaline.received()} == {text}
    assert juliet.nothing_came()
    assert gateway.in_flight("sip-1") == 0


@pytest.mark.parametrize("piece", [1, 17, 100_000])
def test_a_stream_may_be_cut_anywhere(site, piece):
    romeo, juliet = site.sip_user("romeo", "tcp"), site.xmpp_user("juliet")
    texts = [f"number {n}" for n in range(5)]
    requests = [romeo.make("MESSAGE", site.sip_uri(juliet), text) for text in texts]
    sent = romeo.send_together(requests, piece)
    assert [one.answer().status for one in sent] == [200] * 5
    assert [juliet.next_message().body for _ in texts] == texts


def test_a_large_message_is_refused_where_only_udp_is_taken(site):
    """RFC 3428 8: not without congestion control."""
    juliet = site.xmpp_user("juliet")
    rosaline = SipUser(loopback.address(244), "sip:rosaline@sip.test", tcp=False)
    site.users.append(rosaline)
    juliet.send(site.jid_at_host(rosaline), "x" * 1400)
    assert juliet.next_message().condition == "policy-violation"
    juliet.send(site.jid_at_host(rosaline), "short")
    assert rosaline.next_request().text == "short"

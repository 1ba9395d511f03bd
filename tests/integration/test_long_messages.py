"""What is too long for a datagram: long_messages = "stream", "split" and "reject"."""
import re

WORDS = " ".join(f"word{n}" for n in range(400)) + " \U0001f469\u200d\U0001f467" * 20


def scene(new_site, policy):
    """A site that sends everything by UDP as long as it can, and a user on each side."""
    site = new_site(with_proxy=True, gateway={"long_messages": policy}).start()
    return site.xmpp_user("juliet"), site.sip_user("romeo", registered=True), "romeo*sip.test@xmpp-sip.test"


def test_by_a_stream_in_one_piece(new_site):
    juliet, romeo, to = scene(new_site, "stream")
    juliet.send(to, "short")
    assert romeo.next_request().all("via")[-1].startswith("SIP/2.0/UDP")
    juliet.send(to, WORDS)
    request = romeo.next_request()
    assert request.text == WORDS
    assert request.all("via")[-1].startswith("SIP/2.0/TCP")
    juliet.send(to, "x" * 50_000)
    assert romeo.next_request().text == "x" * 50_000
    assert juliet.nothing_came()


def test_in_numbered_parts(new_site):
    juliet, romeo, to = scene(new_site, "split")
    juliet.send(to, WORDS)
    first = romeo.next_request()
    count = int(re.match(r"\(1/(\d+)\) ", first.text)[1])
    requests = [first, *(romeo.next_request() for _ in range(count - 1))]
    assert [re.match(r"\((\d+)/", each.text)[1] for each in requests] == [str(n + 1) for n in range(count)]
    assert "".join(each.text.partition(" ")[2] for each in requests) == WORDS
    assert all(each.all("via")[-1].startswith("SIP/2.0/UDP") for each in requests)
    assert juliet.nothing_came()


def test_not_at_all(new_site):
    juliet, romeo, to = scene(new_site, "reject")
    juliet.send(to, WORDS, id="too-long")
    error = juliet.next_message()
    assert (error.id, error.condition, error.error_type) == ("too-long", "policy-violation", "modify")
    juliet.send(to, "short")
    assert romeo.next_request().text == "short"

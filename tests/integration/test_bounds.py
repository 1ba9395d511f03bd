"""At its bounds the gateway says so at once, and takes up again when there is room."""
from support.waiting import eventually

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"


def test_sip_is_told_to_come_back_later(new_site):
    site = new_site(front={"max_in_flight": 3}).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    site.xmpp_server.freeze()
    taken = [romeo.send("MESSAGE", JULIET, f"number {i}") for i in range(3)]
    eventually(lambda: site.stox.in_flight("sip-1") == 3, "three are in flight")
    answer = romeo.message(JULIET, "one too many")
    site.xmpp_server.thaw()

    assert answer.status == 503 and answer.get("retry-after")
    assert [sent.answer().status for sent in taken] == [200] * 3
    assert romeo.message(JULIET, "now there is room").status == 200
    assert juliet.bodies(4) == ["number 0", "number 1", "number 2", "now there is room"]


def test_xmpp_is_told_to_come_back_later(new_site):
    site = new_site(worker={"max_in_flight": 3}).start()
    juliet, romeo, mercutio = site.xmpp_user("juliet"), site.sip_user("romeo"), site.sip_user("mercutio")
    romeo.automatic = None

    for i in range(3):
        juliet.send(site.jid_at_host(romeo), f"number {i}")
    too_many = juliet.send(site.jid_at_host(mercutio), "one too many")

    error = juliet.next_message()
    assert (error.id, error.condition, error.error_type) == (too_many, "resource-constraint", "wait")
    assert mercutio.inbox.empty()
    # The stream is read on: the other direction, which needs its proofs, goes on.
    assert romeo.message(site.sip_uri(juliet), "all well").status == 200
    for i in range(3):
        request = romeo.next_request()
        assert request.text == f"number {i}"
        request.respond(200, "OK")


def test_one_dead_phone_does_not_fill_the_gateway(site):
    juliet, romeo, mercutio = site.xmpp_user("juliet"), site.sip_user("romeo"), site.sip_user("mercutio")
    romeo.automatic = None

    sent = [juliet.send(site.jid_at_host(romeo), f"number {i}") for i in range(200)]
    error = juliet.next_message()
    juliet.send(site.jid_at_host(mercutio), "aside")

    assert (error.condition, error.error_type) == ("resource-constraint", "wait")
    assert error.id == sent[128]  # those before it wait their turn
    assert mercutio.next_request().text == "aside"


def test_a_sender_of_many_messages_does_not_stop_the_others(new_site):
    site = new_site(worker={"max_in_flight": 32}).start()
    juliet, nurse, romeo = site.xmpp_user("juliet"), site.xmpp_user("nurse"), site.sip_user("romeo")
    silent = [site.sip_user(f"silent-{i}") for i in range(4)]
    for each in silent:
        each.automatic = None

    sent = [juliet.send(site.jid_at_host(silent[i % 4]), f"number {i}") for i in range(40)]
    refused = {juliet.next_message().id for _ in range(16)}
    nurse.send(site.jid_at_host(romeo), "from somebody else")

    assert refused == set(sent[24:])  # three quarters of the bound are in flight
    assert romeo.next_request().text == "from somebody else"
    assert nurse.nothing_came()

"""Processes die and hang while messages cross: what was accepted arrived once, and nothing arrives twice."""
import collections
import concurrent.futures

import pytest

from support.site import Site
from support.stox import NAMES
from support.waiting import eventually
from support.xmpp_server import XmppServer

COUNT = 240
USERS = 8

each_process = pytest.mark.parametrize("name", NAMES)
each_fault = pytest.mark.parametrize("fault", ["killed", "frozen"])


def break_process(stox, name, fault):
    process = stox.processes[name]
    if fault == "killed":
        process.kill()
        process.start()
    else:
        process.freeze()
        stox.missed(name)
        process.thaw()


@each_process
@each_fault
def test_sip_to_xmpp(new_site, name, fault):
    site = new_site().start()
    juliet = site.xmpp_user("juliet")
    senders = [site.sip_user(f"romeo{i}") for i in range(USERS)]

    def talk(sender):
        """One message after the other; returns the bodies that were accepted."""
        bodies = [f"{sender.uri} {i}" for i in range(COUNT // USERS)]
        return [body for body in bodies if sender.message(site.sip_uri(juliet), body, within=40).status == 200]

    with concurrent.futures.ThreadPoolExecutor(USERS) as pool:
        talks = [pool.submit(talk, sender) for sender in senders]
        arrived = juliet.bodies(COUNT // 4)
        break_process(site.stox, name, fault)
        accepted = [body for talk in talks for body in talk.result()]
    site.stox.ready()
    assert senders[0].message(site.sip_uri(juliet), "the last").status == 200
    while "the last" not in arrived:
        arrived.append(juliet.next_message().body)

    assert set(accepted) <= set(arrived), "accepted and lost"
    assert len(arrived) == len(set(arrived)), "arrived twice"
    assert len(accepted) > COUNT // 2
    for sender in senders:
        numbers = [int(body.split()[1]) for body in arrived if body.startswith(sender.uri + " ")]
        assert numbers == sorted(numbers), "out of order"


@each_process
@each_fault
def test_xmpp_to_sip(new_site, name, fault):
    site = new_site().start()
    juliet = site.xmpp_user("juliet")
    receivers = [site.sip_user(f"romeo{i}") for i in range(USERS)]
    bodies = {}  # by stanza id

    def send(numbers):
        for i in numbers:
            bodies[juliet.send(site.jid_at_host(receivers[i % USERS]), f"{i}")] = f"{i}"

    send(range(COUNT // 2))
    first = receivers[0].next_request()
    break_process(site.stox, name, fault)
    site.stox.ready()
    send(range(COUNT // 2, COUNT))

    arrived, told = collections.defaultdict(list), []  # by receiver's number; bodies whose sender got an error
    arrived[0].append(first.text)

    def everything():
        return [body for texts in arrived.values() for body in texts]

    def collect():
        for i, receiver in enumerate(receivers):
            while not receiver.inbox.empty():
                arrived[i].append(receiver.next_request().text)
        while not juliet.inbox.empty():
            told.append(bodies[juliet.next_message().id])
        return set(everything()) | set(told)

    # What a worker had in hand when it died is nobody's: the XMPP server does not say it again.
    wanted = range(COUNT // 2, COUNT) if (name, fault) == ("component-1", "killed") else range(COUNT)
    eventually(lambda: {f"{i}" for i in wanted} <= collect(), "each message arrived or its sender was told", within=90)
    assert len(everything()) == len(set(everything())), "arrived twice"
    assert len(everything()) > COUNT // 2
    for texts in arrived.values():
        numbers = [int(text) for text in texts]
        assert numbers == sorted(numbers), "out of order"


def test_a_retransmission_that_a_new_front_gets(new_site):
    """The front dies with a message that XMPP already has: the phone's next copy gets its outcome."""
    site = new_site().start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    site.xmpp_server.freeze()
    sent = romeo.send("MESSAGE", site.sip_uri(juliet), "once")
    eventually(lambda: site.stox.in_flight("sip-1") == 1, "the message is in flight")
    site.stox.kill("sip-1")
    site.stox.start("sip-1")
    eventually(lambda: site.stox.in_flight("sip-1") == 1, "a copy has come to the new front")
    site.xmpp_server.thaw()

    assert sent.answer().status == 200
    assert juliet.next_message().body == "once"
    assert juliet.nothing_came()


def test_a_front_and_a_worker_die_with_a_message(new_site):
    """Nobody is left who knows of it: the phone's next copy is in doubt, and goes nowhere."""
    server = XmppServer(next(Site._hosts))
    server.answers_pings = False
    site = new_site(xmpp_server=server).start()
    romeo = site.sip_user("romeo")

    sent = romeo.send("MESSAGE", site.sip_uri("juliet@xmpp.test"), "once")
    assert server.next_stanza().tag.endswith("message")
    for name in "component-1", "sip-1":
        site.stox.kill(name)
    site.stox.start("component-1", "sip-1")
    site.stox.ready()
    assert sent.answer(within=60).status == 504
    server.answers_pings = True
    # 202 until it is sure that the server sends nothing to the old connection any more.
    assert romeo.message(site.sip_uri("juliet@xmpp.test"), "twice").status in (200, 202)
    assert server.next_stanza().find("{jabber:component:accept}body").text == "twice"

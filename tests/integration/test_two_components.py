"""Two workers of one component on a server that accepts both: answers come on either connection."""
import concurrent.futures

import pytest

from support.ejabberd import Ejabberd
from support.jabberd2 import Jabberd2
from support.site import Site
from support.waiting import eventually


def ejabberd_by_source(*where, **how):
    """Which keeps the messages of one XMPP user in order."""
    return Ejabberd(*where, balancing={"type": "bare_source", "component_number": 2}, **how)


@pytest.fixture(scope="module", params=[Ejabberd, ejabberd_by_source, Jabberd2])
def site(request):
    site = Site(server=request.param, workers=2).start()
    yield site
    site.stop()


def test_each_message_gets_its_own_answer(site):
    juliet = site.xmpp_user("juliet")
    senders = [site.sip_user(f"romeo{i}") for i in range(8)]

    def talk(sender):
        """To one who is there and one who is not, in turn."""
        for i in range(20):
            name = juliet if i % 2 else f"nobody{i}@xmpp.test"
            answer = sender.message(site.sip_uri(name), f"{sender.uri} {i}", within=40)
            yield (i, answer.status)

    with concurrent.futures.ThreadPoolExecutor(len(senders)) as pool:
        answers = [pool.submit(lambda s: list(talk(s)), sender) for sender in senders]
        answers = [each for talk in answers for each in talk.result()]

    assert {status for i, status in answers if i % 2} == {200}
    assert {status for i, status in answers if not i % 2} == {404}
    bodies = juliet.bodies(80)
    assert len(set(bodies)) == 80


def test_answers_were_handed_over(site):
    workers = [site.stox.metrics(name) for name in ("component-1", "component-2")]
    assert sum(each["stox_xmpp_handed_over_total"] for each in workers) > 0
    assert sum(each["stox_xmpp_late_errors_total"] for each in workers) == 0


def test_messages_come_in_by_both(site):
    juliet, romeo = site.xmpp_user("juliet"), site.sip_user("romeo")
    for i in range(20):
        juliet.send(site.jid_at_host(romeo), f"{i}")
    assert {romeo.next_request().text for _ in range(20)} == {f"{i}" for i in range(20)}


def test_one_of_them_dies(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    site.stox.kill("component-2")
    site.stox.missed("component-2")
    assert romeo.message(site.sip_uri(juliet), "still here", within=40).status in (200, 202)
    site.stox.start("component-2")
    site.stox.ready()
    eventually(lambda: romeo.message(site.sip_uri(juliet), "both again", within=40).status == 200, "proved again")
    assert romeo.message(site.sip_uri("nobody@xmpp.test"), "hello?", within=40).status == 404

"""The server hangs, or the cable to it is pulled: noticed by pings, and what was accepted arrives."""
import os

import pytest

from support.cut_off import Cable
from support.ejabberd import Ejabberd
from support.jabberd2 import Jabberd2
from support.prosody import Prosody
from support.waiting import eventually

JULIET = "sip:juliet*xmpp.test@sip-xmpp.test"
each_server = pytest.mark.parametrize("server", [Prosody, Ejabberd, Jabberd2])


def talks(site, sender, count, accepted):
    """Sends one after the other; those with a 2xx are added to `accepted`. The statuses of the others."""
    others = []
    for i in range(count):
        body = f"{len(accepted)} {len(others)}"
        status = sender.message(JULIET, body, within=40).status
        accepted.append(body) if status // 100 == 2 else others.append(status)
    return others


def everything_arrives(juliet, accepted):
    arrived = set()
    while not set(accepted) <= arrived:
        arrived.add(juliet.next_message().body)


@each_server
def test_the_server_hangs(new_site, server):
    site = new_site(server=server).start()
    juliet, romeo, accepted = site.xmpp_user("juliet"), site.sip_user("romeo"), []
    assert talks(site, romeo, 5, accepted) == []

    site.xmpp_server.freeze()
    assert talks(site, romeo, 1, accepted) == [504]
    eventually(lambda: "does not answer" in site.stox.status()["component-1"]["reason"], "status says it")
    site.xmpp_server.thaw()
    site.stox.until("component-1", "ready", within=90)
    eventually(lambda: talks(site, romeo, 1, accepted) == [], "messages are accepted again")
    everything_arrives(juliet, accepted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces")
@each_server
def test_the_cable_is_pulled(new_site, server):
    cable = Cable()
    try:
        site = new_site(xmpp_server_at=cable.host, server=lambda *a, **k: cable.enclose(server(*a, **k))).start()
        juliet, romeo, accepted = site.xmpp_user("juliet"), site.sip_user("romeo"), []
        assert talks(site, romeo, 5, accepted) == []

        eventually(cable.is_quiet, "all has been acknowledged")
        cable.pull()
        assert talks(site, romeo, 1, accepted) == [504]
        assert "does not answer pings" in site.stox.log("component-1"), "noticed by pings"
        cable.plug()
        site.stox.until("component-1", "ready", within=90)
        assert talks(site, romeo, 5, accepted) == []
        everything_arrives(juliet, accepted)

        eventually(cable.is_quiet, "all has been acknowledged")
        cable.pull()
        site.stox.kill("component-1")  # as if its host had lost its power
        cable.plug()
        site.stox.start("component-1")
        site.stox.until("component-1", "ready", within=90)
    finally:
        cable.remove()

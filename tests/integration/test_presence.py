"""XMPP users see in which state SIP users are: by Kamailio's presence server, and by phones asked directly."""
import re
import select
import subprocess

import pytest

from support import loopback
from support.ejabberd import Ejabberd
from support.jabberd2 import Jabberd2
from support.phone import Baresip, Linphone, Sofia
from support.profanity import Profanity
from support.prosody import Prosody
from support.publisher import Publisher
from support.site import Site
from support.stox import PROGRAMS
from support.waiting import eventually
from support.watcher import Watcher

PRESENCE = {"with_proxy": True, "gateway": {"presence": True}}
SERVER = {**PRESENCE, "proxy": {"presence": "server"}}


class TestByAPresenceServer:
    @pytest.fixture(scope="class", params=[Prosody, Ejabberd, Jabberd2])
    def standing_site(self, request):
        site = Site(server=request.param, **SERVER).start()
        yield site
        site.stop()

    def test_a_contact_goes_through_its_states(self, site):
        romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
        desk, mobile = Publisher(romeo, "desk"), Publisher(romeo, "mobile")
        contact = site.jid(romeo)
        desk.publish(activity="busy", note="at the desk")
        assert juliet.subscribe(contact) == ["subscribed"]
        juliet.sees(contact, show="dnd", status="at the desk")
        assert juliet.roster()[contact] == "to"

        desk.publish(activity="away")
        juliet.sees(contact, show="away", status="")
        desk.publish(note="back")
        juliet.sees(contact, status="back")
        # The best of several devices counts.
        mobile.publish("closed")
        desk.publish(note="still here")
        juliet.sees(contact, status="still here")
        mobile.publish()
        desk.leave()
        juliet.sees(contact, status="")
        mobile.leave()
        juliet.sees(contact, "unavailable")

        # A client that comes later.
        desk.publish(note="here again")
        juliet.sees(contact, status="here again")
        second = site.xmpp_user("juliet", resource="garden")
        second.sees(contact, status="here again")

        juliet.say_presence(to=contact, type="unsubscribe")
        eventually(lambda: juliet.roster().get(contact) == "none", "the contact shows nothing any more")
        juliet.sees(contact, "unavailable")
        desk.leave()

    def test_two_see_each_other(self, site):
        romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
        desk, contact = Publisher(romeo, "desk"), site.jid(romeo)
        desk.publish(activity="busy")
        assert juliet.subscribe(contact) == ["subscribed"]
        juliet.sees(contact, show="dnd")
        watcher = Watcher(site.sip_user("romeo"), site.sip_uri(juliet))
        watcher.subscribe()
        juliet.asked_by(contact)
        juliet.say_presence(to=contact, type="subscribed")
        watcher.until("active open")
        assert juliet.roster()[contact] == "both"
        juliet.say_presence(show="away")
        watcher.until("active open away")
        desk.leave()
        juliet.sees(contact, "unavailable")


class TestPhonesWatch:
    """Through the proxy, with each of the servers behind the gateway."""

    @pytest.fixture(scope="class", params=[Prosody, Ejabberd, Jabberd2])
    def standing_site(self, request):
        site = Site(server=request.param, **SERVER).start()
        yield site
        site.stop()

    def test_a_baresip_and_a_linphone(self, site, tmp_path):
        juliet = site.xmpp_user("juliet")
        # COMPAT(baresip 1.0): its user is shown a change of what it knows already, so not the first state.
        baresip = Baresip(tmp_path / "baresip", loopback.address(232), site.kamailio, "romeo", site.sip_uri(juliet),
                          watches=True).start()
        linphone = Linphone(tmp_path / "linphone", loopback.address(233), site.kamailio, "benvolio", site.sip_uri(juliet),
                            watches=True).start()
        for name in "romeo", "benvolio":
            juliet.asked_by(f"{name}*sip.test@xmpp-sip.test")
            juliet.say_presence(to=f"{name}*sip.test@xmpp-sip.test", type="subscribed")
        linphone.shows("is Online")
        juliet.say_presence(show="dnd")
        linphone.shows("is Busy")
        juliet.say_presence(show="away")
        linphone.shows("is Away")
        juliet.say_presence()
        linphone.shows("is Online", times=2)
        juliet.say_presence(show="dnd")
        baresip.shows("from Online to Busy")
        juliet.close()
        site.users.remove(juliet)
        linphone.shows("is Offline")
        baresip.shows("from Busy to Offline")


class TestByPhones:
    @pytest.fixture(scope="class")
    def standing_site(self):
        site = Site(**PRESENCE, proxy={"presence": "phones"}).start()
        yield site
        site.stop()

    def test_a_baresip_is_asked_directly(self, site, tmp_path):
        juliet = site.xmpp_user("juliet")
        phone = Baresip(tmp_path / "baresip", loopback.address(230), site.kamailio, "rosaline", site.sip_uri(juliet)).start()
        contact = "rosaline*sip.test@xmpp-sip.test"
        assert juliet.subscribe(contact) == ["subscribed"]
        phone.is_available(True)
        juliet.sees(contact)
        phone.is_available(False)
        juliet.sees(contact, "unavailable")
        phone.is_available(True)
        juliet.sees(contact)
        phone.stop()


class TestWhoPublishes:
    @pytest.fixture(scope="class")
    def standing_site(self):
        site = Site(**SERVER).start()
        yield site
        site.stop()

    # COMPAT(linphone 5.1): what unpublishes has no Content-Length over UDP, which Kamailio's presence server answers with 400.
    @pytest.mark.parametrize("kind, transport", [(Baresip, "udp"), (Linphone, "tcp")])
    def test_a_phone_comes_and_goes(self, site, tmp_path, kind, transport):
        juliet = site.xmpp_user("juliet")
        name = kind.__name__.lower()
        contact = f"{name}*sip.test@xmpp-sip.test"
        assert juliet.subscribe(contact) == ["subscribed"]
        phone = kind(tmp_path / name, loopback.address(231), site.kamailio, name, site.sip_uri(juliet), transport,
                     publishes=True).start()
        if kind is Baresip:
            phone.is_available(True)
        juliet.sees(contact)
        if kind is Baresip:
            phone.is_available(False)
        else:
            phone.type("quit")
        juliet.sees(contact, "unavailable")


def test_a_terminal_client_sees_and_is_seen(new_site, tmp_path):
    site = new_site(**SERVER).start()
    romeo = site.sip_user("romeo", registered=True)
    desk, contact, watcher = Publisher(romeo, "desk"), site.jid(romeo), "benvolio*sip.test@xmpp-sip.test"
    juliet = Profanity(tmp_path / "profanity", site.xmpp_server, "juliet").start()
    juliet.type(f"/sub request {contact}")
    # COMPAT(profanity 0.13): that is how it says that she may see him.
    juliet.shows(f"Subscription received from {contact}")
    desk.publish(note="at the desk")
    juliet.shows(f'++ {contact} (sip) is online, "at the desk"')
    desk.publish(activity="busy", note="on the phone")
    juliet.shows(f'++ {contact} (sip) is dnd, "on the phone"')
    desk.publish(activity="away")
    juliet.shows(f"++ {contact} (sip) is away")
    desk.leave()
    juliet.shows(f"-- {contact} (sip) is offline")

    phone = Linphone(tmp_path / "linphone", loopback.address(236), site.kamailio, "benvolio", site.sip_uri(juliet),
                     watches=True).start()
    juliet.shows(f"Received authorization request from {watcher}")
    juliet.type(f"/sub allow {watcher}")
    phone.shows("is Online")
    juliet.type("/status set dnd")
    phone.shows("is Busy")
    juliet.type("/status set away")
    phone.shows("is Away")
    juliet.type("/quit")
    phone.shows("is Offline")
    phone.stop()
    juliet.stop()


def test_a_change_is_traced_through_all_processes(new_site):
    site = new_site(**SERVER).start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    desk = Publisher(romeo, "desk")
    desk.publish()
    assert juliet.subscribe(site.jid(romeo)) == ["subscribed"]
    juliet.sees(site.jid(romeo))
    tap = subprocess.Popen([PROGRAMS / "stoxctl", "-f", site.stox.file, "tap"], stdout=subprocess.PIPE, text=True)
    try:
        def passed():
            """It may not be watching yet: there is always another change."""
            desk.publish(activity="busy")
            desk.publish(activity="away")
            return select.select([tap.stdout], [], [], 0.5)[0]

        eventually(passed, "a change is seen to pass")
        line = tap.stdout.readline()
    finally:
        tap.terminate()
        tap.communicate()
    assert "romeo@sip.test" in line or "romeo*sip.test" in line
    [trace] = re.findall(r"\b[0-9a-f]{8,32}\b", line)[:1]
    shown = site.stox.ctl("trace", trace).stdout
    assert all(name in shown for name in ("sip-1", "mapper-1", "component-1")), shown


def test_an_old_contact_stays_whatever_its_proxy_says(new_site):
    """Contacts of the time before presence was switched on are in rosters; a proxy may let no SUBSCRIBE pass."""
    site = new_site(with_proxy=True, proxy={"presence": "refused"}, gateway={"presence": False}).start()
    juliet = site.xmpp_user("juliet")
    contacts = [f"friend{i}*sip.test@xmpp-sip.test" for i in range(4)]
    for contact in contacts:
        assert juliet.subscribe(contact) == ["subscribed"]
    site.stox.configuration["gateway"]["presence"] = True
    site.stox.write()
    for name in "mapper-1", "component-1", "sip-1":
        site.stox.restart(name)
    site.stox.ready()

    juliet = site.xmpp_user("juliet", resource="garden")
    for contact in contacts:
        juliet.sees(contact, "unavailable", status="no presence known")
    assert {juliet.roster()[contact] for contact in contacts} == {"to"}
    eventually(lambda: "403" in site.stox.ctl("status").stdout, "the operator reads that SUBSCRIBE is refused")

    # What a user asks for now is refused as the proxy says.
    assert juliet.subscribe("stranger*sip.test@xmpp-sip.test") == ["unsubscribed"]
    assert {juliet.roster()[contact] for contact in contacts} == {"to"}


@pytest.mark.parametrize("unsupported, said, state", [("grant", "subscribed", "unavailable"), ("online", "subscribed", "available"),
                                                      ("strict", "unsubscribed", None)])
def test_a_phone_without_presence(new_site, unsupported, said, state):
    site = new_site(with_proxy=True, proxy={"presence": "phones"},
                    gateway={"presence": True, "presence_unsupported": unsupported}).start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    romeo.automatic = (489, "Bad Event")
    assert juliet.subscribe(site.jid(romeo)) == [said]
    if state:
        juliet.sees(site.jid(romeo), state)


@pytest.mark.parametrize("victim", ["sip-1", "mapper-1", "component-1", "prosody", "kamailio"])
def test_a_death_changes_no_roster_and_the_next_change_is_seen(new_site, tmp_path, victim):
    # A presence server that forgets its subscriptions is asked again when they are to be refreshed.
    proxy = {"presence": "server", "presence_expires": 60 if victim == "kamailio" else 3600}
    site = new_site(**PRESENCE, proxy=proxy).start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    desk, contact, watcher = Publisher(romeo, "desk"), site.jid(romeo), "benvolio*sip.test@xmpp-sip.test"
    desk.publish(activity="busy")
    assert juliet.subscribe(contact) == ["subscribed"]
    juliet.sees(contact, show="dnd")
    phone = Linphone(tmp_path / "linphone", loopback.address(234), site.kamailio, "benvolio", site.sip_uri(juliet),
                     watches=True).start()
    juliet.asked_by(watcher)
    juliet.say_presence(to=watcher, type="subscribed")
    phone.shows("is Online")
    before = {jid: len(juliet.seen_of(jid)) for jid in (contact, watcher)}
    roster = juliet.roster()

    dead = {"prosody": site.xmpp_server, "kamailio": site.kamailio}.get(victim)
    if dead:
        dead.kill()
        dead.start()
    else:
        site.stox.kill(victim)
        site.stox.processes[victim].start()
    site.stox.ready()
    if victim == "prosody":
        juliet = site.xmpp_user("juliet", resource="garden")
        before = {contact: 0, watcher: 0}
        juliet.sees(contact, show="dnd")
    if victim == "kamailio":
        romeo.register()
        desk.tag = None
    desk.publish(activity="away")
    juliet.sees(contact, show="away", within=90)
    juliet.say_presence(show="dnd")
    if victim != "kamailio":  # who has forgotten where the phone is
        phone.shows("is Busy")
    phone.stop()
    said = {p.type for jid, seen in before.items() for p in juliet.seen_of(jid)[seen:]}
    assert said <= {"available", "unavailable", "probe"} and juliet.roster() == roster


class TestANotifierOnAnotherStack:
    @pytest.fixture(scope="class")
    def standing_site(self):
        site = Site(gateway={"presence": True}).start()
        yield site
        site.stop()

    @pytest.fixture
    def contact(self, site, tmp_path):
        """A user agent on sofia-sip, whom juliet has just asked: (agent, its address, juliet)."""
        juliet = site.xmpp_user("juliet")
        agent = Sofia(tmp_path / "sofia", loopback.address(235), site.stox, "sofia", site.sip_uri(juliet)).start()
        jid = f"sofia*{agent.host}\\3a{agent.port}@xmpp-sip.test"
        juliet.say_presence(to=jid, type="subscribe")
        agent.shows("watched by sip:juliet*xmpp.test@sip-xmpp.test for 3600")
        yield agent, jid, juliet
        juliet.say_presence(to=jid, type="unsubscribe")
        agent.stop()

    def types(self, juliet, jid):
        return [p.type for p in juliet.seen_of(jid)]

    def test_he_lets_her_see_him_after_a_while(self, contact):
        agent, jid, juliet = contact
        agent.tells("pending")
        agent.shows("told 200")
        assert self.types(juliet, jid) == [] and juliet.roster()[jid] == "none+ask"
        agent.tells("active", "open")
        juliet.sees(jid)
        agent.shows("told 200", times=2)
        agent.tells("active", "closed")
        juliet.sees(jid, "unavailable")
        assert self.types(juliet, jid) == ["subscribed", "available", "unavailable"]

    def test_he_refuses(self, contact):
        agent, jid, juliet = contact
        agent.tells("pending")
        agent.shows("told 200")
        agent.tells("terminated;reason=rejected")
        eventually(lambda: "unsubscribed" in self.types(juliet, jid), "she hears that he refuses")
        assert juliet.roster()[jid] == "none"

    @pytest.mark.parametrize("reason", ["deactivated", "timeout"])
    def test_she_subscribes_anew_when_his_side_says_so(self, contact, reason):
        agent, jid, juliet = contact
        agent.tells("active", "open")
        juliet.sees(jid)
        agent.shows("told 200")
        agent.tells(f"terminated;reason={reason}")
        agent.shows("watched by", times=2)
        agent.tells("active", "closed")
        juliet.sees(jid, "unavailable")
        assert "unsubscribed" not in self.types(juliet, jid) and juliet.roster()[jid] == "to"

    @pytest.mark.parametrize("reason", ["rejected", "noresource", "giveup;retry-after=600", "probation;retry-after=600", "mood"])
    def test_she_keeps_a_contact_who_is_taken_back(self, contact, reason):
        agent, jid, juliet = contact
        agent.tells("active", "open")
        juliet.sees(jid)
        agent.shows("told 200")
        agent.tells(f"terminated;reason={reason}")
        agent.shows("told 200", times=2)
        if reason in ("rejected", "noresource"):
            juliet.sees(jid, "unavailable")
        assert "unsubscribed" not in self.types(juliet, jid) and juliet.roster()[jid] == "to"

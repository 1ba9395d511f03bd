"""SIP users who subscribe to XMPP users: what they are told, and that a restart of the front costs nothing of it."""
import pytest

from support import loopback
from support.ejabberd import Ejabberd
from support.federation import SERVERS
from support.jabberd2 import Jabberd2
from support.phone import Baresip
from support.prosody import Prosody
from support.site import Site
from support.stox import GATEWAY_DOMAIN
from support.waiting import eventually
from support.watcher import Watcher


def test_a_phone_sees_an_xmpp_user(new_site):
    site = new_site(gateway={"presence": True}).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    watcher = Watcher(romeo, site.sip_uri(juliet))
    answer = watcher.subscribe()
    assert (answer.status, answer.get("expires")) == (200, "600")
    assert watcher.told() == "pending"
    juliet.asked_by(site.jid(romeo))
    juliet.say_presence(to=site.jid(romeo), type="subscribed")
    watcher.until("active open")
    [pair] = [one for one in site.stox.ctl_json("presence", "--user", juliet.bare)["presence"] if one["kind"] == "watcher"]
    assert (pair["from"], pair["state"], pair["process"]) == (romeo.uri, "approved", "sip-1")
    assert pair["since_us"] < pair["expires_us"]
    assert romeo.uri in site.stox.ctl("presence").stdout
    assert site.stox.ctl_json("presence", "--user", "nurse@xmpp.test")["presence"] == []
    juliet.send_raw("<presence><show>dnd</show></presence>")
    assert watcher.told() == "active open busy"

    site.stox.kill("sip-1")
    juliet.send_raw("<presence><show>away</show></presence>")
    site.stox.start("sip-1")
    site.stox.ready()
    watcher.until("active open away")
    assert watcher.subscribe().status == 200
    assert watcher.told() == "active open away"
    juliet.close()
    site.users.remove(juliet)
    watcher.until("active closed")

    juliet = site.xmpp_user("juliet")
    watcher.until("active open")
    juliet.send_raw(f"<presence type='unsubscribed' to='{site.jid(romeo)}'/>")
    watcher.until("terminated;reason=rejected")
    [pair] = [one for one in site.stox.ctl_json("presence", "--user", romeo.uri)["presence"] if one["kind"] == "watcher"]
    assert pair["state"] == "refused"
    assert site.stox.ctl_json("presence", "forget", juliet.bare)["forgotten"] >= 1
    assert site.stox.ctl_json("presence")["presence"] == []
    assert watcher.subscribe().status == 481


def test_a_front_that_ends_waits_for_no_presence(new_site):
    site = new_site(gateway={"presence": True})
    site.stox.configuration["runtime"]["drain_seconds"] = 3600
    site.stox.write()
    site.start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    site.stox.processes["component-1"].freeze()
    assert Watcher(romeo, site.sip_uri(juliet)).subscribe().status == 200
    eventually(lambda: site.stox.in_flight("sip-1") > 0, "she is asked")
    assert site.stox.processes["sip-1"].stop(within=40) == 0
    site.stox.processes["component-1"].thaw()
    site.stox.start("sip-1")
    site.stox.ready()
    juliet.asked_by(site.jid(romeo))


def test_nobody_is_watched_who_is_not_there(new_site):
    site = new_site(gateway={"presence": True}).start()
    romeo = site.sip_user("romeo")
    for uri, status in (f"sip:juliet*x.test@{GATEWAY_DOMAIN}x", 404), (f"sip:{GATEWAY_DOMAIN}", 404):
        assert Watcher(romeo, uri).subscribe().status == status


class TestWithEachServer:
    @pytest.fixture(scope="class", params=[Prosody, Ejabberd, Jabberd2])
    def standing_site(self, request):
        site = Site(server=request.param, gateway={"presence": True}).start()
        yield site
        site.stop()

    def test_who_is_asked_may_say_no_and_change_his_mind(self, site):
        romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
        watcher, jid = Watcher(romeo, site.sip_uri(juliet)), site.jid(romeo)
        assert watcher.subscribe().status == 200
        assert watcher.told() == "pending"
        juliet.asked_by(jid)
        juliet.say_presence(to=jid, type="unsubscribed")
        watcher.until("terminated;reason=rejected")
        again = Watcher(romeo, site.sip_uri(juliet))
        assert again.subscribe().status == 200
        assert again.told() == "terminated;reason=rejected"
        assert juliet.roster().get(jid, "none") in ("none", "none+ask")

    def test_one_of_two_clients_leaves(self, site):
        mercutio, juliet = site.sip_user("mercutio"), site.xmpp_user("juliet")
        second = site.xmpp_user("juliet", resource="garden")
        watcher, jid = Watcher(mercutio, site.sip_uri(juliet)), site.jid(mercutio)
        watcher.subscribe()
        assert watcher.told() == "pending"
        juliet.asked_by(jid)
        juliet.say_presence(to=jid, type="subscribed")
        watcher.until("active open")
        juliet.say_presence(show="dnd", priority=5)
        watcher.until("active open busy")
        juliet.close()
        site.users.remove(juliet)
        watcher.until("active open")
        second.close()
        site.users.remove(second)
        watcher.until("active closed")

    def test_who_is_offline_is_closed_once_he_has_let_him_see(self, site):
        """COMPAT(ejabberd 23): it answers the probe of somebody offline with silence."""
        tybalt, juliet = site.sip_user("tybalt"), site.xmpp_user("juliet")
        watcher, jid = Watcher(tybalt, site.sip_uri(juliet)), site.jid(tybalt)
        watcher.subscribe()
        juliet.asked_by(jid)
        juliet.say_presence(to=jid, type="subscribed")
        watcher.until("active open")
        assert watcher.subscribe(expires=0).status == 200
        watcher.until("terminated;reason=timeout closed")
        juliet.close()
        site.users.remove(juliet)
        later = Watcher(tybalt, site.sip_uri("juliet@xmpp.test"))
        assert later.subscribe().status == 200
        later.until("active closed")

    def test_nobody(self, site):
        """Servers do not say whom they do not know; then the question stays open, as to somebody who does not answer."""
        watcher = Watcher(site.sip_user("paris"), site.sip_uri("nobody@xmpp.test"))
        assert watcher.subscribe().status == 200
        assert watcher.told() in ("pending", "terminated;reason=noresource")


@pytest.mark.parametrize("server", SERVERS)
def test_both_ways_in_server_mode(federation, tmp_path, server):
    make, how = SERVERS[server]
    site = federation(make=make, **how)
    site.stox.configuration["gateway"]["presence"] = True
    site.stox.write()
    site.start()
    juliet = site.xmpp_user("juliet")
    phone = Baresip(tmp_path / "baresip", site.network.here, site.stox, "romeo", site.sip_uri(juliet), domain="sip.test",
                    watches=True).start()
    watcher, contact = "romeo*sip.test@xmpp-sip.test", f"romeo*{phone.host}\\3a{phone.port}@xmpp-sip.test"
    juliet.asked_by(watcher)
    juliet.say_presence(to=watcher, type="subscribed")
    assert juliet.subscribe(contact) == ["subscribed"]
    phone.is_available(True)
    juliet.sees(contact)
    phone.is_available(False)
    juliet.sees(contact, "unavailable")
    for show, shown in ("dnd", "to Busy"), (None, "to Online"), ("dnd", "from Online to Busy"):
        juliet.say_presence(show=show)
        phone.shows(shown)
    juliet.close()
    site.users.remove(juliet)
    phone.shows("to Offline")

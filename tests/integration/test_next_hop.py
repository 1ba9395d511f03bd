"""Where the gateway finds a SIP domain's servers: a DNS server of the test's own tells it (RFC 3263)."""
import socket

import pytest

from support import loopback
from support.name_server import NameServer
from support.site import Site
from support.sip_user import Sent, SipUser
from support.waiting import eventually


@pytest.fixture(scope="module")
def servers():
    """Three hosts of SIP users, the first of which is down."""
    down = loopback.address(201)
    users = [SipUser(loopback.address(number), "sip:romeo@sip.test") for number in (202, 203)]
    yield down, *users
    for user in users:
        user.close()


@pytest.fixture(scope="module")
def standing_site(servers, tmp_path_factory):
    down, second, third = servers
    dns = NameServer(
        tmp_path_factory.mktemp("next_hop") / "dns", loopback.address(200),
        addresses=[("down.test", down), ("second.test", second.host), ("third.test", third.host)],
        services=[("_sip._tcp.pointed.test", "down.test", 5060, 10, 0),
                  ("_sip._tcp.pointed.test", "second.test", second.port, 20, 0),
                  ("_sip._udp.pointed.test", "third.test", third.port, 10, 0),
                  ("_sip._udp.plain.test", "down.test", 5060, 10, 0),
                  ("_sip._udp.plain.test", "second.test", second.port, 20, 0),
                  ("_sip._udp.plain.test", "third.test", third.port, 30, 0),
                  ("_sip._udp.none.test", ".", 0, 0, 0)],
        pointers=[("pointed.test", 10, 10, "s", "SIP+D2T", "_sip._tcp.pointed.test"),
                  ("pointed.test", 10, 20, "s", "SIP+D2U", "_sip._udp.pointed.test")]).start()
    site = Site(dns={"servers": [dns.address]}).start()
    yield site
    site.stop()
    dns.stop()


@pytest.fixture
def juliet(site, servers):
    for user in servers[1:]:
        user.automatic = (200, "OK")
        user.inbox.queue.clear()
    return site.xmpp_user("juliet")


def test_naptr_chooses_the_transport_and_srv_the_server(juliet, servers):
    down, second, third = servers
    juliet.send("romeo*pointed.test@xmpp-sip.test", "by NAPTR")
    request = second.next_request()
    assert request.text == "by NAPTR"
    assert request.uri == "sip:romeo@pointed.test"
    assert request.get("via").startswith("SIP/2.0/TCP ")
    assert juliet.nothing_came()


def test_a_server_that_is_down_or_overloaded_leads_to_the_next(juliet, servers):
    down, second, third = servers
    second.automatic = (503, "Busy")
    juliet.send("romeo*plain.test@xmpp-sip.test", "to the third")
    refused, taken = second.next_request(), third.next_request()
    assert (refused.text, taken.text) == ("to the third", "to the third")
    assert taken.get("via").startswith("SIP/2.0/UDP ")
    assert taken.branch != refused.branch
    assert taken.get("call-id") == refused.get("call-id")
    assert juliet.nothing_came()


def test_all_servers_overloaded_is_an_error(juliet, servers):
    down, second, third = servers
    second.automatic = third.automatic = (503, "Busy")
    juliet.send("romeo*plain.test@xmpp-sip.test", "to nobody")
    assert juliet.next_message().text == "The SIP side could not deliver the message (503 Busy)"


def test_a_name_without_services_is_the_server(juliet, servers):
    down, second, third = servers
    juliet.send(f"romeo*second.test\\3a{second.port}@xmpp-sip.test", "to a host")
    assert second.next_request().text == "to a host"
    assert juliet.nothing_came()


@pytest.mark.parametrize("domain", ["nowhere.test", "none.test"])
def test_a_domain_without_sip_is_an_error(juliet, domain):
    juliet.send(f"romeo*{domain}@xmpp-sip.test", "to nobody")
    assert juliet.next_message().condition == "remote-server-not-found"


def test_nobody_has_us_send_to_the_machines_beside_us(site, new_site, servers):
    """Without outbound_proxy and sip_domains: whether somebody listens there or not, nothing arrives."""
    down, second, third = servers
    for user in second, third:
        user.inbox.queue.clear()
    open_site = new_site(dns=site.stox.configuration["dns"], gateway={"sip_domains": []}).start()
    stranger = open_site.xmpp_user("juliet")
    for place in f"{second.host}\\3a{second.port}", f"{down}\\3a{second.port}", "plain.test", "localhost":
        for text in "a datagram", "lines of a stranger\n" * 100:
            stranger.send(f"romeo*{place}@xmpp-sip.test", text)
            assert stranger.next_message().condition == "remote-server-not-found", place
    open_site.stox.configuration["gateway"]["sip_domains"] = ["plain.test"]
    open_site.stox.write()
    open_site.stox.read_again()
    stranger.send("romeo*plain.test@xmpp-sip.test", "to one of the site's")
    assert second.next_request().text == "to one of the site's"  # the first that came at all
    stranger.send("romeo*pointed.test@xmpp-sip.test", "to another")
    assert stranger.next_message().condition == "forbidden"


def test_a_proxy_that_is_not_found_is_told(site, new_site, servers):
    down, second, third = servers
    other = new_site(dns=site.stox.configuration["dns"], gateway={"outbound_proxy": "sip:nobody.test"}).start()
    juliet = other.xmpp_user("juliet")
    juliet.send("romeo*sip.test@xmpp-sip.test", "to nobody")
    assert juliet.next_message().condition == "remote-server-not-found"
    shown = other.stox.ctl("status")
    assert "sip-1: cannot find outbound_proxy: DNS: no such name nobody.test (once, last " in shown.stdout
    other.stox.send_all_to("sip:plain.test")
    assert "cannot find" not in other.stox.ctl("status").stdout


def test_an_answer_without_a_way_back_goes_to_whom_the_via_names(site, juliet, servers):
    """The connection has gone, and nobody listens where it came from (RFC 3261 18.2.2)."""
    down, second, third = servers
    request = second.make("MESSAGE", site.sip_uri(juliet), "and gone", headers=[
        ("Via", f"SIP/2.0/TCP second.test:{second.port};branch=z9hG4bKgone")])
    second._sent["z9hG4bKgone"] = sent = Sent(request)
    mapper = site.stox.processes["mapper-1"]
    mapper.freeze()  # until the connection has gone
    with socket.create_connection(site.stox.address, source_address=(down, 0)) as connection:
        connection.sendall(request.bytes())
        eventually(lambda: site.stox.in_flight("sip-1") == 1, "the message is under way")
    eventually(lambda: connections_from_peers(site) == 0, "the connection is gone")
    mapper.thaw()
    assert sent.answer()  # whichever: on a busy machine the front may have given the mapper up meanwhile


def connections_from_peers(site):
    listed = {peer["name"]: peer for peer in site.stox.status()["sip-1"]["peers"]}
    return listed.get("tcp connections", {"opened_by_peer": 0})["opened_by_peer"]


def test_a_302_leads_to_where_xmpp_users_may_write(site, juliet, servers):
    _, second, third = servers
    second.automatic = None
    juliet.send(f"romeo*second.test\\3a{second.port}@xmpp-sip.test", "where are you?")
    moved = second.next_request()
    moved.respond(302, "Moved Temporarily", [("Contact", "<sip:romeo@elsewhere.example>, <sip:romeo@gone.test>;q=0.9"),
                                             ("Contact", f"<sip:mobile@{third.host}:{third.port}>;q=0.5")])
    followed = third.next_request()
    assert (followed.uri, followed.text) == (f"sip:mobile@{third.host}:{third.port}", "where are you?")
    assert (followed.get("call-id"), followed.get("to")) == (moved.get("call-id"), moved.get("to"))
    assert juliet.nothing_came()

    juliet.send(f"romeo*second.test\\3a{second.port}@xmpp-sip.test", "and now?")
    second.next_request().respond(302, "Moved Temporarily", [("Contact", "<sip:romeo@elsewhere.example>")])
    assert juliet.next_message().condition == "redirect"

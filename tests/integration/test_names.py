"""Names that people read, both ways, and how SIP users are found: numbers, aliases, addresses as clients write them."""
import re

import pytest

from support.ejabberd import Ejabberd
from support.prosody import Prosody
from support.site import Site
from support.waiting import eventually

NICK = "http://jabber.org/protocol/nick"


def display_name(request):
    found = re.match(r'\s*"([^"]*)"\s*<', request.get("from"))
    return found.group(1) if found else None


def test_a_display_name_becomes_a_nickname_and_a_vcard(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    named = [("From", f'"Romeo Montague" <{romeo.uri}>;tag=n1')]

    assert romeo.message(site.sip_uri(juliet), "It is me", headers=named).status == 200
    first = juliet.next_message()
    card = juliet.ask(first.sender, "<vCard xmlns='vcard-temp'/>")

    assert first.child("nick", NICK).text == "Romeo Montague"
    assert card.find("{vcard-temp}FN").text == "Romeo Montague"


def test_a_name_that_looks_like_an_address_is_not_shown(site):
    mercutio, juliet = site.sip_user("mercutio"), site.xmpp_user("juliet")
    named = [("From", f'"tybalt@capulet.example" <{mercutio.uri}>;tag=n2')]

    assert mercutio.message(site.sip_uri(juliet), "It is me", headers=named).status == 200
    message = juliet.next_message()

    assert message.child("nick", NICK) is None
    assert juliet.ask(message.sender, "<vCard xmlns='vcard-temp'/>").find("{vcard-temp}FN").text == "mercutio"


def test_a_nickname_becomes_a_display_name_and_is_remembered(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    to = site.jid_at_host(romeo)

    juliet.send(to, "unnamed")
    assert display_name(romeo.next_request()) == "juliet"
    juliet.send_raw(f"<message to='{to}' type='chat'><body>It is me</body><nick xmlns='{NICK}'>Juliet Capulet</nick></message>")
    assert display_name(romeo.next_request()) == "Juliet Capulet"
    juliet.send(to, "me again")
    assert display_name(romeo.next_request()) == "Juliet Capulet"


def prosody(folder, *where, **how):
    """With vCards as Prosody has them from the start."""
    server = Prosody(folder, *where, **how)
    configuration = folder / "prosody.cfg.lua"
    configuration.write_text(configuration.read_text().replace('"iq", ', '"iq", "pep", "vcard4", "vcard_legacy", '))
    return server


def ejabberd(folder, *where, **how):
    server = Ejabberd(folder, *where, **how)
    configuration = folder / "ejabberd.yml"
    configuration.write_text(configuration.read_text().replace('"mod_roster"', '"mod_vcard": {}, "mod_roster"'))
    return server


@pytest.mark.parametrize("server", [prosody, ejabberd])
def test_a_vcard_becomes_a_display_name(new_site, server):
    site = new_site(server=server, gateway={"display_names": "vcard"}).start()
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")
    to = site.jid_at_host(romeo)
    assert juliet.ask(juliet.bare, "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard>", type="set") is None

    juliet.send(to, "unnamed")  # nobody waits for the vCard
    assert display_name(romeo.next_request()) == "juliet"

    def is_named():
        juliet.send(to, "and again")
        return display_name(romeo.next_request()) == "Juliet Capulet"

    eventually(is_named, "she has the name of her vCard")


@pytest.fixture(scope="module")
def aliases():
    site = Site(gateway={"tel_domain": "phones.test", "aliases": {"4711": "juliet@xmpp.test"}}).start()
    yield site
    site.stop()


def test_an_alias_leads_to_an_xmpp_user_and_is_her_address(aliases):
    romeo, juliet = aliases.sip_user("romeo"), aliases.xmpp_user("juliet")
    gateway = aliases.sip_uri(juliet).partition("@")[2]

    assert romeo.message(f"sip:4711@{gateway}", "Your code is 1").status == 200
    assert juliet.next_message().body == "Your code is 1"
    juliet.send(aliases.jid_at_host(romeo), "thanks")
    assert romeo.next_request().sender.startswith(f"sip:4711@{gateway}")


def test_an_escaped_at_sign_is_a_separator(site):
    romeo, juliet = site.sip_user("romeo"), site.xmpp_user("juliet")

    assert romeo.message(site.sip_uri(juliet).replace("*", "%40"), "hello").status == 200
    assert juliet.next_message().body == "hello"
    juliet.send(site.jid_at_host(romeo).replace("*", "\\40"), "hello to you")
    assert romeo.next_request().text == "hello to you"


def test_the_prompt_takes_a_number(aliases):
    juliet = aliases.xmpp_user("juliet")
    domain = aliases.jid_at_host(aliases.sip_user("romeo")).partition("@")[2]

    answer = juliet.ask(domain, "<query xmlns='jabber:iq:gateway'><prompt>+1 (555) 123-4567</prompt></query>", type="set")

    assert answer.find("{jabber:iq:gateway}jid").text == f"+15551234567*phones.test@{domain}"

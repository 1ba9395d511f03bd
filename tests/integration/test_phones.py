"""Real user agents: baresip and linphonec, registered at Kamailio, write to XMPP users and get their answers."""
import pytest

from support import loopback
from support.phone import Baresip, Linphone
from support.site import Site


@pytest.fixture(scope="module")
def standing_site():
    site = Site(with_proxy=True, with_tls=True).start()
    yield site
    site.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("phone", [Baresip, Linphone])
def test_text_both_ways(site, tmp_path, phone, transport):
    juliet = site.xmpp_user("juliet")
    name = f"{phone.__name__.lower()}-{transport}"
    romeo = phone(tmp_path / name, loopback.address(210), site.kamailio, name, site.sip_uri(juliet), transport,
                  site.authority).start()

    romeo.say("Grüß Gott, Юлия ☕")
    message = juliet.next_message()
    assert (message.body, message.sender) == ("Grüß Gott, Юлия ☕", f"{name}*sip.test@xmpp-sip.test")

    juliet.send(message.sender, "Ebenfalls, Ромео 𝄞")
    romeo.shows("Ebenfalls, Ромео 𝄞")
    assert juliet.nothing_came()
    romeo.kill()

"""conversation.py FOLDER: a conversation in which Romeo has Linphone's desktop application and Juliet Dino, Gajim and a phone: texts,
a picture each way, a reaction, typing, ticks. Leaves a picture of each screen in FOLDER; `tests/run screen` runs it."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from desktop import Dino, Gajim, LinphoneDesktop, Screen, authority_of  # noqa: E402
from support import loopback  # noqa: E402
from support.child import kill_all  # noqa: E402
from support.file_server import FileServer  # noqa: E402
from support.site import Site  # noqa: E402
from support.waiting import eventually  # noqa: E402

JULIET, ROMEO = "juliet@xmpp.test", "romeo*sip.test@xmpp-sip.test"
# Pixels from the left and the top, in Linphone 4.4, Dino 0.4 and Gajim 1.7 with the fonts of deploy/packages.
SEARCH, CHAT, ATTACH, SEND, MESSAGE, DOWNLOAD = (500, 36), (735, 77), (278, 710), (920, 710), (600, 710), (579, 560)
CONTACT, NOWHERE = (100, 95), (100, 400)
IN_GAJIM, TEXT_IN_GAJIM = (240, 165), (680, 530)


def png(folder, name, colours):
    """A file with a small picture."""
    subprocess.run(["convert", "-size", "160x90", f"gradient:{colours}", folder / name], check=True)
    return folder / name


class Pair:
    """The two, at their screens: Juliet has two, and a phone."""

    def __init__(self, site):
        folder = site.folder
        self.site, self.files = site, FileServer(loopback.address(200))
        self.rose, moon = png(folder, "rose.png", "tomato-gold"), png(folder, "moon.png", "navy-white")
        self.files.files["moon.png"] = moon.read_bytes()
        self.romeos = Screen(folder, 950, 750, "romeos-screen").start()
        self.juliets = Screen(folder, 860, 560, "juliets-screen").start()
        self.others = Screen(folder, 960, 560, "others-screen").start()
        self.linphone = LinphoneDesktop(folder / "linphone", self.romeos, loopback.address(201), site.kamailio, "romeo",
                                        self.files.url).start()
        self.dino = Dino(folder / "dino", self.juliets, JULIET, site.xmpp_server, site.her_authority).start()
        self.gajim = Gajim(folder / "gajim", self.others, JULIET, site.xmpp_server).start()
        self.phone = site.xmpp_user("juliet", resource="phone")
        logins = lambda: site.xmpp_server.log(10**4).count(f"Authenticated as {JULIET}")
        eventually(lambda: logins() == 4, "Dino and Gajim have logged in")
        nurse = site.sip_user("nurse", registered=True)
        eventually(lambda: nurse.through_proxy("OPTIONS", "sip:romeo@sip.test").status == 200, "Linphone is registered")
        self.romeos.fill()

    def talk(self):
        romeos, juliets, phone = self.romeos, self.juliets, self.phone
        romeos.click(SEARCH)
        romeos.type(self.site.sip_uri(JULIET))
        romeos.click(CHAT)
        romeos.type("Good morrow, Juliet. Are you there?", "Return")
        first = phone.next_message()
        juliets.click(CONTACT)
        juliets.point_at(NOWHERE)
        juliets.type("At the balcony. See you at nine?", "Return")
        romeos.click(ATTACH)
        romeos.type(str(self.rose), "Return")
        romeos.click(SEND)
        eventually(lambda: phone.next_message().body.endswith("rose.png"), "his picture has come")
        self.others.click(IN_GAJIM)
        self.others.click(TEXT_IN_GAJIM)
        self.others.type("A rose? I am at the other window now.", "Return")
        url = f"{self.files.url}/moon.png"
        phone.send_raw(f"<message to='{ROMEO}' type='chat' id='p1'><body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x>"
                       "<private xmlns='urn:xmpp:carbons:2'/></message>")  # Dino 0.4 does not fetch what its user has sent
        phone.send_raw(f"<message to='{ROMEO}' type='chat' id='p2'><reactions xmlns='urn:xmpp:reactions:0' id='{first.id}'>"
                       "<reaction>👍</reaction></reactions></message>")
        romeos.rest()
        romeos.click(DOWNLOAD)
        for _ in range(8):  # it says so in a corner, for a while
            romeos.rest()
        romeos.click(MESSAGE)
        romeos.type("I will come by the wall")

    def fail(self):
        """Linphone leaves, and she writes to nobody."""
        self.romeos.type("", "ctrl+q")
        eventually(lambda: not self.linphone.running(), "Linphone has left")
        self.juliets.type("Romeo?", "Return")


def main(folder):
    site = Site(with_proxy=True)
    site.her_authority = authority_of(site)
    site.start()
    juliet = site.xmpp_user("juliet")
    juliet.ask(JULIET, f"<query xmlns='jabber:iq:roster'><item jid='{ROMEO}' name='Romeo'/></query>", "set")
    juliet.close()
    site.users.remove(juliet)

    pair = Pair(site)
    keep = lambda name, screen: (folder / f"{name}.png").write_bytes(screen.picture("+dither", "-colors", "64"))
    pair.talk()
    keep("linphone", pair.romeos)
    keep("dino", pair.juliets)
    keep("gajim", pair.others)
    pair.fail()
    keep("dino-error", pair.juliets)
    for each in pair.linphone, pair.dino, pair.gajim, pair.romeos, pair.juliets, pair.others, site:
        each.stop()
    pair.files.close()


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]).resolve())
    finally:
        kill_all()

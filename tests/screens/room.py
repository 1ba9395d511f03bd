"""room.py FOLDER: a room of the XMPP server in which Romeo has Linphone's desktop application, Juliet Dino, and the nurse another
client. Leaves a picture of either screen in FOLDER; `tests/run screen` runs it."""
import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from desktop import Dino, LinphoneDesktop, Screen, authority_of  # noqa: E402
from support import loopback  # noqa: E402
from support.child import kill_all  # noqa: E402
from support.prosody import Prosody  # noqa: E402
from support.room import Occupant  # noqa: E402
from support.site import Site  # noqa: E402
from support.waiting import eventually  # noqa: E402

JULIET, ROOMS = "juliet@xmpp.test", "conference.xmpp.test"
ROOM = f"verona@{ROOMS}"
# Pixels from the left and the top, in Linphone 4.4 and Dino 0.4 with the fonts of deploy/packages.
SEARCH, CHAT, FIRST, MESSAGE, NOWHERE = (500, 36), (735, 77), (100, 95), (560, 300), (100, 400)


def bookmark(site):
    """Lets Juliet's clients come into the room by themselves."""
    juliet = site.xmpp_user("juliet")
    refused = juliet.ask(JULIET, "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
                         f"<conference jid='{ROOM}' name='Verona' autojoin='true'><nick>juliet</nick></conference></storage></query>", "set")
    assert refused is None, refused
    juliet.close()
    site.users.remove(juliet)


def talk(site, nurse, linphone, romeos, juliets):
    romeos.click(SEARCH)
    romeos.type(site.sip_uri(ROOM))
    romeos.click(CHAT)
    romeos.type("Good evening, all", "Return")
    nurse.hears("romeo", "Good evening, all")
    juliets.click(FIRST)
    juliets.point_at(NOWHERE)
    juliets.type("Romeo! From what phone is this?", "Return")
    nurse.hears("juliet", "Romeo! From what phone is this?")
    nurse.says("Madam, your mother calls")
    romeos.type("The one on my desk. Who else is here?", "Return")
    nurse.hears("romeo", "The one on my desk. Who else is here?")
    romeos.type("#members", "Return")
    eventually(lambda: linphone.has("3 here"), "he is told who is there")
    romeos.rest()
    juliets.point_at(MESSAGE, NOWHERE)  # that the menu beside it goes away


def main(folder):
    site = Site(server=functools.partial(Prosody, rooms=[ROOMS]), with_proxy=True, gateway={"rooms": "listed", "room_domains": [ROOMS]})
    authority = authority_of(site)
    site.start()
    bookmark(site)
    nurse = Occupant(site.xmpp_user("nurse"), ROOM).configure(roomname="Verona")

    romeos = Screen(site.folder, 950, 750, "romeos-screen").start()
    juliets = Screen(site.folder, 860, 460, "juliets-screen").start()
    linphone = LinphoneDesktop(site.folder / "linphone", romeos, loopback.address(201), site.kamailio, "romeo", "").start()
    dino = Dino(site.folder / "dino", juliets, JULIET, site.xmpp_server, authority).start()
    nurse.sees("juliet")
    paris = site.sip_user("paris", registered=True)
    eventually(lambda: paris.through_proxy("OPTIONS", "sip:romeo@sip.test").status == 200, "Linphone is registered")
    romeos.fill()

    talk(site, nurse, linphone, romeos, juliets)
    for name, screen in ("room-linphone", romeos), ("room-dino", juliets):
        (folder / f"{name}.png").write_bytes(screen.picture("+dither", "-colors", "64"))
    for each in linphone, dino, romeos, juliets, site:
        each.stop()


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]).resolve())
    finally:
        kill_all()

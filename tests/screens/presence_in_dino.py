"""presence_in_dino.py FOLDER: makes the pictures of doc/presence.md, of Dino while a SIP contact comes, is busy, goes away and
leaves, and when he asks to see its user; she accepts with a click, and his phone must be told.

`tests/run screen` runs it.
"""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from desktop import Dino, Screen, authority_of, settled  # noqa: E402
from support.child import kill_all  # noqa: E402
from support.publisher import Publisher  # noqa: E402
from support.site import Site  # noqa: E402
from support.watcher import Watcher  # noqa: E402

JULIET = "juliet@xmpp.test"
WIDTH, HEIGHT = 860, 340
# Pixels from the left and the top, in Dino 0.4 with the fonts of deploy/packages.
CONTACT, NOTHING, MESSAGE, ACCEPT = (100, 95), (100, 300), (500, 240), (720, 78)
CONTACT_WITH_ITS_TIP = "300x128+5+52"


def main(folder):
    site = Site(with_proxy=True, gateway={"presence": True}, proxy={"presence": "server"})
    authority = authority_of(site)
    site.start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    assert juliet.subscribe(site.jid(romeo)) == ["subscribed"]
    juliet.ask(JULIET, f"<query xmlns='jabber:iq:roster'><item jid='{site.jid(romeo)}' name='Romeo'/></query>", "set")
    juliet.close()

    screen = Screen(site.folder, WIDTH, HEIGHT).start()
    screen.point_at(NOTHING)
    dino = Dino(site.folder / "dino", screen, JULIET, site.xmpp_server, authority).start()
    dino.wait_until(lambda: site.xmpp_server.log(10**4).count(f"Authenticated as {JULIET}") == 2, "it has logged in")
    desk, tips = Publisher(romeo, "desk"), []

    def with_its_tip():
        screen.point_at(NOTHING, CONTACT)
        return screen.picture("-crop", CONTACT_WITH_ITS_TIP, "+repage", "-bordercolor", "grey", "-border", "1")

    desk.publish(note="at the desk")
    answer = romeo.message_through_proxy(site.sip_uri(JULIET), "Good morrow. Are you there?")
    assert answer.status == 200, answer
    settled(screen.picture, [screen.picture()])
    tips.append(settled(with_its_tip, tips))
    for activity in "busy", "away":
        desk.publish(activity=activity)
        tips.append(settled(with_its_tip, tips))
    desk.leave()
    tips.append(settled(with_its_tip, tips))
    for i, tip in enumerate(tips):
        (site.folder / f"{i}.png").write_bytes(tip)
    subprocess.run(["montage", *(site.folder / f"{i}.png" for i in range(4)), "-tile", "2x2", "-geometry", "+4+4", "-strip",
                    folder / "dino-states.png"], check=True)

    screen.point_at(MESSAGE, ACCEPT, NOTHING)  # that its menu goes away
    before = screen.picture()
    watcher = Watcher(site.sip_user("romeo"), site.sip_uri(JULIET))
    watcher.subscribe()
    (folder / "dino-asks.png").write_bytes(settled(screen.picture, [before]))
    screen.click(ACCEPT)
    watcher.until("active open")
    for each in dino, screen, site:
        each.stop()


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]).resolve())
    finally:
        kill_all()

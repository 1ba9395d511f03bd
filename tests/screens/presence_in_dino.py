"""presence_in_dino.py FOLDER: makes the pictures of doc/presence.md, of Dino while a SIP contact comes, is busy, goes away and
leaves, and when he asks to see its user; she accepts with a click, and his phone must be told.

Besides what the integration tests need, as root:
    apt-get install --no-install-recommends dino-im xvfb xdotool imagemagick dbus fonts-dejavu-core adwaita-icon-theme
    STOX_BUILD=$PWD/build/debug /usr/bin/python3 -B tests/screens/presence_in_dino.py doc/images
"""
import pathlib
import shutil
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.certificates import Authority  # noqa: E402
from support.child import Child, kill_all  # noqa: E402
from support.publisher import Publisher  # noqa: E402
from support.site import Site  # noqa: E402
from support.waiting import eventually  # noqa: E402
from support.watcher import Watcher  # noqa: E402

JULIET = "juliet@xmpp.test"
WIDTH, HEIGHT = 860, 340
# Pixels from the left and the top, in Dino 0.4 with the fonts above.
CONTACT, NOTHING, MESSAGE, ACCEPT = (100, 95), (100, 300), (500, 240), (720, 78)
CONTACT_WITH_ITS_TIP = "300x128+5+52"


class Screen(Child):
    """An X server without a window manager."""

    def __init__(self, folder):
        self.number = folder / "display"
        super().__init__("xvfb", ["sh", "-c", f'exec Xvfb -displayfd 3 -screen 0 {WIDTH}x{HEIGHT}x24 3>"$0"', self.number], folder)

    def start(self):
        super().start()
        self.wait_until(lambda: self.number.exists() and self.number.read_text().endswith("\n"), "there is a screen")
        self.display = ":" + self.number.read_text().strip()
        return self

    def _run(self, *words, given=None):
        return subprocess.run([str(word) for word in words], env={"DISPLAY": self.display, "PATH": "/usr/bin:/bin"}, check=True,
                              capture_output=True, input=given).stdout

    def point_at(self, *places):
        for x, y in places:
            self._run("xdotool", "mousemove", x, y, "sleep", "0.2", "mousemove", x + 1, y, "sleep", "1")

    def click(self, place):
        self.point_at(place)
        self._run("xdotool", "click", 1)

    def picture(self, *how):
        """A PNG, changed as these words of ImageMagick say."""
        return self._run("convert", "png:-", *how, "-strip", "png:-", given=self._run("import", "-window", "root", "png:-"))


class Dino(Child):
    def __init__(self, folder, screen, jid, server, authority):
        """Logs in as jid, which it believes to be at the address of this server, and trusts nobody but this authority."""
        folder.mkdir()
        hosts, settings = folder / "hosts", folder / "config" / "gtk-4.0" / "settings.ini"
        hosts.write_text(f"127.0.0.1 localhost\n{server.host} {server.domain}\n")
        settings.parent.mkdir(parents=True)
        settings.write_text("[Settings]\ngtk-cursor-blink=false\ngtk-enable-animations=false\n")
        super().__init__("dino", [
            "unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/ssl/certs/ca-certificates.crt'
            " && exec dbus-run-session -- dino-im", hosts, authority.ca], folder, {
                "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"),
                "DISPLAY": screen.display, "LC_ALL": "C.UTF-8", "GSK_RENDERER": "cairo", "GIO_USE_NETWORK_MONITOR": "base"})
        self.jid, self.base = jid, folder / "data" / "dino" / "dino.db"

    def start(self):
        """Twice: the first time it makes its tables, into which its account is put."""
        super().start()
        self.wait_until(lambda: self.base.exists() and self._ask("SELECT 1 FROM settings WHERE key = 'window_height'"), "it has tables")
        self.stop()
        self._ask("INSERT INTO account (bare_jid, resourcepart, password, enabled) VALUES (?, 'dino', 'pw', 1)", self.jid)
        for key, value in ("window_width", WIDTH), ("window_height", HEIGHT):
            self._ask("UPDATE settings SET value = ? WHERE key = ?", value, key)
        return super().start()

    def _ask(self, sql, *values):
        with sqlite3.connect(self.base) as base:
            try:
                return base.execute(sql, values).fetchall()
            except sqlite3.OperationalError:  # the table is not there yet
                return []


def settled(picture, before):
    """The first that differs from all before, and is the same twice."""
    last = None

    def is_so():
        nonlocal last
        previous, last = last, picture()
        return last == previous and last not in before

    eventually(is_so, "the screen shows something new")
    return last


def main(folder):
    site = Site(with_proxy=True, gateway={"presence": True}, proxy={"presence": "server"})
    authority = Authority(site.folder / "authority")
    for file, suffix in zip(authority.sign("DNS:xmpp.test"), ("crt", "key")):
        shutil.copy(file, site.folder / "xmpp" / f"xmpp.test.{suffix}")
    site.start()
    romeo, juliet = site.sip_user("romeo", registered=True), site.xmpp_user("juliet")
    assert juliet.subscribe(site.jid(romeo)) == ["subscribed"]
    juliet.ask(JULIET, f"<query xmlns='jabber:iq:roster'><item jid='{site.jid(romeo)}' name='Romeo'/></query>", "set")
    juliet.close()

    screen = Screen(site.folder).start()
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

"""Screens of their own for programs with windows, and the programs: Dino and Linphone's desktop application."""
import json
import shutil
import sqlite3
import subprocess

from support.certificates import Authority
from support.child import Child
from support.phone import linphonerc
from support.waiting import eventually


class Screen(Child):
    """An X server without a window manager."""

    def __init__(self, folder, width, height, name="xvfb"):
        self.width, self.height, self.number = width, height, folder / f"{name}-display"
        super().__init__(name, ["sh", "-c", f'exec Xvfb -displayfd 3 -screen 0 {width}x{height}x24 3>"$0"', self.number], folder)

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
        self._run("xdotool", "click", 1, "sleep", 1)

    def type(self, text, *keys):
        """Into what has the focus, and then these keys."""
        self._run("xdotool", "type", "--delay", 40, text)
        for key in keys:
            self._run("xdotool", "key", key)
        self.rest()

    def fill(self):
        """Makes the program's window as large as the screen."""
        window = self._run("xdotool", "search", "--onlyvisible", "--name", ".").split()[-1].decode()
        self._run("xdotool", "windowsize", window, self.width, self.height, "sleep", 1)

    def rest(self):
        """Until what was begun can be seen. A picture does not say so: cursors blink."""
        self._run("xdotool", "sleep", 2)

    def picture(self, *how):
        """A PNG, changed as these words of ImageMagick say."""
        return self._run("convert", "png:-", *how, "-strip", "png:-", given=self._run("import", "-window", "root", "png:-"))


def _ask(base, sql, *values):
    """Of a program's tables; nothing while they are not there yet."""
    with sqlite3.connect(base) as tables:
        try:
            return tables.execute(sql, values).fetchall()
        except sqlite3.OperationalError:
            return []


def authority_of(site):
    """Gives the XMPP server of a site that does not run yet a certificate; the Authority that a Dino there trusts."""
    authority = Authority(site.folder / "authority")
    for file, suffix in zip(authority.sign(f"DNS:{site.xmpp_server.domain}"), ("crt", "key")):
        shutil.copy(file, site.folder / "xmpp" / f"{site.xmpp_server.domain}.{suffix}")
    return authority


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
        self.jid, self.screen, self.base = jid, screen, folder / "data" / "dino" / "dino.db"

    def start(self):
        """Twice: the first time it makes its tables, into which its account is put."""
        super().start()
        self.wait_until(lambda: self.base.exists() and self._ask("SELECT 1 FROM settings WHERE key = 'window_height'"), "it has tables")
        self.stop()
        self._ask("INSERT INTO account (bare_jid, resourcepart, password, enabled) VALUES (?, 'dino', 'pw', 1)", self.jid)
        for key, value in ("window_width", self.screen.width), ("window_height", self.screen.height):
            self._ask("UPDATE settings SET value = ? WHERE key = ?", value, key)
        return super().start()

    def _ask(self, sql, *values):
        return _ask(self.base, sql, *values)


class Gajim(Child):
    def __init__(self, folder, screen, jid, server):
        """Logs in as jid at this server, without TLS. It does not run as root, and takes itself for somebody else."""
        folder.mkdir()
        super().__init__("gajim", ["unshare", "--user", "--map-user=1000", "--map-group=1000", "dbus-run-session", "--", "gajim"], folder, {
            "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"), "DISPLAY": screen.display, "LC_ALL": "C.UTF-8", "GTK_USE_PORTAL": "0",
            "GIO_USE_NETWORK_MONITOR": "base"})
        user, _, domain = jid.partition("@")
        self.account = {"name": user, "account_label": user, "hostname": domain, "password": "pw", "savepass": True, "active": True,
                        "autoconnect": True, "use_custom_host": True, "custom_host": server.host,
                        "custom_port": server.c2s_port, "custom_type": "PLAIN", "confirm_unencrypted_connection": False}
        self.screen, self.base = screen, folder / "config" / "gajim" / "settings.sqlite"

    def start(self):
        """Twice, as Dino."""
        super().start()
        self.wait_until(lambda: self.base.exists() and self._ask("SELECT 1 FROM settings WHERE name = 'app'"), "it has tables")
        self.stop()
        app = {"use_keyring": False, "mainwin_width": self.screen.width, "mainwin_height": self.screen.height, "ask_online_status": False,
               "show_status_icon": False, "trayicon": "never", "show_notifications": False}
        self._ask("UPDATE settings SET settings = ? WHERE name = 'app'", json.dumps(app))
        self._ask("INSERT INTO account_settings (account, settings) VALUES (?, ?)", self.account["name"], json.dumps({"account": self.account}))
        return super().start()

    def _ask(self, sql, *values):
        return _ask(self.base, sql, *values)


class LinphoneDesktop(Child):
    """Registered at a support.kamailio.Kamailio as `name`."""

    def __init__(self, folder, screen, host, proxy, name, upload_url):
        configuration = linphonerc(folder, host, proxy, name, upload_url=upload_url)
        folder.chmod(0o700)  # as the folder of a session must be
        super().__init__("linphone-desktop", ["dbus-run-session", "--", "linphone", "--config", configuration], folder, {
            "HOME": str(folder), "XDG_DATA_HOME": str(folder / ".local/share"), "XDG_CONFIG_HOME": str(folder / ".config"),
            "XDG_RUNTIME_DIR": str(folder), "DISPLAY": screen.display, "LC_ALL": "C.UTF-8", "LIBGL_ALWAYS_SOFTWARE": "1"})
        self.base = folder / ".local/share/linphone/linphone.db"

    def has(self, text):
        """True if a text with this in it is in one of its conversations."""
        return bool(_ask(self.base, "SELECT 1 FROM chat_message_content WHERE instr(body, ?)", text))


def settled(picture, before):
    """The first that differs from all before, and is the same twice."""
    last = None

    def is_so():
        nonlocal last
        previous, last = last, picture()
        return last == previous and last not in before

    eventually(is_so, "the screen shows something new")
    return last

"""A real jabberd2 with one host of users, from copies of the packaged configuration: router (any component that
knows its secret), session manager and client server on SQLite."""
import gzip
import pathlib
import re
import shutil
import sqlite3

from support import loopback
from support.child import Child

PACKAGED = pathlib.Path("/etc/jabberd2")
SCHEMA = "/usr/share/doc/jabberd2/db-setup.sqlite.gz"


class Jabberd2:
    def __init__(self, folder, host, domain="xmpp.test", component="xmpp-sip.test", secret="secret", users=()):
        folder.mkdir()
        self.folder, self.host, self.domain, self.component, self.secret = folder, host, domain, component, secret
        self.c2s_port = loopback.free_port(host, 5222)
        self.component_port = loopback.free_port(host, 5347)
        self._configure("router", (r"<secret>[^<]*</secret>", f"<secret>{secret}</secret>"))
        self._configure("sm", (r"(<local>.*?)<id>[^<]*</id>", rf"\1<id>{domain}</id>"),
                        (r"<driver>[a-z]+</driver>", "<driver>sqlite</driver>"))
        self._configure("c2s", (r"(<local>.*?)<id[^>]*>[^<]*</id>", rf"\1<id register-enable='true'>{domain}</id>"),
                        (r"<module>[a-z]+</module>", "<module>sqlite</module>"),
                        (r"<port>5222</port>", f"<port>{self.c2s_port}</port>"))
        for file in PACKAGED.glob("*.xml"):
            if not (folder / file.name).exists():
                shutil.copy(file, folder)
        shutil.copytree(PACKAGED / "templates", folder / "templates")
        self._make_databases(users)
        self.parts = [Child(part, [f"jabberd2-{part}", "-c", folder / f"{part}.xml"], folder)
                      for part in ("router", "sm", "c2s")]

    def _configure(self, name, *changes):
        text = (PACKAGED / f"{name}.xml").read_text()
        for packaged in "/etc/jabberd2/", "/var/run/jabberd2/", "/var/log/jabberd2/", "/var/lib/jabberd2/":
            text = text.replace(packaged, f"{self.folder}/")
        text = re.sub(r"<ip>(0\.0\.0\.0|127\.0\.0\.1)</ip>", f"<ip>{self.host}</ip>", text)
        text = text.replace("<port>5347</port>", f"<port>{self.component_port}</port>")
        text = text.replace("<log type='file'>", "<log type='stdout'>")
        for pattern, wanted in changes:
            text, count = re.subn(pattern, wanted, text, count=1, flags=re.S)
            assert count == 1, f"{name}.xml has no {pattern}"
        (self.folder / f"{name}.xml").write_text(text)

    def _make_databases(self, users):
        texts = (self.folder / "sm.xml").read_text() + (self.folder / "c2s.xml").read_text()
        for file in set(re.findall(r"<dbname>([^<]*\.db)</dbname>", texts)):
            with sqlite3.connect(file) as database:
                database.executescript(gzip.open(SCHEMA, "rt").read())
                for user in users:
                    database.execute("insert into authreg (username, realm, password) values (?, ?, 'pw')",
                                     (user, self.domain))
                    database.execute('insert into active ("collection-owner", time) values (?, 1)',
                                     (f"{user}@{self.domain}",))

    def start(self):
        router, sm, c2s = self.parts
        came = f"[{self.domain}] online"  # the session manager; earlier lives are in the log, too
        before = router.log(10**6).count(came)
        router.start()
        router.wait_until(lambda: loopback.accepts(self.host, self.component_port), "listening")
        sm.start()
        # COMPAT(jabberd2 2.7): it ends if the other one has the database at this moment.
        router.wait_until(lambda: router.log(10**6).count(came) > before, "the session manager is there")
        c2s.start()
        c2s.wait_until(lambda: loopback.accepts(self.host, self.c2s_port), "listening")
        return self

    def stop(self):
        for part in reversed(self.parts):
            part.stop()

    def kill(self):
        for part in self.parts:
            part.kill()

    def freeze(self):
        for part in self.parts:
            part.freeze()

    def thaw(self):
        for part in self.parts:
            part.thaw()

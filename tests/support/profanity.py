"""profanity, a client with a terminal for its face: in a tmux, which types for us and has what stands on the screen."""
import subprocess

from support.child import Child


class Profanity(Child):
    def __init__(self, folder, server, user):
        """server: as of support.xmpp_user.XmppUser."""
        folder.mkdir()
        self.user, self.bare = user, f"{user}@{server.domain}"
        self.tmux = ["tmux", "-S", folder / "tmux", "-f", "/dev/null"]
        accounts = folder / ".local" / "share" / "profanity" / "accounts"
        accounts.parent.mkdir(parents=True)
        accounts.write_text(f"[{user}]\n" + "".join(f"{key}={value}\n" for key, value in {
            "enabled": "true", "jid": self.bare, "resource": "terminal", "password": "pw", "server": server.host,
            "port": server.c2s_port, "tls.policy": "disable",
        }.items()))
        super().__init__("profanity", [*self.tmux, "-D"], folder, {"HOME": str(folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})

    def start(self):
        super().start()
        # Nothing scrolls away or is wrapped in a window of this size.
        window = ["new-session", "-d", "-x", 160, "-y", 100, f"env -u XDG_CONFIG_HOME -u XDG_DATA_HOME profanity -a {self.user}"]
        self.wait_until(lambda: self._ask(*window).returncode == 0, "there is a window")
        self.shows(f"{self.bare}/terminal logged in successfully")
        return self

    def _ask(self, *words):
        return subprocess.run([str(word) for word in (*self.tmux, "-N", *words)], capture_output=True, text=True)

    def type(self, line):
        for keys in ("-l", line), ("Enter",):
            assert self._ask("send-keys", *keys).returncode == 0

    def screen(self):
        return self._ask("capture-pane", "-p").stdout

    def shows(self, text, times=1):
        try:
            self.wait_until(lambda: self.screen().count(text) >= times, f"it shows {text!r}")
        except AssertionError as why:
            raise AssertionError(f"{why}\n{self.screen()}") from None

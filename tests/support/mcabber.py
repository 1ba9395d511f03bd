"""mcabber, a client with a terminal for its face, told what to do by its FIFO and read in the history that it keeps."""
import os
import subprocess

from support.child import Child


class Mcabber(Child):
    def __init__(self, folder, server, user):
        """server: as of support.xmpp_user.XmppUser."""
        folder.mkdir()
        self.bare = f"{user}@{server.domain}"
        self.fifo, self.history = folder / "fifo", folder / "history"
        self.history.mkdir(0o700)
        configuration = folder / "mcabberrc"
        configuration.write_text("module load fifo\n" + "".join(f"set {key} = {value}\n" for key, value in {
            "jid": self.bare, "resource": "terminal", "password": "pw", "server": server.host, "port": server.c2s_port,
            "tls": 0, "ssl_ignore_checks": 1, "fifo_name": self.fifo, "logging": 1, "logging_dir": f"{self.history}/", "beep_on_message": 0,
        }.items()))
        configuration.chmod(0o600)
        super().__init__("mcabber", ["script", "-qfec", f"mcabber -f {configuration}", "/dev/null"], folder,
                         {"HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}, subprocess.PIPE)

    def tell(self, text):
        fifo = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)  # fails if nobody reads
        os.write(fifo, f"{text}\n".encode())
        os.close(fifo)

    def start(self):
        super().start()
        self.wait_until(self.fifo.exists, "it takes commands")
        return self

    def send(self, to, body):
        self.tell(f"say_to -n {to} {body}")

    def came(self, sender):
        """What this one has written to it, as the history has it."""
        file = self.history / sender
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [line.split(" ", 3)[3] for line in lines if line.startswith("MR")]

    def stop(self, within=20):
        self.tell("quit")
        return self._gone(within)

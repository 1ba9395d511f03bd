"""Certificates for a test, of an authority of its own, by openssl."""
import itertools
import ssl
import subprocess


class Authority:
    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.folder, self.ca, self.key = folder, folder / "ca.crt", folder / "ca.key"
        self._numbers = itertools.count(1)
        self._openssl("req", "-x509", *self._new_key("ca"), "-out", self.ca, "-days", 2, "-subj", "/CN=test authority")

    def sign(self, *names, usage=None, stem=None, days=30, constraints="CA:FALSE"):
        """names: "DNS:proxy.test", "IP:127.0.0.1", "URI:sip:proxy.test"; usage: its extendedKeyUsage; stem: of the files'
        names, for a later certificate at the same place; days: until it expires; constraints: its basicConstraints.
        Returns (certificate file, key file)."""
        stem = stem or f"{next(self._numbers)}"
        request, certificate = self.folder / f"{stem}.csr", self.folder / f"{stem}.crt"
        extensions = self.folder / f"{stem}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\nbasicConstraints={constraints}\n"
                              + (f"extendedKeyUsage={usage}\n" if usage else ""))
        self._openssl("req", *self._new_key(stem), "-out", request, "-subj", f"/CN={names[0].partition(':')[2]}")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key,
                      "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        key = self.folder / f"{stem}.key"
        key.chmod(0o644)
        return certificate, key

    def chain(self, *names):
        """As sign(), by an authority that stands between: (the chain without the root, the key), as text."""
        between = Authority.__new__(Authority)
        between.folder, between._numbers = self.folder, self._numbers
        between.ca, between.key = self.sign(f"DNS:between{next(self._numbers)}", constraints="critical,CA:TRUE")
        leaf, key = between.sign(*names)
        return leaf.read_text() + between.ca.read_text(), key.read_text()

    def client(self):
        """Trusts the authority, whatever the peer is called."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = False
        return context

    def server(self, *names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, self.sign(*names)))
        return context

    def _new_key(self, stem):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.folder / f"{stem}.key"]

    def _openssl(self, *words):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, f"openssl {words}: {done.stderr}"

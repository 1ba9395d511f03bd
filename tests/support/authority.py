"""Who signs certificates in a test: nobody else trusts it."""
import subprocess


def _openssl(*words, **more):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **more)


class Authority:
    def __init__(self, folder, name="authority"):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj",
                 f"/CN=stox test {name}", "-keyout", self.key, "-out", self.certificate)

    def sign(self, domain, usage="serverAuth"):
        """Certificate and key for a domain, as files; usage as public authorities give it to servers."""
        key, request, certificate = (self.folder / f"{domain}.{end}" for end in ("key", "csr", "crt"))
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={domain}",
                 "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", 2, "-CAcreateserial",
                 "-out", certificate, "-extfile", "/dev/stdin",
                 input=f"subjectAltName=DNS:{domain}\nextendedKeyUsage={usage}\n".encode())
        key.chmod(0o644)
        return certificate, key

"""The image of deploy/container, built by buildah without a registry: what it begins with is a root folder that debootstrap has
made, and the programs are those of a build that is there. So its first stage, a plain build, is left out."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STOX_BUILD", REPOSITORY / "build" / "package" / "release"))
CONTAINERFILE = (REPOSITORY / "deploy" / "container" / "Containerfile").read_text()

# COMPAT(debootstrap): with systemd come users whose numbers an image without it has free.
BASE = """FROM scratch
ADD root.tar /
RUN sed -i /:99[0-9]:/d /etc/passwd /etc/group
"""


class Images:
    def __init__(self, folder):
        self.store = ["buildah", "--storage-driver", "vfs", "--root", folder / "storage", "--runroot", folder / "run"]

    def run(self, *words):
        done = subprocess.run(list(map(str, [*self.store, *words])), capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def build(self, name, text, context):
        (context / "Containerfile").write_text(text)
        self.run("bud", "--isolation", "chroot", "--network", "host", "--pull-never", "-t", name, "-f", context / "Containerfile", context)


@pytest.fixture(scope="module")
def image(debian, tmp_path_factory):
    """Runs words in a container of it."""
    if not shutil.which("buildah"):
        pytest.skip("buildah is not installed")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("buildah needs mounts of its own")
    if not (BUILD / "bin" / "stoxctl").exists():
        pytest.skip("no programs have been built: STOX_BUILD names a build")
    folder = tmp_path_factory.mktemp("image")
    images = Images(folder)
    base = folder / "base"
    base.mkdir()
    subprocess.run(["tar", "-C", debian, "--exclude=./var/cache/apt/archives", "--exclude=./dev", "-cf", base / "root.tar", "."], check=True)
    images.build("debian:12-slim", BASE, base)
    (base / "root.tar").unlink()
    first, second = re.split(r"(?m)^(?=FROM )", CONTAINERFILE)[1:]
    assert "AS build" in first and "--from=build /stox/" in second
    second = re.sub(r"/stox/build/release/", "", second.replace("--from=build ", ""))
    (folder / "context" / "bin").mkdir(parents=True)
    for program in "stox-mapper", "stox-sip-front", "stox-xmpp-worker", "stoxctl":
        subprocess.run(["strip", "-o", folder / "context" / "bin" / program, BUILD / "bin" / program], check=True)
    images.build("stox", second, folder / "context")
    container = images.run("from", "--pull-never", "stox").strip()
    out = folder / "out"
    out.mkdir()
    out.chmod(0o777)
    configuration = REPOSITORY / "deploy" / "container" / "compose.toml"

    def run(script):
        """What it said. COMPAT(buildah 1.28): of what a short program says to a pipe, not all comes with chroot isolation."""
        images.run("run", "--isolation", "chroot", "-v", f"{configuration}:/etc/stox/stox.toml:ro", "-v", f"{out}:/out", container, "--",
                   "sh", "-euc", f"exec >/out/said 2>&1\n{script}")
        return (out / "said").read_text()

    yield run
    images.run("rm", container)
    images.run("rmi", "--all", "--force")


def test_its_programs_run_as_a_user_of_their_own(image):
    said = image("id -un; id -u; for one in mapper sip-front xmpp-worker; do stox-$one --check; done")
    assert said.startswith("stox\n998\n") and said.count("the configuration is fine") == 3, said
    said = image("""stox-mapper & trap 'kill $!' EXIT
                    until stoxctl --json status | grep -q '"ready"'; do sleep 0.1; done
                    stoxctl status || true
                    trap - EXIT; kill $!; wait $!; echo ended well""")
    assert re.search(r"mapper-1 .* ready", said) and said.endswith("ended well\n"), said

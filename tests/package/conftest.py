import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.child import kill_all  # noqa: E402

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def debian():
    """A root folder with Debian and systemd, which is not written to."""
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    root = pathlib.Path(os.environ.get("STOX_DEBIAN", REPOSITORY / "build" / "package" / "debian"))
    if not (root / "lib" / "systemd" / "systemd").exists():
        new = root.with_suffix(".new")
        subprocess.run(["rm", "-rf", root, new], check=True)
        done = subprocess.run(["debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv", "bookworm", new,
                               "http://deb.debian.org/debian"], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"debootstrap makes no Debian here: {(done.stdout + done.stderr)[-300:]}")
        new.rename(root)
    return root


def pytest_sessionfinish():
    kill_all()

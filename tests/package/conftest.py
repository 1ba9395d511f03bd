import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.child import kill_all  # noqa: E402


def pytest_sessionfinish():
    kill_all()

"""Fixtures: a site that stands for a whole file, and sites that a test may break."""
import pathlib
import resource
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.child import Child, kill_all  # noqa: E402
from support.federation import Federation  # noqa: E402
from support.hosts import Network  # noqa: E402
from support.site import Site  # noqa: E402


@pytest.fixture(scope="module")
def many_descriptors():
    """As many as may be, for a test that opens thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def standing_site(request):
    """Made as the file's SITE says."""
    site = Site(**getattr(request.module, "SITE", {})).start()
    yield site
    site.stop()


@pytest.fixture
def site(standing_site):
    """The site of this file, with no user on it."""
    yield standing_site
    standing_site.users_leave()


@pytest.fixture
def new_site():
    """Makes sites that live for one test: new_site(...) takes what support.site.Site takes."""
    sites = []

    def make(**how):
        sites.append(Site(**how))
        return sites[-1]

    yield make
    for made in sites:
        made.stop()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """On which a test has hosts of its own."""
    try:
        made = Network(tmp_path_factory.mktemp("network"), "10.77.0.250")
    except PermissionError as why:
        pytest.skip(f"hosts need network namespaces, which this machine does not let us make: {why}")
    yield made
    made.close()


@pytest.fixture
def federation(network):
    """Makes gateways in server mode, each beside another server: federation(...) takes what Federation takes."""
    sites = []

    def make(**how):
        sites.append(Federation(network=network, **how))
        return sites[-1]

    yield make
    for made in sites:
        made.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for child in Child.alive:
            report.sections.append((f"log of {child.name}", child.log()))


def pytest_sessionfinish():
    kill_all()

"""Who may include what. Each folder of the sources has a line below; an #include that it does not allow is
printed as file:line and the rule. Run without arguments: checks the tree, and that planted violations are found."""
import pathlib
import re
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# folder: what its files may include of ours, besides the folder itself. The longest prefix counts.
OURS = {
    "common/base": [],
    "common/net": ["common/base"],
    "common/bus": ["common/base", "common/net", "proto"],
    "common/bodies": ["common/bus", "proto"],
    "common/journal": ["common/base"],
    "common/service": ["common/base", "common/net"],
    "sip_front/sip": ["common/base"],
    "xmpp_worker/xmpp": ["common/base"],
    "mapper/mapping": ["common/base", "proto"],  # the messages are its values
    "sip_front": ["common/base", "common/net", "common/bus", "common/bodies", "common/service", "proto"],
    "xmpp_worker": ["common/base", "common/net", "common/bus", "common/bodies", "common/journal", "common/service", "proto"],
    "mapper": ["common/base", "common/net", "common/bus", "common/service", "proto"],
    "ctl": ["common/base", "common/service"],
}

# Of the protocol libraries only these files, transports and streams, touch sockets: they may use common/net too.
SOCKETS = {
    "sip_front/sip": {"transport", "udp", "tcp", "tcp_connection", "tcp_io", "tls_identity", "trust", "next_hop"},
    "xmpp_worker/xmpp": {"stream_socket", "connector", "listener", "s2s_accepted", "s2s_route", "s2s_server", "s2s_site"},
}

# Single headers beyond that.
HEADERS = {"ctl": {"common/bus/curve.h"},  # stoxctl keys
           "common/service": {"common/bus/curve.h"}}  # whether the configured keys fit

# Libraries that stay behind one wall: include prefix, folders that may see it.
LIBRARIES = {
    "zmq": ["common/bus"],
    "google/protobuf": ["common/bus"],
    "asio": ["common/net", "common/bus", "common/service"],
    "unbound": ["common/net"],
    "sqlite3": ["common/journal"],
    "expat": ["xmpp_worker/xmpp", "mapper/mapping"],
    "unigbrk": ["mapper/mapping"],
    "spdlog": ["common/service"],
    "prometheus": ["common/service"],
    "toml++": ["common/service"],
    "CLI": ["common/service", "ctl"],
    "openssl/ssl": ["common/net"],
    "systemd": ["common/service"],
    "nlohmann": ["common/bus", "common/service", "ctl", "sip_front", "xmpp_worker", "mapper", "mapper/mapping"],
    "stringprep": ["common/base"],
    "idna": ["common/base"],
}

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
PROTO_IMPORT = re.compile(r'\s*import\s+(?:public\s+)?"([^"]+)"')


def folder_of(path):
    """The folder of OURS that a file or an include belongs to; None for those of others."""
    parents = [str(parent) for parent in pathlib.PurePosixPath(path).parents]
    return next((parent for parent in parents if parent in OURS or parent == "proto"), None)


def is_library(name, prefix):
    return name == prefix or name.startswith((prefix + "/", prefix + "."))


def why_not(path, folder, quoted, name):
    """The rule that an include breaks; None if it breaks none."""
    opens_sockets = pathlib.PurePosixPath(path).stem in SOCKETS.get(folder, ())
    target = folder_of(name)
    if quoted and not target:
        return "what is included in quotes is a file of one of the layers, named from the root of the repository"
    if target:
        allowed = [folder, *OURS[folder], *(["common/net"] if opens_sockets else [])]
        # An actor uses the library of its own process.
        if target in allowed or target.startswith(folder + "/") or name in HEADERS.get(folder, ()):
            return None
        return f"{folder} may include {', '.join(allowed)}; {target} is none of them"
    for prefix, folders in LIBRARIES.items():
        if is_library(name, prefix) and folder not in folders and not (prefix == "asio" and opens_sockets):
            return f"only {', '.join(folders)} may include {prefix}"
    return None


def violations(root):
    out = []
    for folder in "common", "sip_front", "xmpp_worker", "mapper", "ctl":
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".h", ".cpp"):
                continue
            path = file.relative_to(root).as_posix()
            own = folder_of(path)
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                if own is None:
                    out.append(f"{path}:{number}: no layer has this folder; add it to {pathlib.Path(__file__).name}")
                    break
                found = INCLUDE.match(line)
                rule = found and why_not(path, own, found[1] == '"', found[2])
                if rule:
                    out.append(f"{path}:{number}: {rule}")
    for file in sorted((root / "proto").glob("*.proto")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found = PROTO_IMPORT.match(line)
            if found and not found[1].startswith("proto/"):
                out.append(f"{file.relative_to(root).as_posix()}:{number}: proto imports only proto")
    return out


class Layering(unittest.TestCase):
    def test_the_tree_keeps_its_layers(self):
        found = violations(REPOSITORY)
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_the_tree_is_seen(self):
        for folder in OURS:
            self.assertTrue(list((REPOSITORY / folder).rglob("*.cpp")), f"{folder} is empty: is its name still right?")

    def test_planted_violations_are_found(self):
        planted = {
            "common/base/text.cpp": ['#include "common/net/loop.h"', '#include <string>', '#include "common/base/text.h"'],
            "common/net/loop.h": ["// first", '#include "common/service/log.h"', "#include <zmq.hpp>"],
            "common/service/log.cpp": ['  #  include "proto/envelope.pb.h"', "#include <spdlog/spdlog.h>"],
            "common/bus/edge.cpp": ['#include "common/service/log.h"', "#include <zmq.hpp>"],
            "sip_front/sip/parser.cpp": ['#include "common/net/loop.h"', "#include <asio/post.hpp>"],
            "sip_front/sip/udp.cpp": ['#include "common/net/loop.h"', "#include <asio/ip/udp.hpp>",
                                      '#include "common/bus/edge.h"'],
            "sip_front/front.cpp": ['#include "xmpp_worker/worker.h"', '#include "sip_front/sip/parser.h"',
                                    '#include "common/bus/edge.h"'],
            "xmpp_worker/xmpp/stream.cpp": ['#include "proto/message.pb.h"', '#include "xmpp_worker/worker.h"',
                                            "#include <expat.h>"],
            "mapper/mapping/routes.cpp": ['#include "proto/control.pb.h"', '#include "common/bus/edge.h"'],
            "ctl/main.cpp": ['#include "common/bus/edge.h"', "#include <CLI/CLI.hpp>", '#include "peer.h"'],
            "common/extra/x.cpp": ["int x;"],
            "proto/a.proto": ['import "proto/b.proto";', 'import "google/protobuf/any.proto";'],
        }
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, lines in planted.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text("\n".join(lines) + "\n")
            places = {":".join(found.split(":")[:2]) for found in violations(root)}
        self.assertEqual(places, {
            "common/base/text.cpp:1", "common/net/loop.h:2", "common/net/loop.h:3", "common/service/log.cpp:1",
            "common/bus/edge.cpp:1", "sip_front/sip/parser.cpp:1", "sip_front/sip/parser.cpp:2",
            "sip_front/sip/udp.cpp:3", "sip_front/front.cpp:1", "xmpp_worker/xmpp/stream.cpp:1",
            "xmpp_worker/xmpp/stream.cpp:2", "mapper/mapping/routes.cpp:2", "ctl/main.cpp:1", "ctl/main.cpp:3", "common/extra/x.cpp:1",
            "proto/a.proto:2"})


if __name__ == "__main__":
    if len(sys.argv) > 1:  # of another tree
        print("\n".join(violations(pathlib.Path(sys.argv[1]))))
    else:
        unittest.main()

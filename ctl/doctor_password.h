// Of `stoxctl doctor`: the answer to a proxy that asks for a password (401, 407), as the front would give it.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/service/config.h"

namespace stox::ctl {

// Those of all fronts ([[sip_front.credentials]]), with their passwords read from password_file.
std::vector<service::CredentialsConfig> credentials_of(const service::Config&);

// One header line, with its CRLF, and whose password it proves. The error says what the proxy asks for and
// what to write where.
struct Proof {
  std::string header, username;
};
Result<Proof> prove(const std::vector<service::CredentialsConfig>&, const std::string& response,
                    const std::string& method, const std::string& uri, const std::string& unique);

}  // namespace stox::ctl

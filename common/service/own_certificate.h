// What others will think of our certificate, for `--check --online`: nobody tells us later.
#pragma once

#include <string>
#include <vector>

#include "common/service/config.h"
#include "common/service/probe.h"

namespace stox::service {

// Chain, dates and purpose, as a client sees them that trusts those whom we trust (`ca`, or those of the
// system); `others` says in words who they are. Nothing without a certificate, or with files that are not
// good for one.
std::vector<Finding> check_own_certificate(const TlsConfig&, const std::string& others);

}  // namespace stox::service

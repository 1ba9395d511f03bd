// A small file in the state directory that the first process writes and all after it read: what must be the
// same after a restart, and for all workers of a host.
#pragma once

#include <string>

#include "common/base/result.h"

namespace stox::worker {

// What is in the file; if it is not there, it is made with this in it, for our user alone. Of several
// processes that make it at once one wins, and all return what that one wrote. An Error in words for an
// operator.
Result<std::string> kept_file(const std::string& path, const std::string& if_new);

}  // namespace stox::worker

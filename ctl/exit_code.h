#pragma once

namespace stox::ctl {

enum ExitCode { kFine = 0, kTrouble = 1, kUsage = 2, kUnreachable = 3 };

}  // namespace stox::ctl

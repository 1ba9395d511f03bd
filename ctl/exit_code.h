// What every command of stoxctl ends with.
#pragma once

namespace stox::ctl {

enum ExitCode {
  kFine = 0,
  kTrouble = 1,      // found, and said
  kUsage = 2,        // wrong arguments or configuration
  kUnreachable = 3,  // a process that was meant does not answer
};

}  // namespace stox::ctl

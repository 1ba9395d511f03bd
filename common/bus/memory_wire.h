// The bus in memory, for tests: edges and mappers in one process, a clock moved by hand, frames that can be
// held or lost, processes that can die, sleep and come back.
#pragma once

namespace stox::bus {}

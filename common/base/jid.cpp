#include "common/base/jid.h"

namespace stox {}

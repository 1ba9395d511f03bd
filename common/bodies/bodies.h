// Every kind of body that this version speaks: a row for each.
#pragma once

#include "common/bus/edge/body.h"

namespace stox {

bus::BodyKinds bodies();

}  // namespace stox

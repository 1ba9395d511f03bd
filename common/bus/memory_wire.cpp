#include "common/bus/memory_wire.h"

#include "common/bus/edge.h"

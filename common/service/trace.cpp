#include "common/service/trace.h"

#include "common/service/log.h"

#include "common/service/config.h"

#include "common/service/process.h"

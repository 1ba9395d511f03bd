#include "common/net/resolver.h"

#include "common/bus/mapper_node.h"

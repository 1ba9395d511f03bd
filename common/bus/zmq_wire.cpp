#include "common/bus/zmq_wire.h"

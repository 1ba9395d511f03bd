// stox-mapper: translates between SIP fronts and XMPP workers, and says where each message goes.
#include "common/service/process.h"
#include "mapper/mapper.h"

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kMapper, stox::Mapper::create);
}

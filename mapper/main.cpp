// stox-mapper: translates between SIP fronts and XMPP workers, and says where each message goes.
#include "common/service/run.h"
#include "mapper/mapper.h"
#include "mapper/online_check.h"

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kMapper, stox::Mapper::create,
                            {{}, stox::check_mapper_online});
}

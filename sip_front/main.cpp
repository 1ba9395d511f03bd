// stox-sip-front: SIP messages in and out, and nothing else.
#include "common/service/run.h"
#include "sip_front/front.h"
#include "sip_front/front_config.h"
#include "sip_front/online_check.h"

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kSipFront, stox::Front::create,
                            {stox::check_files, stox::check_online});
}

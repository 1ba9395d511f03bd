// stox-sip-front: SIP messages in and out, and nothing else.
#include "common/service/process.h"
#include "sip_front/front.h"

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kSipFront, stox::Front::create);
}

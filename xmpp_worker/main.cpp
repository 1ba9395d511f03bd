#include "common/service/process.h"
#include "xmpp_worker/worker.h"

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kXmppWorker, stox::worker::Worker::create);
}

#include "common/service/run.h"
#include "xmpp_worker/online_check.h"
#include "xmpp_worker/streams/server_streams.h"
#include "xmpp_worker/worker.h"

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kXmppWorker, stox::worker::Worker::create,
                            {stox::worker::ServerStreams::check, stox::worker::check_online});
}

// Whatever bytes a peer on the bus sends: a mapper and an edge survive them, and still pass a message
// afterwards.
#include <cstdlib>

#include "common/bodies/bodies.h"
#include "common/bus/memory/memory_wire.h"

namespace {

using namespace stox;
using namespace stox::bus;

class Actor : public EdgeUser {
 public:
  void begin(const pb::Envelope& e, Time) override { edge->finish(e.id(), {}); }
  void ended(uint64_t, const pb::Outcome&) override { ++ends; }
  Edge* edge = nullptr;
  int ends = 0;
};

class ToWorker : public MapperUser {
 public:
  Placement place(pb::Envelope&) override { return Forward{"w-1"}; }
  void translate(pb::Outcome&) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  MemoryBus bus({"m-1"}, {"sip-1", "w-1"});
  Actor sip, worker;
  ToWorker mapper;
  bus.start_mapper("m-1", mapper);
  sip.edge =
      &bus.start_edge({.name = "sip-1", .role = pb::FRONT, .pace = Duration{0}, .bodies = bodies()}, sip);
  worker.edge =
      &bus.start_edge({.name = "w-1", .role = pb::WORKER, .pace = Duration{0}, .bodies = bodies()}, worker);
  bus.run();
  bus.inject("sip-1", "m-1", bytes);
  bus.inject("m-1", "w-1", bytes);
  bus.advance(std::chrono::seconds(5));
  pb::Envelope e;
  e.set_conversation("a b");
  e.mutable_sip_message()->set_call_id("c");
  const Time now = bus.clock().now();
  const int before = sip.ends;
  if (sip.edge->submit(e, now + std::chrono::seconds(25), now + std::chrono::seconds(25))) {
    bus.advance(std::chrono::seconds(30));
    if (sip.ends != before + 1)
      std::abort();  // the message that followed the rubbish did not end, or ended twice
  }
  return 0;
}

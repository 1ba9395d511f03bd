// Whatever bytes a peer on the bus sends: a mapper, a target and an origin survive them, what is on its way
// ends once, and so does a message afterwards.
#include <string_view>
#include <utility>
#include <vector>

#include "common/bodies/bodies.h"
#include "common/bus/memory/memory_wire.h"
#include "tests/fuzz/hold.h"

namespace {

using namespace stox;
using namespace stox::bus;

constexpr Duration kLife = std::chrono::seconds(8);  // of an envelope: each second of it takes time here

class Actor : public EdgeUser {
 public:
  void begin(const pb::Envelope& e, Time) override {
    begun.push_back(e.id());
    if (!waits) finish();
  }
  void ended(uint64_t, const pb::Outcome&) override { ++ends; }
  void finish() {
    waits = false;
    for (const pb::EnvelopeId& id : std::exchange(begun, {})) edge->target().finish(id, {});
  }
  Edge* edge = nullptr;
  bool waits = false;
  std::vector<pb::EnvelopeId> begun;
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
  const auto submit = [&] {
    pb::Envelope e;
    e.set_conversation("a b");
    e.mutable_sip_message()->set_call_id("c");
    const Time now = bus.clock().now();
    return sip.edge->origin().submit(e, now + kLife, now + kLife) ? 1 : 0;
  };
  worker.waits = true;
  int submitted = submit();
  bus.run();
  bus.inject("sip-1", "m-1", bytes);
  bus.inject("m-1", "w-1", bytes);
  bus.inject("m-1", "sip-1", bytes);
  bus.advance(std::chrono::seconds(2));
  worker.finish();
  bus.advance(kLife + std::chrono::seconds(2));
  hold(sip.ends == submitted, "what was on its way ends once");
  submitted += submit();
  bus.advance(kLife + std::chrono::seconds(2));
  hold(sip.ends == submitted, "what follows ends once");
  return 0;
}

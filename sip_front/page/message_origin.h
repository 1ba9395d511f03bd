// The origin of the messages that a front takes: the bus's, which knows a copy of what a front before this
// one has handed on.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "common/bus/edge/edge.h"
#include "sip_front/page/taken_requests.h"
#include "sip_front/request/envelope_sink.h"

namespace stox {

class MessageOrigin final : public EnvelopeSink {
 public:
  // Edge and clock must outlive it. Without `taken` (null) a copy goes out as a message of its own.
  MessageOrigin(bus::Edge& edge, std::unique_ptr<TakenRequests> taken, const Clock&);

  // To be told whenever the members of the bus have changed.
  void members_changed();

  bool has_room() const override;
  bool is_connected() const override;
  Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by) override;
  void submit_lossy(pb::Envelope&, Time begin_before) override;
  std::string id_of(uint64_t number) const override;

 private:
  bus::Edge& edge_;
  std::unique_ptr<TakenRequests> taken_;
  const Clock& clock_;
};

}  // namespace stox

// The bus, as far as those need it who make envelopes of requests: bus::Origin.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "proto/envelope.pb.h"

namespace stox {

class EnvelopeSink {
 public:
  virtual ~EnvelopeSink() = default;
  virtual bool has_room() const = 0;      // false: submit() would be refused, as too much is in flight
  virtual bool is_connected() const = 0;  // false: nobody takes envelopes
  virtual Result<uint64_t> submit(pb::Envelope&, Time begin_before, Time end_by) = 0;
  virtual std::string id_of(uint64_t number) const = 0;  // "origin.epoch.number"
  virtual void submit_lossy(pb::Envelope&, Time begin_before) = 0;
};

}  // namespace stox

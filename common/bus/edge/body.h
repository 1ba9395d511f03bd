// What the bus must know of a kind of body, and nothing more. The processes that speak a body make its row
// (common/bodies); how it is translated and which edge it goes to is the mapper's.
#pragma once

#include <vector>

#include "common/base/clock.h"
#include "common/bus/wire/times.h"
#include "proto/envelope.pb.h"

namespace stox::bus {

struct BodyKind {
  int field = 0;  // of pb::Envelope
  // Whether it is sent again when its handler ended while it may have had it: for what may happen twice. Else
  // it ends IN_DOUBT.
  bool repeat_in_doubt = false;
  // One that has not been sent when a later one of its conversation is submitted ends as SUPERSEDED.
  bool newest_wins = false;
  // Whoever submits it says it anew if it is lost: no process that drains waits for its end, and it is not
  // among those given up, that can be sent once more.
  bool fleeting = false;
  Duration patience = kPatience;
};

class BodyKinds {
 public:
  BodyKinds() = default;
  BodyKinds(std::initializer_list<BodyKind>);

  // Null: the envelope has no body, or one that is not in the table. The row lives as long as the table.
  const BodyKind* of(const pb::Envelope&) const;
  // Takes the body out of the envelope.
  void clear(pb::Envelope&) const;

 private:
  struct Row {
    BodyKind kind;
    const google::protobuf::FieldDescriptor* field;
  };
  std::vector<Row> rows_;
};

}  // namespace stox::bus

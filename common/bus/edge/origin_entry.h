// One envelope in flight, as origin.cpp and origin_doubt.cpp see it.
#pragma once

#include "common/bus/edge/origin.h"

namespace stox::bus {

constexpr Duration kAskAgain = std::chrono::seconds(1);

struct Origin::Entry {
  uint64_t number = 0;
  pb::Envelope envelope;
  Conversation* conversation = nullptr;  // which it is in
  BodyKind kind;
  bool superseded = false;  // it ends at the next turn
  Stage stage = Stage::kMapper;
  Time submitted{}, begin_before{}, end_by{};
  Time unplaced{};  // since when nobody could take it
  Time wake_at = kNever;
  Route via;
  Time sent_at{};
  uint32_t attempts = 0;
  uint32_t refusals = 0;
  std::string refused;     // the last one's text
  bool held = false;       // until let_go()
  bool after_all = false;  // a target did not know the predecessor: wait until that has ended
  uint64_t targets_version = 0;
  TargetKey holder;                // who said that it is pending there; empty = not known
  bool via_waited = false;         // the mapper has not answered that it passed all on
  std::vector<TargetKey> waiting;  // asked, and no word yet
  bool restored = false;           // by us, and not asked for yet
  std::string lost_with;           // what became of a possible target, if that makes it a doubt
};

}  // namespace stox::bus

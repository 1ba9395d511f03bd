// What a mapper does with one envelope and with one outcome, and the figures and traces of it. Free of I/O;
// the rules and the members are set from outside whenever they change.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/mapper/mapper_node.h"
#include "common/service/config.h"
#include "common/service/line_budget.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "common/service/trace.h"
#include "mapper/mapping/address/addresses.h"
#include "mapper/mapping/error/errors.h"
#include "mapper/mapping/page/content.h"
#include "mapper/mapping/page/echo.h"
#include "mapper/mapping/routes.h"

namespace stox {

class Translation {
 public:
  struct Rules {
    mapping::Addresses addresses;
    mapping::ErrorSettings errors;
    mapping::ContentSettings content;
  };
  static Result<Rules> rules(const service::Config&);

  // Clock, log and trace must outlive it.
  Translation(Rules, const Clock&, service::Log&, service::Trace&);

  void set_rules(Rules rules) { rules_ = std::move(rules); }
  void set_members(const std::vector<pb::Member>&);

  bus::Placement place(pb::Envelope&);  // as MapperUser::place
  void translate(pb::Outcome&);         // as MapperUser::translate
  std::vector<service::Metric> metrics() const;

 private:
  // Figures of one direction.
  struct Passed {
    uint64_t forwarded = 0, refused = 0, ended = 0;     // envelopes
    uint64_t delivered = 0, passed_on = 0, failed = 0;  // outcomes
  };

  // A kind of body: what makes the body of the other side of it and says where that goes, and what counts it.
  struct Row {
    bool (pb::Envelope::*is_in)() const;
    bus::Placement (Translation::*translate)(pb::Envelope&, service::TraceHop&);
    Passed Translation::*passed;
    service::Trace::Of trace;
  };
  static const std::vector<Row>& rows();

  void note_end(std::string_view trace_id, const service::TraceHop&, const pb::Outcome&);
  bus::Placement to_xmpp(pb::Envelope&, service::TraceHop&);
  bus::Placement to_sip(pb::Envelope&, service::TraceHop&);
  bus::Placement presence_to_xmpp(pb::Envelope&, service::TraceHop&);
  bus::Placement presence_to_sip(pb::Envelope&, service::TraceHop&);
  bus::Placement to_worker(std::string_view jid, std::string_view conversation) const;
  pb::Role role_of_origin(const pb::Outcome&) const;
  service::TraceHop* hop_of(const pb::EnvelopeId&);

  Rules rules_;
  const Clock& clock_;
  service::Log& log_;
  service::LineBudget refusal_lines_{"messages were refused"};
  service::Trace& trace_;
  mapping::Routes routes_;
  mapping::EchoWindow echoes_;
  std::map<std::string, pb::Role, std::less<>> roles_;  // of the edges that are there

  // Hops of envelopes on their way, found again by a hash of their id; a newer one may take a place.
  std::vector<std::pair<uint64_t, service::Trace::Handle>> open_;
  Passed to_xmpp_, to_sip_;
  std::map<std::string, uint64_t> refusals_;  // by status or condition
};

}  // namespace stox

// A dialog (RFC 3261 section 12) as a value: what a request within it carries, and what belongs to it.
// Whoever keeps one keeps it on disk, too, if it must outlive the process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/writer.h"

namespace stox::sip {

struct Dialog {
  std::string call_id;
  std::string local_tag;
  std::string remote_tag;  // empty: the peer has not answered yet
  // addr-specs. Of our From and To within it; that the peer's may change (RFC 4916) matters to nobody.
  std::string local_uri, remote_uri;
  std::string remote_target;           // addr-spec of the peer's latest Contact: the Request-URI
  std::vector<std::string> route_set;  // values of Route, in the order in which they are sent
  uint32_t local_cseq = 0;             // of our last request; 0 = none
  uint32_t remote_cseq = 0;            // of the peer's last one; 0 = none

  bool operator==(const Dialog&) const = default;
};

constexpr std::size_t kMaxRoutes = 16;

// Where the first request within it goes: the first route, which is an addr-spec then, else the remote target
// (12.2.1.1). Loose routing is what everybody speaks; a strict router gets what a loose one would.
std::string next_hop_uri(const Dialog&);

// All that a request within it has of it (12.2.1.1), but for the CSeq; slices of it.
void address_within(const Dialog&, Request&);

// As the one who answers (12.1.1): of the request that makes it, and the tag that our answer gives. An Error
// when it has no Contact that can be read, or more than kMaxRoutes routes; it is answered 400.
Result<Dialog> dialog_of_request(const Message& request, std::string_view local_tag);
// As the one who asks (12.1.2): `asked` is the dialog as it was begun, with no remote tag. By the 2xx, or by
// the NOTIFY that comes instead of it or before it (RFC 6665 4.4.1).
Result<Dialog> dialog_of_response(const Dialog& asked, const Message& response);
Result<Dialog> dialog_of_notify(const Dialog& asked, const Message& notify);

// Whether a request (of the peer's) or a response (to ours) is of this dialog.
bool belongs(const Dialog&, const Message&);
// Takes CSeq and Contact of a request of the peer's within the dialog (12.2.2). False: it is out of order,
// and is answered 500.
bool take_request(Dialog&, const Message& request);
// Takes the Contact of a 2xx to a request of ours within it: SUBSCRIBE and NOTIFY refresh the target.
void take_response(Dialog&, const Message& response);

// Whether a request within a dialog that is answered so leaves none (RFC 5057 5.1, and 481 itself).
bool ends_dialog(uint16_t status);

// "Record-Route: ...\r\n" lines of the request, which its 2xx repeats (12.1.1).
std::string record_route_lines(const Message& request);

}  // namespace stox::sip

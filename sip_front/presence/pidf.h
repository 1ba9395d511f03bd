// Presence documents, application/pidf+xml (RFC 3863, with RFC 4479 and RFC 4480): in which state the devices
// of one user are. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "proto/presence.pb.h"

namespace stox {

constexpr std::string_view kPidfType = "application/pidf+xml";  // as it is written, without parameters
constexpr std::size_t kMaxPidf = 65'536;                        // bytes of a document that is read
constexpr std::size_t kMaxShownDevices = 16;                    // of a document that is written

struct Device {
  std::string
      address;  // addr-spec; its `gr` is the device, as in pb::Presence. One without is the user himself
  pb::PresenceState state;
};

// The devices of this user (an addr-spec without `gr`), each address once. A document of a SIP presence
// server has one device, `;gr=sip`: who publishes gives his tuples a new id each time. Only where a tuple
// names a device that lasts, by a contact with `gr` or an id as in RFC 8048 6.2, it is one of its own. None
// at all: nothing is known of the user, which is as good as unavailable. An Error says in words why this is
// no presence document; what was known before holds.
Result<std::vector<Device>> read_pidf(std::string_view document, std::string_view user);

// The document that says in which states these devices of `entity` (an addr-spec) are, as much as a watcher
// is to see: of several the available ones, best first, at most kMaxShownDevices; if none is, or there is
// none, one tuple that is closed.
std::string write_pidf(std::string_view entity, std::span<const Device> devices);

}  // namespace stox

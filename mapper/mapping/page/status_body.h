// Bodies that say something about a message or its writer, not to a person: typing (RFC 3994) and what became
// of a message (RFC 5438).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "proto/message.pb.h"

namespace stox::mapping {

constexpr std::string_view kComposingType = "application/im-iscomposing+xml";
constexpr std::string_view kImdnType = "message/imdn+xml";
constexpr uint32_t kComposingRefreshS = 120;  // RFC 3994 3.3: what is meant where none is given

struct Composing {
  bool active = false;  // any other state means idle
  uint32_t refresh_s = kComposingRefreshS;
};
Result<Composing> read_composing(std::string_view body);
std::string write_composing(bool active);

// An Error when it names no message or says nothing about it.
Result<pb::Receipt> read_imdn(std::string_view body);
// The receipt's date must be set. `recipient_uri`: who got the message, a SIP URI.
std::string write_imdn(const pb::Receipt&, std::string_view recipient_uri);

}  // namespace stox::mapping

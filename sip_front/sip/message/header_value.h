// The values of single headers, as slices of their text. Nothing when the text is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/clock.h"
#include "sip_front/sip/message/message.h"

namespace stox::sip {

constexpr std::size_t kMaxUri = 2048;

std::optional<Via> parse_via(std::string_view);
// Of what is no via-parm: its text up to the first parameter that is none, so that it can be answered all the
// same. Without a host if there is no sent-by, without a text if nothing at all tells that it is a Via.
Via parse_bad_via(std::string_view);
std::optional<NameAddr> parse_name_addr(std::string_view);
std::optional<CSeq> parse_cseq(std::string_view);
std::optional<int64_t> parse_date(std::string_view);            // Unix time of an RFC 1123 date in GMT
std::optional<uint32_t> parse_delta_seconds(std::string_view);  // Retry-After; what follows is ignored
// How long a MESSAGE is still worth anything (RFC 3428 section 4): Expires from Date on, or from now on if
// there is no Date, or one to come, or one that cannot be; zero if it has expired. Without Expires, or with
// one of 0, as long as it takes.
Duration valid_for(const Message&, int64_t now_s);
bool is_token(std::string_view);
bool is_call_id(std::string_view);  // word [ "@" word ]

}  // namespace stox::sip

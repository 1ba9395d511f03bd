// message/cpim (RFC 3862): headers about the message, then a MIME entity that is its content. Read strictly:
// lines end with CRLF, exactly one space stands before a value, names are case-sensitive, nothing is folded.
// The prefix "imdn" needs no NS header, as clients forget it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "mapper/mapping/page/mime.h"

namespace stox::mapping {

constexpr std::string_view kCpimHeaders =
    "urn:ietf:params:cpim-headers:";  // the namespace of names without prefix
constexpr std::string_view kImdnHeaders = "urn:ietf:params:imdn";
constexpr std::string_view kLinphoneHeaders = "tag:linphone.org,2020:params:groupchat";

struct CpimHeader {
  std::string ns;
  std::string name;
  std::string lang;   // empty = none
  std::string value;  // escapes resolved
};

struct Cpim {
  std::vector<CpimHeader> headers;  // in order; without NS and Require
  Entity content;                   // slices of what was read

  // The first of this name; null if there is none.
  const CpimHeader* find(std::string_view name, std::string_view ns = kCpimHeaders) const;
};

// The opposite. The content's MIME headers are of text/plain and the like: one line each. Control characters
// in values are escaped.
std::string make_cpim(const std::vector<CpimHeader>& headers, std::string_view content_type,
                      std::string_view disposition, std::string_view body);

// An Error also for a Require that names what is not known here.
Result<Cpim> parse_cpim(std::string_view);

}  // namespace stox::mapping

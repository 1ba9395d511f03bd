// A JID (RFC 7622) prepared by the profiles of RFC 6122, as the servers we talk to do: nodeprep for the
// localpart, nameprep for the domainpart, resourceprep for the resourcepart. Those profiles end with
// Unicode 3.2. What RFC 7622 has beyond them passes as it is, for a peer's server may have stamped it: newer
// letters, digits and marks, and names from right to left that end in a digit or a mark. In resources, which
// clients choose freely, every newer code point passes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace stox {

enum class JidError {
  kEmptyPart,  // an empty local part, domain or resource where one is written
  kNotUtf8,
  kControl,     // control character
  kEdgeSpace,   // XEP-0106: \20 first or last
  kNotAllowed,  // a code point the profile forbids
  kTooLong,     // a part over 1023 bytes
  kNotADomain,
};

const char* describe(JidError);

class Jid {
 public:
  // Cuts at the first '/', then at the first '@' (RFC 7622 3.1), and prepares each part. The localpart is
  // taken as escaped already (XEP-0106).
  static tl::expected<Jid, JidError> parse(std::string_view text);
  // Parts as they are (localpart escaped); empty local or resource = none.
  static tl::expected<Jid, JidError> make(std::string_view local, std::string_view domain,
                                          std::string_view resource = {});

  const std::string& local() const { return local_; }
  const std::string& domain() const { return domain_; }  // U-labels, no trailing dot
  const std::string& resource() const { return resource_; }
  std::string bare() const;
  std::string str() const;
  bool operator==(const Jid&) const = default;

 private:
  std::string local_, domain_, resource_;
};

// A domain as SIP and DNS want it: A-labels, lower case, no trailing dot. Nothing when it is no host name (an
// IPv6 address is none).
std::optional<std::string> ascii_domain(std::string_view domain);

// nodeprep of an unescaped or escaped localpart (case folding, NFKC, forbidden characters): what must come
// before XEP-0106 escaping or unescaping. Characters that XEP-0106 escapes ("&'/:<>@ and space) pass when
// `unescaped`.
tl::expected<std::string, JidError> fold_localpart(std::string_view utf8, bool unescaped);

// XEP-0106 1.1.1, on a folded localpart. A backslash is escaped only before one of the ten codes.
std::string escape_localpart(std::string_view folded);
std::string unescape_localpart(std::string_view folded);

}  // namespace stox

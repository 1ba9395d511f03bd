#include "common/base/placement.h"

#include "common/base/jid.h"
#include "common/base/text.h"

namespace stox {

std::string domain_pattern(const std::string& claim) {
  const std::string_view name = std::string_view(claim).substr(claim.starts_with("*.") ? 2 : 0);
  return (name.size() < claim.size() ? "*." : "") + ascii_domain(name).value_or(ascii_lower(name));
}

}  // namespace stox

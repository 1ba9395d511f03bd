#include "sip_front/request/passwords.h"

#include <algorithm>

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox {
namespace {

constexpr std::size_t kMaxChallengers = 1024;
constexpr int kMaxStale = 3;  // answers in a row to one realm

// Whose challenges belong together: what is asked for one domain is nobody else's business.
std::string challenger(const sip::Hop& hop, std::string_view request_uri) {
  const auto uri = parse_sip_uri(request_uri);
  return hop.str() + " " + (uri ? ascii_lower(uri->host) : std::string());
}

bool is_at_home(std::string_view realm, std::string_view request_uri) {
  const auto uri = parse_sip_uri(request_uri);
  if (!uri || uri->host.empty()) return false;
  const std::string host = ascii_lower(uri->host), lower = ascii_lower(realm);
  return lower == host || lower.ends_with("." + host);
}

}  // namespace

void Passwords::set(std::vector<sip::Credentials> credentials, bool has_proxy) {
  credentials_ = std::move(credentials);
  has_proxy_ = has_proxy;
  asked_.clear();
}

void Passwords::append_answers(std::string& out, const sip::Hop& hop, std::string_view method,
                               std::string_view request_uri) {
  if (asked_.empty()) return;
  const auto asked = asked_.find(challenger(hop, request_uri));
  if (asked == asked_.end()) return;
  for (sip::Challenge& challenge : asked->second) {
    if (const sip::Credentials* credentials = of_realm(challenge.realm))
      sip::append_answer(out, challenge, *credentials, method, request_uri, random_.hex());
  }
}

const sip::Credentials* Passwords::of_realm(std::string_view realm) const {
  const auto found = std::find_if(credentials_.begin(), credentials_.end(),
                                  [&](const sip::Credentials& one) { return one.realm == realm; });
  return found == credentials_.end() ? nullptr : &*found;
}

bool Passwords::can_answer(const sip::Message& response, const sip::Hop& hop, std::string_view request_uri,
                           bool past_proxy, std::vector<sip::Challenge>& answered, std::string* why) {
  bool any = false;
  *why = "it asks for authentication in no way we know";
  if (asked_.size() >= kMaxChallengers) asked_.clear();
  auto& known = asked_[challenger(hop, request_uri)];
  for (sip::Challenge& asked : sip::read_challenges(response)) {
    if (asked.proxy != (response.status == 407)) continue;
    const std::string realm =
        "realm \"" + (is_utf8(asked.realm) ? one_line(asked.realm, 200) : std::string()) + "\"";
    const auto same = [&](const sip::Challenge& one) {
      return one.proxy == asked.proxy && one.realm == asked.realm;
    };
    std::erase_if(known, same);
    if (of_realm(asked.realm) == nullptr) {
      *why = "it asks for a password for " + realm + ": add [[sip_front.credentials]] with it";
      continue;
    }
    if ((!has_proxy_ || past_proxy) && !is_at_home(asked.realm, request_uri)) {
      *why = "it asks for the password for " + realm +
             ", which without gateway.outbound_proxy only servers of that domain get";
      continue;
    }
    const auto given = std::count_if(answered.begin(), answered.end(), same);
    if (given > 0 && (!asked.stale || given >= kMaxStale)) {
      *why = "it does not accept the username or password in [[sip_front.credentials]] for " + realm;
      continue;
    }
    answered.push_back(asked);
    known.push_back(std::move(asked));
    any = true;
  }
  return any;
}

}  // namespace stox

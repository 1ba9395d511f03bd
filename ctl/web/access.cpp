#include "ctl/web/access.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "common/base/text.h"

namespace stox::ctl::web {
namespace {

// Takes as long for every text of the same length.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned different = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    different |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  return different == 0;
}

// Whether a Host means this machine, with any port: a tunnel may have another than ours.
bool is_loopback(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.back() != ']') {
    if (host.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) return false;
    host = host.substr(0, colon);
  }
  const bool is_ipv4 =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_ipv4 || host == "[::1]" || ascii_lower(host) == "localhost";
}

bool has_cookie(std::string_view cookies, std::string_view wanted) {
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find(';'), cookies.size());
    std::string_view one = cookies.substr(0, end);
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (same(one, wanted)) return true;
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
  }
  return false;
}

}  // namespace

// Cookies know no ports: the name keeps those of two pages apart.
Access::Access(std::string token, std::string session, int port, bool may_act)
    : token_(std::move(token)), cookie_(fmt::format("stox_{}={}", port, session)), may_act_(may_act) {}

std::optional<Refusal> Access::refusal(const WebRequest& asked) const {
  if (!is_loopback(asked.host))
    return Refusal{403, "this page is asked by the name of loopback only: 127.0.0.1, [::1] or localhost\n"};
  const bool reads = asked.method == "GET" || asked.method == "HEAD";
  if (asked.token) {
    const bool right = reads && asked.path == "/" && same(*asked.token, token_);
    return right
               ? std::nullopt
               : std::optional(Refusal{403, "wrong token: open the address that stoxctl web has printed\n"});
  }
  if (!has_cookie(asked.cookie, cookie_))
    return Refusal{403, "no token: open the address that stoxctl web has printed\n"};
  if (asked.path.starts_with("/api/") && !same(asked.secret, token_))
    return Refusal{403, "no token: open the address that stoxctl web has printed\n"};
  if (reads) return std::nullopt;
  if (asked.method != "POST") return Refusal{405, "GET or POST\n"};
  return refusal_to_act(asked);
}

std::optional<Refusal> Access::refusal_to_act(const WebRequest& asked) const {
  if (!may_act_) return Refusal{403, "read only: stoxctl web was started without --allow-actions\n"};
  if (asked.origin != "http://" + asked.host) return Refusal{403, "asked by another page than this one\n"};
  if (asked.content_type != "application/json") return Refusal{415, "application/json, please\n"};
  return std::nullopt;
}

std::string Access::set_cookie() const { return cookie_ + "; Path=/; HttpOnly; SameSite=Strict"; }

std::string random_token() {
  std::array<char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return to_hex({bytes.data(), bytes.size()});
}

}  // namespace stox::ctl::web

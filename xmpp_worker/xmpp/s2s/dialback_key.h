// Keys of server dialback (XEP-0220) as XEP-0185 advises: nothing is remembered, so whoever has the secret
// can check a key that another process of ours has made.
#pragma once

#include <string>
#include <string_view>

namespace stox::xmpp {

class DialbackKeys {
 public:
  explicit DialbackKeys(std::string_view secret);

  // All prepared domains; the id is that of the receiving server's stream header.
  std::string make(std::string_view receiving, std::string_view originating,
                   std::string_view stream_id) const;
  // In constant time.
  bool check(std::string_view key, std::string_view receiving, std::string_view originating,
             std::string_view stream_id) const;

 private:
  std::string key_;  // of the HMAC: the secret's SHA-256 as hexadecimal digits
};

}  // namespace stox::xmpp

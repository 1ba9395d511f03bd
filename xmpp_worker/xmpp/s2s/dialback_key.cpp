#include "xmpp_worker/xmpp/s2s/dialback_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "common/base/text.h"

namespace stox::xmpp {
namespace {

using Digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

std::string hex(const Digest& digest, unsigned size) {
  return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace

DialbackKeys::DialbackKeys(std::string_view secret) {
  Digest digest{};
  unsigned size = 0;
  EVP_Digest(secret.data(), secret.size(), digest.data(), &size, EVP_sha256(), nullptr);
  key_ = hex(digest, size);
}

std::string DialbackKeys::make(std::string_view receiving, std::string_view originating,
                               std::string_view stream_id) const {
  std::string text(receiving);
  text.append(" ").append(originating).append(" ").append(stream_id);
  Digest digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return hex(digest, size);
}

bool DialbackKeys::check(std::string_view key, std::string_view receiving, std::string_view originating,
                         std::string_view stream_id) const {
  const std::string right = make(receiving, originating, stream_id);
  return key.size() == right.size() && CRYPTO_memcmp(key.data(), right.data(), right.size()) == 0;
}

}  // namespace stox::xmpp

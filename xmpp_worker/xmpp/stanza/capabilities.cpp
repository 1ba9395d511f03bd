#include "xmpp_worker/xmpp/stanza/capabilities.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "xmpp_worker/xmpp/stream/base64.h"

namespace stox::xmpp {

std::string caps_version(std::string_view category, std::string_view type,
                         std::vector<std::string_view> features) {
  std::string text(category);
  text.append("/").append(type).append("//<");
  std::sort(features.begin(), features.end());
  for (const std::string_view each : features) text.append(each).append("<");
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return to_base64({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace stox::xmpp

#include "sip_front/sip/message/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/base/text.h"
#include "sip_front/sip/message/grammar.h"

namespace stox::sip {
namespace {

constexpr std::size_t kMaxValue = 1024;  // of what we have to send back

struct Known {
  DigestAlgorithm algorithm;
  const char* name;
  const EVP_MD* (*function)();
};
constexpr std::array<Known, 3> kKnown = {{{DigestAlgorithm::kMd5, "MD5", EVP_md5},
                                          {DigestAlgorithm::kSha256, "SHA-256", EVP_sha256},
                                          {DigestAlgorithm::kSha512_256, "SHA-512-256", EVP_sha512_256}}};

const Known& known(DigestAlgorithm algorithm) { return kKnown.at(static_cast<std::size_t>(algorithm)); }

std::string hash(DigestAlgorithm algorithm, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &size, known(algorithm).function(), nullptr);
  return to_hex({reinterpret_cast<const char*>(bytes.data()), size});
}

// A comma list within a value.
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    if (ascii_iequal(strip(list.substr(0, end)), word)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

std::optional<Challenge> read_challenge(std::string_view value) {
  Cursor cursor(value);
  if (!ascii_iequal(cursor.run(kToken), "Digest")) return std::nullopt;
  Challenge out;
  bool qop_given = false;
  do {
    const std::string_view name = cursor.lws().run(kToken);
    if (name.empty() || !cursor.take('=')) return std::nullopt;
    const std::string_view text = cursor.at('"') ? cursor.quoted() : cursor.run(kParamValue);
    const std::string plain = unquote(text);
    if (text.empty() || plain.size() > kMaxValue) return std::nullopt;
    if (ascii_iequal(name, "realm")) out.realm = plain;
    if (ascii_iequal(name, "nonce")) out.nonce = plain;
    if (ascii_iequal(name, "opaque")) out.opaque = plain;
    if (ascii_iequal(name, "stale")) out.stale = ascii_iequal(plain, "true");
    if (ascii_iequal(name, "qop")) {
      qop_given = true;
      out.qop = lists(plain, "auth");
    }
    if (ascii_iequal(name, "algorithm")) {
      const auto found = std::find_if(kKnown.begin(), kKnown.end(),
                                      [&](const Known& one) { return ascii_iequal(one.name, plain); });
      if (found == kKnown.end()) return std::nullopt;
      out.algorithm = found->algorithm;
    }
  } while (cursor.take(','));
  if (!cursor.lws().done() || out.nonce.empty() || out.qop != qop_given) return std::nullopt;
  return out;
}

void append_quoted(std::string& out, const char* name, std::string_view value) {
  out.append(name).append("=\"");
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  out += '"';
}

}  // namespace

std::vector<Challenge> read_challenges(const Message& response) {
  std::vector<Challenge> out;
  for (const Header& header : response.headers()) {
    const bool proxy = ascii_iequal(header.name, "Proxy-Authenticate");
    if (!proxy && !ascii_iequal(header.name, "WWW-Authenticate")) continue;
    auto challenge = read_challenge(header.value);
    if (!challenge) continue;
    challenge->proxy = proxy;
    const bool answered = std::any_of(out.begin(), out.end(), [&](const Challenge& one) {
      return one.proxy == proxy && one.realm == challenge->realm;
    });
    if (!answered) out.push_back(std::move(*challenge));
  }
  return out;
}

void append_answer(std::string& out, Challenge& challenge, const Credentials& credentials,
                   std::string_view method, std::string_view uri, std::string_view cnonce) {
  const auto h = [&](const std::string& text) { return hash(challenge.algorithm, text); };
  std::array<char, 9> count{};
  std::snprintf(count.data(), count.size(), "%08x", ++challenge.uses);
  const std::string ha1 = h(credentials.username + ":" + challenge.realm + ":" + credentials.password);
  const std::string ha2 = h(std::string(method) + ":" + std::string(uri));
  std::string middle = ":" + challenge.nonce + ":";
  if (challenge.qop) middle.append(count.data()).append(":").append(cnonce).append(":auth:");

  out += challenge.proxy ? "Proxy-Authorization: Digest " : "Authorization: Digest ";
  append_quoted(out, "username", credentials.username);
  append_quoted(out, ", realm", challenge.realm);
  append_quoted(out, ", nonce", challenge.nonce);
  append_quoted(out, ", uri", uri);
  append_quoted(out, ", response", h(ha1 + middle + ha2));
  out.append(", algorithm=").append(known(challenge.algorithm).name);
  if (challenge.qop) {
    append_quoted(out, ", cnonce", cnonce);
    out.append(", qop=auth, nc=").append(count.data());
  }
  if (!challenge.opaque.empty()) append_quoted(out, ", opaque", challenge.opaque);
  out += "\r\n";
}

}  // namespace stox::sip

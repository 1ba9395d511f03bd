#include "xmpp_worker/xmpp/stanza/stanza_id.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium/crypto_shorthash_siphash24.h>

#include <algorithm>
#include <charconv>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

// Of SipHash-2-4-128, made for short texts: a tenth of the work of an HMAC. Its length tells it from the old
// one.
constexpr std::size_t kMacBytes = 12, kMacChars = kMacBytes / 3 * 4;
constexpr std::size_t kOldMacBytes = 9, kOldMacChars = kOldMacBytes / 3 * 4;
constexpr uint64_t kScryptN = 1 << 14, kScryptR = 8, kScryptP = 1;  // RFC 7914: for interactive use
constexpr std::size_t kMaxPayload = 120;                            // characters, encoded

constexpr std::array<bool, 256> make_plain() {
  std::array<bool, 256> out{};
  for (std::size_t c = 0; c < 256; ++c)
    out[c] =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  return out;
}
constexpr auto kPlain = make_plain();

bool is_plain(unsigned char c) { return kPlain[c]; }

std::string hash_of(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest.data()), 16});
}

void append_base64url(std::string& out, const unsigned char* bytes,
                      std::size_t size) {  // size: a multiple of 3
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const auto start = out.size();
  out.resize(start + size / 3 * 4);
  char* to = out.data() + start;
  for (std::size_t i = 0; i < size; i += 3) {
    const unsigned word = static_cast<unsigned>(bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2]);
    for (const int shift : {18, 12, 6, 0}) *to++ = kDigits[word >> shift & 63];
  }
}

void append_number(std::string& out, uint64_t number) {
  std::array<char, 20> digits{};
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

std::size_t encoded_size(std::string_view bytes) {
  std::size_t size = 0;
  for (const char c : bytes) size += is_plain(static_cast<unsigned char>(c)) ? 1 : 3;
  return size;
}

void append_encoded(std::string& out, std::string_view bytes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  while (!bytes.empty()) {
    const auto plain = std::find_if_not(bytes.begin(), bytes.end(), is_plain) - bytes.begin();
    out.append(bytes.substr(0, static_cast<std::size_t>(plain)));
    bytes.remove_prefix(static_cast<std::size_t>(plain));
    if (bytes.empty()) break;
    const auto b = static_cast<unsigned char>(bytes.front());
    out += {'%', kHex[b >> 4], kHex[b & 15]};
    bytes.remove_prefix(1);
  }
}

// Takes the text up to the next dot.
std::optional<std::string_view> next_field(std::string_view& rest) {
  const auto dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto field = rest.substr(0, dot);
  rest.remove_prefix(dot + 1);
  return field;
}

}  // namespace

void StanzaIds::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

Result<std::string> StanzaIds::derive_key(std::string_view secret, std::string_view domain) {
  // The secret also proves who we are to the server: what is keyed here must be of no use there.
  const std::string salt = "stanza ids of stox:" + std::string(domain);
  std::string out(kKeyBytes, '\0');
  const int derived = EVP_PBE_scrypt(
      secret.data(), secret.size(), reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
      kScryptN, kScryptR, kScryptP, 0, reinterpret_cast<unsigned char*>(out.data()), out.size());
  if (derived != 1) return error("OpenSSL cannot derive a key by scrypt");
  return out;
}

StanzaIds::StanzaIds(std::string_view key, std::string_view worker, uint64_t epoch)
    : worker_(worker),
      epoch_(epoch),
      prefix_(percent_encode(worker, is_plain) + "." + std::to_string(epoch) + ".") {
  std::copy_n(key.begin(), std::min(key.size(), kKeyBytes), key_.begin());
}

StanzaIds::~StanzaIds() = default;

void StanzaIds::read_old_form(std::string_view secret) {
  EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  old_mac_.reset(EVP_MAC_CTX_new(algorithm));
  EVP_MAC_free(algorithm);
  const std::string key = "stanza ids of stox:" + std::string(secret);
  std::string digest = "SHA256";
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
  EVP_MAC_init(old_mac_.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), params.data());
}

void StanzaIds::join(std::string_view id, std::string_view from, std::string_view to) {
  authentic_.assign(id).append("\n").append(bare_of(from)).append("\n").append(bare_of(to));
}

void StanzaIds::append_mac(std::string& out, std::string_view id, std::string_view from,
                           std::string_view to) {
  join(id, from, to);
  std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> digest{};
  static_assert(kKeyBytes == crypto_shorthash_siphashx24_KEYBYTES && kMacBytes <= digest.size());
  crypto_shorthash_siphashx24(digest.data(), reinterpret_cast<const unsigned char*>(authentic_.data()),
                              authentic_.size(), key_.data());
  append_base64url(out, digest.data(), kMacBytes);
}

void StanzaIds::append_old_mac(std::string& out, std::string_view id, std::string_view from,
                               std::string_view to) {
  join(id, from, to);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  std::size_t size = 0;
  EVP_MAC_init(old_mac_.get(), nullptr, 0, nullptr);
  EVP_MAC_update(old_mac_.get(), reinterpret_cast<const unsigned char*>(authentic_.data()),
                 authentic_.size());
  EVP_MAC_final(old_mac_.get(), digest.data(), &size, digest.size());
  append_base64url(out, digest.data(), kOldMacBytes);
}

bool StanzaIds::fits(std::string_view payload) { return encoded_size(payload) <= kMaxPayload; }

void StanzaIds::append(std::string& out, uint64_t number, std::string_view flags, std::string_view payload,
                       std::string_view from, std::string_view to) {
  const bool hashed = !fits(payload);
  const auto start = out.size();
  out.append(prefix_);
  append_number(out, number);
  out.append(".").append(flags);
  if (hashed) out += StanzaId::kHashed;
  out += '.';
  hashed ? void(out.append(hash_of(payload))) : append_encoded(out, payload);
  out += '.';
  append_mac(out, std::string_view(out).substr(start, out.size() - 1 - start), from, to);
}

std::optional<StanzaId> StanzaIds::read(std::string_view text, std::string_view from, std::string_view to) {
  const auto last_dot = text.rfind('.');
  if (last_dot == std::string_view::npos) return std::nullopt;
  const std::string_view mac = text.substr(last_dot + 1);
  const bool is_old = old_mac_ != nullptr && mac.size() == kOldMacChars;
  if (mac.size() != kMacChars && !is_old) return std::nullopt;
  std::string_view rest = text.substr(0, last_dot + 1);
  const auto worker = next_field(rest);
  const auto epoch = next_field(rest);
  const auto number = next_field(rest);
  const auto flags = next_field(rest);
  const auto payload = next_field(rest);
  if (!payload || !rest.empty()) return std::nullopt;
  scratch_.clear();
  const std::string_view signed_part = text.substr(0, last_dot);
  is_old ? append_old_mac(scratch_, signed_part, from, to) : append_mac(scratch_, signed_part, from, to);
  if (CRYPTO_memcmp(scratch_.data(), mac.data(), mac.size()) != 0) return std::nullopt;
  const auto epoch_value = parse_number(*epoch, 0, UINT64_MAX);
  const auto number_value = parse_number(*number, 0, UINT64_MAX);
  auto worker_value = percent_decode(*worker);
  auto payload_value = percent_decode(*payload);
  if (!epoch_value || !number_value || !worker_value || !payload_value) return std::nullopt;
  return StanzaId{std::move(*worker_value), *epoch_value, *number_value, std::string(*flags),
                  std::move(*payload_value)};
}

std::optional<StanzaId> StanzaIds::read_answer(std::string_view id, std::string_view from,
                                               std::string_view to) {
  auto out = read(id, to, from);
  return out ? out : read(id, from, to);
}

}  // namespace stox::xmpp

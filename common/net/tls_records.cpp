#include "common/net/tls_records.h"

#include <algorithm>

namespace stox::net {
namespace {

constexpr std::size_t kMaxContent = 16'384 + 2'048;  // encrypted (RFC 5246 6.2.3)
constexpr char kFirstType = 20, kLastType = 24;      // change_cipher_spec, heartbeat (RFC 6520)
constexpr char kMajorVersion = 3;

std::size_t size_of(std::string_view begin) {
  if (begin.size() < TlsRecords::kHeader) return 0;
  const auto content =
      static_cast<unsigned char>(begin[3]) * std::size_t{256} + static_cast<unsigned char>(begin[4]);
  const bool is_record =
      begin[0] >= kFirstType && begin[0] <= kLastType && begin[1] == kMajorVersion && content <= kMaxContent;
  return TlsRecords::kHeader + (is_record ? content : 0);
}

}  // namespace

std::string_view TlsRecords::next(std::string_view& bytes) {
  if (was_given_) std::string().swap(kept_);
  was_given_ = false;
  if (const std::size_t size = size_of(bytes); kept_.empty() && size > 0 && bytes.size() >= size) {
    const std::string_view whole = bytes.substr(0, size);
    bytes.remove_prefix(size);
    return whole;
  }
  keep(bytes, kHeader);
  keep(bytes, size_of(kept_));
  was_given_ = awaited() > 0 && kept_.size() == awaited();
  return was_given_ ? kept_ : std::string_view();
}

std::size_t TlsRecords::awaited() const { return was_given_ ? 0 : size_of(kept_); }

void TlsRecords::keep(std::string_view& bytes, std::size_t size) {
  if (size <= kept_.size() || bytes.empty()) return;
  kept_.reserve(size);
  const std::size_t more = std::min(bytes.size(), size - kept_.size());
  kept_.append(bytes.substr(0, more));
  bytes.remove_prefix(more);
}

}  // namespace stox::net

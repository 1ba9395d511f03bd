// The records of TLS (RFC 8446 5.1) in what came, however it was cut. For one that has begun OpenSSL takes
// 17 kB, whatever it holds; so it is given whole ones only, and what has come of another is kept here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stox::net {

class TlsRecords {
 public:
  static constexpr std::size_t kHeader = 5;

  // The next one of what was kept and `bytes`, of which it takes what it uses; good until the next call.
  // Empty: no whole one is there. A header alone: what follows is no record.
  std::string_view next(std::string_view& bytes);
  // How long the one that has begun will be, as it says; 0: none has, or it has not said it yet.
  std::size_t awaited() const;

 private:
  void keep(std::string_view& bytes, std::size_t size);

  std::string kept_;
  bool was_given_ = false;
};

}  // namespace stox::net

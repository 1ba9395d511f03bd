// Certificates for tests: an authority of the test's own and what it signs, as PEM files.
#pragma once

#include <string>

#include "common/net/tls.h"

namespace stox::testing {

struct CertificateWish {
  std::string common_name;
  // As OpenSSL's configuration has it:
  // "DNS:a.test,URI:sip:a.test,otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.a.test"
  std::string alternative_names;
  std::string extended_usage;  // "serverAuth", "clientAuth"; empty = any
  bool expired = false;
};

class Authority {
 public:
  // Files go into `folder`, which must exist.
  explicit Authority(std::string folder, const std::string& name = "test authority");
  // Makes NAME.crt and NAME.key there and says where they and the authority's own certificate are.
  net::TlsFiles sign(const std::string& name, const CertificateWish&) const;
  std::string ca_file() const { return folder_ + "/ca.crt"; }

 private:
  std::string folder_;
};

}  // namespace stox::testing

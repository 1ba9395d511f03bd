#include "common/net/tlsa.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "common/base/text.h"
#include "tests/support/certificates.h"

namespace stox::net {
namespace {

std::string text_of(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// As a record has it: selector 0 the certificate, 1 its key.
std::string selected(const std::string& path, int selector) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "r"), std::fclose);
  X509* const x = PEM_read_X509(file.get(), nullptr, nullptr, nullptr);
  unsigned char* der = nullptr;
  const int size = selector == 0 ? i2d_X509(x, &der) : i2d_PUBKEY(X509_get0_pubkey(x), &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  X509_free(x);
  return out;
}

std::string digest(const std::string& bytes, const EVP_MD* how) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size, how, nullptr);
  return out.substr(0, size);
}

class Tlsa : public ::testing::Test {
 protected:
  Tlsa() {
    ours_ = authority_.sign("ours", {"ours.test", "DNS:ours.test", "", false});
    other_ = authority_.sign("other", {"ours.test", "DNS:ours.test", "", false});
  }
  ~Tlsa() override { std::filesystem::remove_all(folder_); }

  // Of three matching types, whether all or none of the records for that certificate fit.
  void expect(bool fits, int usage, const std::string& certificate) {
    const auto chain = ShownChain::read(ours_);
    ASSERT_TRUE(chain);
    for (const int selector : {0, 1}) {
      const std::string whole = selected(certificate, selector);
      const std::string data[] = {whole, digest(whole, EVP_sha256()), digest(whole, EVP_sha512())};
      for (int matching = 0; matching < 3; ++matching) {
        const TlsaRecord record{static_cast<uint8_t>(usage), static_cast<uint8_t>(selector),
                                static_cast<uint8_t>(matching), data[matching]};
        EXPECT_EQ(chain->fits(record), fits) << usage << ' ' << selector << ' ' << matching;
      }
    }
  }

  static std::filesystem::path new_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "stox-tlsa-XXXXXX").string();
    return mkdtemp(name.data());
  }

  std::filesystem::path folder_ = new_folder();
  testing::Authority authority_{folder_.string()};
  TlsFiles ours_, other_;
};

TEST_F(Tlsa, OneRecordNamesTheCertificateItself) {
  for (const int usage : {1, 3}) {
    expect(true, usage, ours_.certificate);
    expect(false, usage, other_.certificate);
    expect(false, usage, authority_.ca_file());
  }
}

TEST_F(Tlsa, AnotherNamesItsAuthority) {
  expect(true, 0, authority_.ca_file());
  expect(false, 2, authority_.ca_file());  // it is not shown
  std::ofstream(ours_.certificate, std::ios::app) << text_of(authority_.ca_file());
  for (const int usage : {0, 2}) {
    expect(true, usage, authority_.ca_file());
    expect(false, usage, ours_.certificate);
    expect(false, usage, other_.certificate);
  }
}

TEST_F(Tlsa, WhatNobodyKnowsFitsNothing) {
  const auto chain = ShownChain::read(ours_).value();
  const std::string whole = selected(ours_.certificate, 0);
  EXPECT_TRUE(chain.fits({3, 0, 0, whole}));
  EXPECT_FALSE(chain.fits({4, 0, 0, whole}));
  EXPECT_FALSE(chain.fits({3, 2, 0, whole}));
  EXPECT_FALSE(chain.fits({3, 0, 3, whole}));
  EXPECT_FALSE(chain.fits({3, 0, 0, whole.substr(1)}));
}

TEST_F(Tlsa, SaysWhichRecordWouldFit) {
  const auto chain = ShownChain::read(ours_).value();
  EXPECT_EQ(chain.key_digest(), to_hex(digest(selected(ours_.certificate, 1), EVP_sha256())));
  EXPECT_FALSE(ShownChain::read({"/nowhere/a.pem", "", ""}));
}

}  // namespace
}  // namespace stox::net

#include "xmpp_worker/tlsa_check.h"

#include <gtest/gtest.h>

namespace stox::worker {
namespace {

using Kind = service::Finding::Kind;

TEST(TlsaCheck, ARecordThatFitsIsGoodWhereDnssecProvesIt) {
  EXPECT_EQ(tlsa_finding({"_5269._tcp.x.test", true, true, true, "ab"}).kind, Kind::kOk);
  const auto unproven = tlsa_finding({"_5269._tcp.x.test", true, false, true, "ab"});
  EXPECT_EQ(unproven.kind, Kind::kWarning);
  EXPECT_NE(unproven.what.find("nobody will look at it"), std::string::npos);
}

TEST(TlsaCheck, WhereNoneFitsTheRecordToPublishIsSaid) {
  const auto seen = tlsa_finding({"_5269._tcp.x.test", false, true, true, "ab"});
  EXPECT_EQ(seen.kind, Kind::kFailure);
  EXPECT_EQ(seen.remedy, "_5269._tcp.x.test. IN TLSA 3 1 1 ab");
  const auto unproven = tlsa_finding({"_5269._tcp.x.test", false, false, true, "ab"});
  EXPECT_EQ(unproven.kind, Kind::kWarning);
  EXPECT_NE(unproven.what.find("nobody will look at it"), std::string::npos);
}

TEST(TlsaCheck, OneOfSeveralHostsMayShowAnotherCertificate) {
  const auto seen = tlsa_finding({"_5269._tcp.x.test", false, true, false, "ab"});
  EXPECT_EQ(seen.kind, Kind::kWarning);
  EXPECT_NE(seen.remedy.find("if that host shows this certificate"), std::string::npos);
}

}  // namespace
}  // namespace stox::worker

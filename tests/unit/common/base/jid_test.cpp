#include "common/base/jid.h"

#include <gtest/gtest.h>
#include <idna.h>
#include <stringprep.h>

namespace stox {
namespace {

std::string parsed(std::string_view text) {
  const auto jid = Jid::parse(text);
  return jid ? jid->str() : std::string("ERR ") + describe(jid.error());
}

JidError refused(std::string_view text) {
  const auto jid = Jid::parse(text);
  EXPECT_FALSE(jid) << text << " became " << jid->str();
  return jid ? JidError{} : jid.error();
}

TEST(Jid, CutsAtTheFirstSlashThenTheFirstAt) {
  const auto jid = Jid::parse("juliet@example.com/at@home/now");
  ASSERT_TRUE(jid);
  EXPECT_EQ(jid->local(), "juliet");
  EXPECT_EQ(jid->domain(), "example.com");
  EXPECT_EQ(jid->resource(), "at@home/now");
  EXPECT_EQ(jid->bare(), "juliet@example.com");
  EXPECT_EQ(parsed("example.com"), "example.com");
  EXPECT_EQ(parsed("example.com/r"), "example.com/r");
}

TEST(Jid, FoldsLocalpartAndDomainButNotTheResource) {
  EXPECT_EQ(parsed("JULIET@Example.COM./Balcony"), "juliet@example.com/Balcony");
  EXPECT_EQ(parsed("STRA\xc3\x9f\x45@example.com"), "strasse@example.com");
  EXPECT_EQ(parsed("e\xcc\x81@example.com"), "\xc3\xa9@example.com");
  EXPECT_EQ(parsed("\xce\xa3@example.com"), "\xcf\x83@example.com");
  EXPECT_EQ(parsed("a\\2Fb@example.com"), "a\\2fb@example.com");
  EXPECT_EQ(parsed("a@example.com/e\xcc\x81"), "a@example.com/\xc3\xa9");
}

TEST(Jid, DomainsAreKeptAsUnicodeLabels) {
  EXPECT_EQ(parsed("a@xn--bcher-kva.example"), "a@b\xc3\xbc\x63her.example");
  EXPECT_EQ(parsed("a@XN--BCHER-KVA.example"), "a@b\xc3\xbc\x63her.example");
  EXPECT_EQ(parsed("a@B\xc3\x9c\x43HER.example"), "a@b\xc3\xbc\x63her.example");
  EXPECT_EQ(ascii_domain("B\xc3\xbc\x63her.example."), "xn--bcher-kva.example");
  EXPECT_EQ(ascii_domain("a b.example"), std::nullopt);
}

TEST(Jid, ALabelThatHidesADotStaysAsItIs) {
  const uint32_t label[] = {'a', 0x3002, 'b'};
  char ascii[64] = {};
  ASSERT_EQ(idna_to_ascii_4i(label, 3, ascii, 0), IDNA_SUCCESS);
  const std::string domain = std::string(ascii) + ".example";
  EXPECT_EQ(parsed("a@" + domain), "a@" + domain);
}

TEST(Jid, TakesAddressesAsDomains) {
  EXPECT_EQ(parsed("a@192.0.2.7"), "a@192.0.2.7");
  EXPECT_EQ(parsed("a@[2001:DB8:0::1]"), "a@[2001:db8::1]");
  EXPECT_EQ(refused("a@[2001:db8::1"), JidError::kNotADomain);
  EXPECT_EQ(refused("a@2001:db8::1"), JidError::kNotADomain);
}

TEST(Jid, RefusesWhatNoServerWouldTake) {
  EXPECT_EQ(refused(""), JidError::kEmptyPart);
  EXPECT_EQ(refused("@example.com"), JidError::kEmptyPart);
  EXPECT_EQ(refused("a@"), JidError::kEmptyPart);
  EXPECT_EQ(refused("a@example.com/"), JidError::kEmptyPart);
  EXPECT_EQ(refused("\xc2\xad@example.com"), JidError::kEmptyPart);  // a soft hyphen maps to nothing
  EXPECT_EQ(refused("a\xff@example.com"), JidError::kNotUtf8);
  EXPECT_EQ(refused(std::string_view("a\0b@example.com", 15)), JidError::kControl);
  EXPECT_EQ(refused("a\r\nb@example.com"), JidError::kControl);
  EXPECT_EQ(refused("a@example.com/x\ny"), JidError::kControl);
  EXPECT_EQ(refused("a@exam\rple.com"), JidError::kControl);
  EXPECT_EQ(refused("\\20a@example.com"), JidError::kEdgeSpace);
  EXPECT_EQ(refused("a\\20@example.com"), JidError::kEdgeSpace);
  EXPECT_EQ(refused("a b@example.com"), JidError::kNotAllowed);
  EXPECT_EQ(refused("a'b@example.com"), JidError::kNotAllowed);
  EXPECT_EQ(refused("a\xef\xbc\x9c@example.com"), JidError::kNotAllowed);     // fullwidth <
  EXPECT_EQ(refused("\xf0\x9f\x98\x80@example.com"), JidError::kNotAllowed);  // an emoji
  EXPECT_EQ(refused("a\xe2\x80\xae@example.com"), JidError::kNotAllowed);     // right-to-left override
  EXPECT_EQ(refused("a@x@example.com"), JidError::kNotADomain);
  EXPECT_EQ(refused("a@exa mple.com"), JidError::kNotADomain);
  EXPECT_EQ(refused("a@example..com"), JidError::kNotADomain);
  EXPECT_EQ(refused("a@-example.com"), JidError::kNotADomain);
}

// What a peer's server may have stamped, by RFC 7622, though the profiles of RFC 6122 refuse it.
TEST(Jid, TakesWhatUnicodeHasGotSince) {
  const std::string anil = "\u0d05\u0d28\u0d3f\u0d7d";  // Malayalam, with a chillu of Unicode 5.1
  const std::string nko = "\u07d2\u07de\u07cf", kindi = "\U0001e922";  // N'Ko; a small letter of Adlam
  const std::string omar1 = "\u0639\u0645\u06311", omar2 = "\u0639\u0645\u0631\u0662";  // Arabic and a digit
  const std::string shalom2 = "\u05e9\u05dc\u05d5\u05dd2";                              // Hebrew and a digit
  const std::string dhivehi = "\u078b\u07a8\u0788\u07ac\u0780\u07a8";  // Thaana, which ends in a mark
  for (const std::string& name : {anil, nko, kindi, omar1, omar2, shalom2, dhivehi, dhivehi + "7"}) {
    EXPECT_EQ(parsed(name + "@example.com"), name + "@example.com");
    EXPECT_EQ(parsed("a@" + name + ".example"), "a@" + name + ".example");
    EXPECT_EQ(parsed("a@example.com/" + name), "a@example.com/" + name);
    const auto ascii = ascii_domain(name + ".example");
    ASSERT_TRUE(ascii) << name;
    EXPECT_TRUE(ascii->starts_with("xn--")) << *ascii;
    EXPECT_EQ(parsed("a@" + *ascii), "a@" + name + ".example");
  }
}

TEST(Jid, RefusesWhatHasALowerCaseOrWouldChangeTheOrderOfReading) {
  EXPECT_EQ(refused("\U0001e900@example.com"), JidError::kNotAllowed);           // a capital letter of Adlam
  EXPECT_EQ(refused("1\u0639\u0645\u0631@example.com"), JidError::kNotAllowed);  // a digit before Arabic
  EXPECT_EQ(refused("\u0639a\u0631@example.com"), JidError::kNotAllowed);        // Latin between
  EXPECT_EQ(refused("\u0639.@example.com"), JidError::kNotAllowed);
  EXPECT_EQ(refused("\U000e0101@example.com"), JidError::kNotAllowed);  // a variation selector
  EXPECT_EQ(refused("a@1\u0639.example"), JidError::kNotADomain);
  EXPECT_EQ(refused("a@\U0001f600.example"), JidError::kNotADomain);
}

TEST(Jid, ResourcesMayHoldNewCharacters) {
  EXPECT_EQ(parsed("a@example.com/\xf0\x9f\x98\x80 phone"), "a@example.com/\xf0\x9f\x98\x80 phone");
}

TEST(Jid, PartsHoldAtMost1023Bytes) {
  EXPECT_TRUE(Jid::parse(std::string(1023, 'x') + "@example.com"));
  EXPECT_EQ(refused(std::string(1024, 'x') + "@example.com"), JidError::kTooLong);
  EXPECT_TRUE(Jid::parse("a@example.com/" + std::string(1023, 'x')));
  EXPECT_EQ(refused("a@example.com/" + std::string(1024, 'x')), JidError::kTooLong);
  EXPECT_EQ(refused("a@" + std::string(1024, 'x')), JidError::kTooLong);
  EXPECT_EQ(refused("a@example.com/" + std::string(100'000, 'x')), JidError::kTooLong);
  std::string arabic;  // one code point that becomes eighteen
  for (int i = 0; i < 300; ++i) arabic += "\xef\xb7\xba";
  EXPECT_EQ(refused("a@example.com/" + arabic), JidError::kTooLong);
}

TEST(Jid, EscapesTheTenCharacters) {
  EXPECT_EQ(escape_localpart("\"&'/:<>@ "), "\\22\\26\\27\\2f\\3a\\3c\\3e\\40\\20");
  EXPECT_EQ(escape_localpart("c:\\net"), "c\\3a\\net");
  EXPECT_EQ(escape_localpart("c:\\5commas"), "c\\3a\\5c5commas");
  EXPECT_EQ(escape_localpart("a\\"), "a\\");
  EXPECT_EQ(unescape_localpart("d\\27artagnan"), "d'artagnan");
  EXPECT_EQ(unescape_localpart("\\5c27"), "\\27");
  EXPECT_EQ(unescape_localpart("foob\\41r\\2"), "foob\\41r\\2");
}

TEST(Jid, FoldingBeforeEscapingLetsTheTenPass) {
  EXPECT_EQ(fold_localpart("O'Malley/\"A\" <x@y>", true), "o'malley/\"a\" <x@y>");
  EXPECT_EQ(fold_localpart("\xc3\x9c'\xef\xbc\x9c", true), "\xc3\xbc'<");
  EXPECT_EQ(fold_localpart(" a", true).error(), JidError::kEdgeSpace);
  EXPECT_EQ(fold_localpart("a\xc2\xa0", true).error(), JidError::kEdgeSpace);  // no-break space
}

// Whatever character a name holds: its prepared form is prepared, and survives escaping.
TEST(Jid, PreparedIsPreparedForEveryCharacter) {
  for (uint32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    char utf8[6];
    const int n = stringprep_unichar_to_utf8(c, utf8);
    const std::string name = "A" + std::string(utf8, static_cast<std::size_t>(n)) + "b";
    const auto folded = fold_localpart(name, true);
    if (!folded) continue;
    ASSERT_EQ(fold_localpart(*folded, true), *folded) << std::hex << c;
    const std::string escaped = escape_localpart(*folded);
    ASSERT_EQ(fold_localpart(escaped, false), escaped) << std::hex << c;
    ASSERT_EQ(unescape_localpart(escaped), *folded) << std::hex << c;
  }
}

}  // namespace
}  // namespace stox

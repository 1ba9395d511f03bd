#include "sip_front/presence/pidf.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace stox {
namespace {

using pb::PresenceState;

constexpr const char* kUser = "sip:romeo@sip.test";
const std::string kBegin =
    "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' "
    "xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:romeo@sip.test'>";
const std::string kOpen = "<tuple id='a'><status><basic>open</basic></status></tuple>";

const char* name_of(PresenceState::Activity activity) {
  switch (activity) {
    case PresenceState::CHAT:
      return "chat";
    case PresenceState::AWAY:
      return "away";
    case PresenceState::LONG_AWAY:
      return "xa";
    case PresenceState::BUSY:
      return "dnd";
    default:
      return "online";
  }
}

// "sip: dnd 'at desk' en'noch was' 102" for each device; the name of the device without what they share.
std::string shown(const std::string& document) {
  const auto read = read_pidf(document, kUser);
  if (!read) return "error";
  std::string out;
  for (const Device& device : *read) {
    const std::string prefix = std::string(kUser) + ";gr=";
    EXPECT_EQ(device.address.substr(0, prefix.size()), prefix);
    const PresenceState& state = device.state;
    out += (out.empty() ? "" : "; ") + device.address.substr(prefix.size()) + ": ";
    out += state.available() ? name_of(state.activity()) : "unavailable";
    for (const pb::XmppText& note : state.notes()) out += " " + note.lang() + "'" + note.text() + "'";
    if (state.priority() != 0) out += " " + std::to_string(state.priority());
  }
  return out;
}

std::string of_body(const std::string& inside) { return shown(kBegin + inside + "</presence>"); }
std::string with_person(const std::string& inside) {
  return of_body(kOpen + "<dm:person id='p'>" + inside + "</dm:person>");
}

TEST(ReadPidf, SeveralPublicationsInOneDocumentOfKamailio) {
  // As its presence server has merged them: the one that is unpublished first, namespaces in the middle.
  const std::string document =
      "<?xml version=\"1.0\"?>\n"
      "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:romeo@sip.test\">"
      "<tuple xmlns=\"urn:ietf:params:xml:ns:pidf\" id=\"one\"><status><basic>closed</basic></status></tuple>"
      "<tuple xmlns=\"urn:ietf:params:xml:ns:pidf\" id=\"two\"><status><basic>open</basic></status>"
      "<contact priority=\"0.8\">sip:romeo@192.0.2.1:5060</contact><note>at desk</note>"
      "<timestamp>2026-11-28T21:33:00Z</timestamp></tuple>"
      "<dm:person xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
      "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" id=\"p1\"><rpid:activities/></dm:person>"
      "<dm:person xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
      "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" "
      "id=\"p1\"><r:activities><r:busy/></r:activities></dm:person>"
      "</presence>";
  EXPECT_EQ(shown(document), "sip: dnd 'at desk' 102");
  EXPECT_EQ(read_pidf(document, kUser)->front().state.since_s(), 1'795'901'580);
}

TEST(ReadPidf, APhoneOfLinphone) {
  EXPECT_EQ(shown("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<presence xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
                  "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" "
                  "xmlns:pidfonline=\"http://www.linphone.org/xsds/pidfonline.xsd\" "
                  "entity=\"sip:romeo@sip.test\" xmlns=\"urn:ietf:params:xml:ns:pidf\">\n"
                  " <tuple id=\"q4h6mo\">\n  <status>\n   <basic>open</basic>\n   <pidfonline:online/>\n"
                  "  </status>\n  <contact priority=\"0.8\">sip:romeo@sip.test</contact>\n"
                  "  <timestamp>2026-11-28T21:33:00Z</timestamp>\n </tuple>\n"
                  " <dm:person id=\"zxcv\">\n  <rpid:activities>\n   <rpid:away/>\n  </rpid:activities>\n"
                  " </dm:person>\n</presence>\n"),
            "sip: away 102");
}

TEST(ReadPidf, APhoneOfBaresip) {
  EXPECT_EQ(shown("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
                  "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"\r\n"
                  "    xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"\r\n"
                  "    xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"\r\n"
                  "    entity=\"sip:romeo@sip.test\">\r\n"
                  "  <dm:person id=\"p4159\"><rpid:activities/></dm:person>\r\n"
                  "  <tuple id=\"t4109\">\r\n    <status>\r\n      <basic>closed</basic>\r\n    </status>\r\n"
                  "    <contact>sip:romeo@sip.test</contact>\r\n  </tuple>\r\n</presence>\r\n"),
            "sip: unavailable");
}

TEST(ReadPidf, PuaXmppPutsThePersonInTheNamespaceOfPidf) {
  EXPECT_EQ(shown("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:romeo@sip.test'>"
                  "<tuple id='0x7fff58498190'><status><basic>open</basic></status></tuple>"
                  "<person id='1'><note>Do not disturb</note></person></presence>"),
            "sip: dnd 'Do not disturb'");
}

TEST(ReadPidf, AgExtendedStatus) {
  const auto extended = [](const std::string& basic, const std::string& word) {
    return of_body("<tuple id='SID-1'><status>" + basic +
                   "<agp:extended xmlns:agp='urn:ag-projects:xml:ns:pidf'>" + word +
                   "</agp:extended></status></tuple>");
  };
  EXPECT_EQ(extended("<basic>open</basic>", "busy"), "sip: dnd");
  EXPECT_EQ(extended("<basic>open</basic>", "extended-away"), "sip: xa");
  EXPECT_EQ(extended("", "away"), "sip: away");
  EXPECT_EQ(extended("", "available"), "sip: online");
  EXPECT_EQ(extended("", "offline"), "");
  EXPECT_EQ(extended("<basic>closed</basic>", "offline"), "sip: unavailable");
}

TEST(ReadPidf, AShowCountsMoreThanWhatAPersonDoes) {
  const auto show = [](const std::string& word) {
    return of_body("<tuple id='a'><status><basic>open</basic><show xmlns='jabber:client'>" + word +
                   "</show></status></tuple><dm:person "
                   "id='p'><rpid:activities><rpid:away/></rpid:activities></dm:person>");
  };
  EXPECT_EQ(show("chat"), "sip: chat");
  EXPECT_EQ(show("xa"), "sip: xa");
  EXPECT_EQ(show("dnd"), "sip: dnd");
  EXPECT_EQ(show("invisible"), "sip: away");
}

TEST(ReadPidf, TheBusiestActivityCounts) {
  EXPECT_EQ(
      with_person(
          "<rpid:activities><rpid:away/><rpid:vacation/><rpid:meeting/><rpid:lunch/></rpid:activities>"),
      "sip: dnd");
  EXPECT_EQ(with_person("<rpid:activities><rpid:dinner/><rpid:permanent-absence/></rpid:activities>"),
            "sip: xa");
  EXPECT_EQ(with_person("<rpid:activities><rpid:in-transit/><rpid:unknown/></rpid:activities>"), "sip: away");
  EXPECT_EQ(with_person("<rpid:activities><rpid:unknown/></rpid:activities>"), "sip: online");
  EXPECT_EQ(with_person("<rpid:activities><rpid:on-the-phone/></rpid:activities>"),
            "sip: dnd en'On the phone'");
  EXPECT_EQ(
      with_person("<rpid:activities><rpid:on-the-phone/></rpid:activities><dm:note>call me later</dm:note>"),
      "sip: dnd 'call me later'");
  EXPECT_EQ(of_body("<tuple "
                    "id='a'><status><basic>open</basic></status><rpid:activities><rpid:busy/></"
                    "rpid:activities></tuple>"),
            "sip: dnd");
}

TEST(ReadPidf, WordsOfKamailioInANote) {
  for (const auto& [note, state] : {std::pair("Away", "away"),
                                    {"busy", "dnd"},
                                    {"DND", "dnd"},
                                    {"Busy (DND)", "dnd"},
                                    {"On the phone", "dnd"},
                                    {"back at six", "online"}}) {
    EXPECT_EQ(of_body("<tuple id='a'><status><basic>open</basic></status><note>" + std::string(note) +
                      "</note></tuple>"),
              "sip: " + std::string(state) + " '" + note + "'");
  }
}

TEST(ReadPidf, ANoteOfTheTupleBeforeThoseOfThePersonAndOfAll) {
  const std::string status = "<status><basic>open</basic></status>", all = "<note>all</note>";
  const std::string person = "<dm:person id='p'><dm:note xml:lang='en'>person</dm:note></dm:person>";
  EXPECT_EQ(of_body("<tuple id='a'>" + status + "<note>tuple</note></tuple>" + all + person),
            "sip: online 'tuple'");
  EXPECT_EQ(of_body("<tuple id='a'>" + status + "</tuple>" + all + person), "sip: online en'person'");
  EXPECT_EQ(of_body("<tuple id='a'>" + status + "</tuple>" + all), "sip: online 'all'");
  EXPECT_EQ(with_person("<rpid:activities><rpid:note>rpid</rpid:note><rpid:away/></rpid:activities>"),
            "sip: away 'rpid'");
  // One for each language.
  EXPECT_EQ(of_body("<tuple id='a'>" + status +
                    "<note>1</note><note/><note xml:lang='de'>2</note><note xml:lang='DE'>3</note></tuple>"),
            "sip: online '1' de'2'");
}

TEST(ReadPidf, AnyOpenTupleIsAvailableAndTheBestOneSpeaks) {
  EXPECT_EQ(of_body("<tuple id='a'><status><basic>closed</basic></status><contact "
                    "priority='1'>sip:a@x.test</contact><note>gone</note></tuple>"
                    "<tuple id='b'><status><basic>open</basic><show "
                    "xmlns='jabber:client'>away</show></status><note>b</note></tuple>"
                    "<tuple id='c'><status><basic>open</basic><show xmlns='jabber:client'>dnd</show></status>"
                    "<contact priority='0.5'>sip:c@x.test</contact><note>c</note></tuple>"),
            "sip: dnd 'c' 64");
  EXPECT_EQ(of_body("<tuple id='a'><status><basic>closed</basic></status><note>gone</note></tuple>"),
            "sip: unavailable 'gone'");
}

TEST(ReadPidf, DevicesThatLastAreResourcesOfTheirOwn) {
  EXPECT_EQ(
      of_body(
          "<tuple id='ID-desk'><status><basic>open</basic></status></tuple>"
          "<tuple "
          "id='x'><status><basic>closed</basic></status><contact>sip:romeo@sip.test;gr=urn:uuid:1</contact></"
          "tuple>"
          "<tuple id='ID-hom_65'><status><basic>open</basic><show xmlns='jabber:client'>away</show></status>"
          "<contact>sip:romeo@sip.test;gr=home%20&amp;%3b</contact></tuple>" +
          kOpen),
      "desk: online; home%20&%3B: away; sip: online; urn:uuid:1: unavailable");
  EXPECT_EQ(of_body("<tuple id='ID-a'><status><basic>closed</basic></status></tuple>"
                    "<tuple id='ID-a'><status><basic>open</basic></status></tuple>"),
            "a: online");
  // What cannot be a resource is not one.
  EXPECT_EQ(
      of_body(
          "<tuple id='ID-'><status><basic>open</basic></status><contact>sip:a@x.test;gr</contact></tuple>"
          "<tuple "
          "id='b'><status><basic>open</basic></status><contact>sip:a@x.test;gr=%0d%0a</contact></tuple>"
          "<tuple id='c'><status><basic>open</basic></status><contact>sip:a@x.test;gr=%ff</contact></tuple>"
          "<tuple id='ID-" +
          std::string(300, 'x') + "'><status><basic>open</basic></status></tuple>"),
      "sip: online");
}

TEST(ReadPidf, WhatSaysNothingIsLeftOut) {
  EXPECT_EQ(of_body(""), "");
  EXPECT_EQ(of_body("<tuple id='a'><status/></tuple>"), "");
  EXPECT_EQ(of_body("<tuple id='a'><status><basic>perhaps</basic></status></tuple>"), "");
  EXPECT_EQ(of_body("<x:tuple xmlns:x='urn:x'><status><basic>open</basic></status></x:tuple>"), "");
  EXPECT_EQ(of_body("<tuple id='a'><status><basic>open</basic><x xmlns='urn:x'><basic "
                    "xmlns='urn:ietf:params:xml:ns:pidf'>closed</basic></x></status></tuple>"),
            "sip: online");
}

TEST(ReadPidf, PrioritiesThatAreNone) {
  const auto priority = [](const std::string& text) {
    return of_body("<tuple id='a'><status><basic>open</basic></status><contact priority='" + text +
                   "'>sip:a@x.test</contact></tuple>");
  };
  EXPECT_EQ(priority("1.0"), "sip: online 127");
  EXPECT_EQ(priority("0.007"), "sip: online 1");
  EXPECT_EQ(priority("0.992"), "sip: online 126");
  for (const char* none : {"", "0", "-1", "0.", "0.12345", "0.x", "2"})
    EXPECT_EQ(priority(none), "sip: online") << none;
}

TEST(ReadPidf, HostileDocuments) {
  EXPECT_EQ(shown(""), "error");
  EXPECT_EQ(shown("<presence/>"), "error");
  EXPECT_EQ(shown("<other xmlns='urn:ietf:params:xml:ns:pidf'/>"), "error");
  EXPECT_EQ(shown(kBegin + kOpen), "error");
  EXPECT_EQ(shown(kBegin + kOpen + "</presence>x"), "error");
  EXPECT_EQ(shown("<!DOCTYPE p [<!ENTITY a 'b'>]>" + kBegin + kOpen + "</presence>"), "error");
  EXPECT_EQ(of_body(kOpen + "<note>&a;</note>"), "error");
  EXPECT_EQ(of_body(kOpen + "<note>" + std::string(kMaxPidf, 'x') + "</note>"), "error");
  std::string deep = kOpen, tuples, notes;
  for (int i = 0; i < 32; ++i) deep += "<x>";
  for (int i = 0; i < 32; ++i) deep += "</x>";
  EXPECT_EQ(of_body(deep), "error");
  for (int i = 0; i < 64; ++i) tuples += kOpen;
  EXPECT_EQ(of_body(tuples), "sip: online");
  EXPECT_EQ(of_body(tuples + kOpen), "error");
  for (int i = 0; i < 20; ++i)
    notes += "<note xml:lang='x" + std::to_string(i) + "'>" + std::string(2000, 'n') + "</note>";
  const auto read = read_pidf(kBegin + kOpen + notes + "</presence>", kUser);
  ASSERT_TRUE(read && read->size() == 1);
  EXPECT_EQ(read->front().state.notes_size(), 16);
  EXPECT_EQ(read->front().state.notes(0).text().size(), 1024u);
}

Device device(const std::string& address, PresenceState::Activity activity = PresenceState::NONE,
              int priority = 0) {
  Device out{address, {}};
  out.state.set_available(true);
  out.state.set_activity(activity);
  out.state.set_priority(priority);
  return out;
}

Device unavailable(const std::string& address) { return {address, {}}; }

void add_note(Device& device, const std::string& text, const std::string& lang = {}) {
  pb::XmppText& note = *device.state.add_notes();
  note.set_text(text);
  note.set_lang(lang);
}

constexpr const char* kJuliet = "sip:juliet*xmpp.test@sip-xmpp.test";
const std::string kHead =
    "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
    "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:juliet*xmpp.test@sip-xmpp.test\">";

TEST(WritePidf, TheOrderAndThePrefixesThatPhonesKnow) {
  Device desk = device(std::string(kJuliet) + ";gr=desk", PresenceState::AWAY, 5);
  add_note(desk, "gone fishing", "en");
  desk.state.set_since_s(1'795'899'735);
  EXPECT_EQ(write_pidf(kJuliet, {&desk, 1}),
            kHead +
                "<tuple id=\"ID-desk\"><status><basic>open</basic><show "
                "xmlns=\"jabber:client\">away</show></status>"
                "<contact priority=\"0.039\">sip:juliet*xmpp.test@sip-xmpp.test;gr=desk</contact>"
                "<note xml:lang=\"en\">gone fishing</note><timestamp>2026-11-28T21:02:15Z</timestamp></tuple>"
                "<dm:person id=\"p1\"><rpid:activities><rpid:away/></rpid:activities>"
                "<dm:note xml:lang=\"en\">gone fishing</dm:note></dm:person></presence>");
}

TEST(WritePidf, ThereIsATupleAlways) {
  const std::string closed = "<tuple id=\"t0\"><status><basic>closed</basic></status></tuple></presence>";
  EXPECT_EQ(write_pidf(kJuliet, {}), kHead + closed);
  Device gone[] = {unavailable(kJuliet), unavailable(std::string(kJuliet) + ";gr=desk")};
  EXPECT_EQ(write_pidf(kJuliet, gone), kHead + closed);
  add_note(gone[0], "bye");
  EXPECT_EQ(
      write_pidf(kJuliet, {gone, 1}),
      kHead + "<tuple id=\"t0\"><status><basic>closed</basic></status><note>bye</note></tuple></presence>");
}

// What baresip makes of a document: the first <basic>, and what stands anywhere in it.
std::string baresip(const std::string& document) {
  std::smatch match;
  const std::string word =
      std::regex_search(document, match, std::regex("<basic[ \t]*>([^<]+)</basic[ \t]*>")) ? match[1].str()
                                                                                           : "";
  if (word != "open") return word == "closed" ? "Offline" : "Unknown";
  if (document.find("<rpid:away/>") != std::string::npos) return "Offline";
  if (document.find("<rpid:busy/>") != std::string::npos) return "Busy";
  return "Online";
}

TEST(WritePidf, BaresipSeesTheBestDevice) {
  const std::string a = std::string(kJuliet) + ";gr=a", b = std::string(kJuliet) + ";gr=b";
  const auto seen = [](std::vector<Device> devices) { return baresip(write_pidf(kJuliet, devices)); };
  EXPECT_EQ(seen({}), "Offline");
  EXPECT_EQ(seen({unavailable(a), device(b)}), "Online");
  EXPECT_EQ(seen({unavailable(a), device(b, PresenceState::BUSY)}), "Busy");
  EXPECT_EQ(seen({device(a, PresenceState::LONG_AWAY)}), "Offline");
  EXPECT_EQ(seen({device(a, PresenceState::AWAY), device(b, PresenceState::CHAT)}), "Online");
  EXPECT_EQ(seen({device(a, PresenceState::AWAY, 1), device(b)}), "Offline");
  EXPECT_EQ(seen({device(a, PresenceState::AWAY, -1), device(b, PresenceState::BUSY, -1)}), "Busy");
}

TEST(WritePidf, Priorities) {
  const auto contact = [](int priority) {
    const std::string written =
        write_pidf(kJuliet, std::vector<Device>{device(kJuliet, PresenceState::NONE, priority)});
    const auto at = written.find("<contact") + 8;
    return written.substr(at, written.find('>', at) - at);
  };
  EXPECT_EQ(contact(-1), "");
  EXPECT_EQ(contact(0), " priority=\"0.000\"");
  EXPECT_EQ(contact(1), " priority=\"0.007\"");
  EXPECT_EQ(contact(2), " priority=\"0.015\"");
  EXPECT_EQ(contact(126), " priority=\"0.992\"");
  EXPECT_EQ(contact(127), " priority=\"1.000\"");
  EXPECT_EQ(contact(100'000), " priority=\"1.000\"");
}

TEST(WritePidf, NoMoreThanSixteenDevicesBestFirst) {
  std::vector<Device> devices;
  for (int i = 0; i < 20; ++i)
    devices.push_back(device(std::string(kJuliet) + ";gr=" + std::to_string(i), PresenceState::NONE, i));
  const std::string written = write_pidf(kJuliet, devices);
  const std::regex id("<tuple id=\"ID-([^\"]+)\"");
  std::string ids;
  for (std::sregex_iterator at(written.begin(), written.end(), id), end; at != end; ++at)
    ids += (*at)[1].str() + " ";
  EXPECT_EQ(ids, "19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 ");
}

TEST(WritePidf, NothingThatXmlForbids) {
  Device hostile = device(std::string(kJuliet) + ";gr=%3c%22_%C3%A9:");
  add_note(hostile, "</note><basic>closed</basic>\r\n\x01 \xf0\x9f\x98\x80 \"&", "\"/><x y=\"");
  add_note(hostile, "\xff");
  add_note(hostile, std::string(5000, 'n'), "de");
  const std::string written = write_pidf("sip:<\">@x.test\x01", {&hostile, 1});
  EXPECT_NE(written.find("entity=\"sip:&lt;&quot;&gt;@x.test\""), std::string::npos) << written;
  EXPECT_NE(written.find("<tuple id=\"ID-_3c_22_5f_c3_a9_3a\">"), std::string::npos) << written;
  EXPECT_EQ(shown(written),
            "%3C%22_%C3%A9:: online '</note><basic>closed</basic>  \xf0\x9f\x98\x80 \"&' de'" +
                std::string(1024, 'n') + "'");
}

TEST(Pidf, WhatIsWrittenIsReadAgain) {
  std::vector<Device> devices;
  for (const auto activity : {PresenceState::NONE, PresenceState::CHAT, PresenceState::AWAY,
                              PresenceState::LONG_AWAY, PresenceState::BUSY}) {
    for (const int priority : {0, 1, 63, 127}) {
      Device one = device(std::string(kUser) + ";gr=" + name_of(activity) + std::to_string(priority),
                          activity, priority);
      add_note(one, "note");
      add_note(one, "Notiz", "de");
      one.state.set_since_s(1'795'899'735);
      const auto read = read_pidf(write_pidf(kUser, {&one, 1}), kUser);
      ASSERT_TRUE(read && read->size() == 1);
      EXPECT_EQ(read->front().address, one.address);
      EXPECT_EQ(read->front().state.ShortDebugString(), one.state.ShortDebugString());
    }
  }
}

TEST(Pidf, SeveralDevicesKeepWhatEachOfThemDoes) {
  const std::string user(kUser);
  const std::vector<Device> devices = {device(user + ";gr=a", PresenceState::BUSY, 9), device(user + ";gr=b"),
                                       device(user + ";gr=c", PresenceState::AWAY),
                                       unavailable(user + ";gr=d")};
  EXPECT_EQ(shown(write_pidf(kUser, devices)), "a: dnd 9; b: online; c: away");
}

}  // namespace
}  // namespace stox

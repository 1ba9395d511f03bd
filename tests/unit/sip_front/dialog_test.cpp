#include "sip_front/sip/dialog/dialog.h"

#include <gtest/gtest.h>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

std::string subscribe(const std::string& more) {
  return crlf(
      "SUBSCRIBE sip:juliet*x.test@gw.test SIP/2.0\n"
      "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa\n"
      "From: \"Romeo\" <sip:romeo@sip.test>;tag=phone\nTo: <sip:juliet*x.test@gw.test>\n"
      "Call-ID: c1\nCSeq: 7 SUBSCRIBE\n" +
      more + "\n");
}

std::string notify(const std::string& more, int cseq = 3) {
  return crlf(
      "NOTIFY sip:192.0.2.1:5060 SIP/2.0\n"
      "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKb\n"
      "From: <sip:romeo@sip.test>;tag=server\nTo: <sip:juliet*x.test@gw.test>;tag=ours\n"
      "Call-ID: c1\nCSeq: " +
      std::to_string(cseq) + " NOTIFY\n" + more + "\n");
}

std::string ok(const std::string& more) {
  return crlf(
      "SIP/2.0 200 OK\n"
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKc\n"
      "From: <sip:juliet*x.test@gw.test>;tag=ours\nTo: <sip:romeo@sip.test>;tag=server\n"
      "Call-ID: c1\nCSeq: 1 SUBSCRIBE\n" +
      more + "\n");
}

Dialog asked() {
  Dialog dialog;
  dialog.call_id = "c1";
  dialog.local_tag = "ours";
  dialog.local_uri = "sip:juliet*x.test@gw.test";
  dialog.remote_uri = "sip:romeo@sip.test";
  dialog.local_cseq = 1;
  return dialog;
}

TEST(Dialog, OfARequestKeepsItsRoutesInTheirOrder) {
  const Datagram d(
      subscribe("Contact: <sip:romeo@192.0.2.7:5062>;expires=60\n"
                "Record-Route: <sip:near.test;lr>, <sip:far.test;lr;ftag=a,b>\n"
                "Record-Route: <sip:192.0.2.8;lr>\n"));
  const auto dialog = dialog_of_request(d.message, "ours");
  ASSERT_TRUE(dialog) << dialog.error().text;
  EXPECT_EQ(dialog->remote_tag, "phone");
  EXPECT_EQ(dialog->local_tag, "ours");
  EXPECT_EQ(dialog->local_uri, "sip:juliet*x.test@gw.test");
  EXPECT_EQ(dialog->remote_uri, "sip:romeo@sip.test");
  EXPECT_EQ(dialog->remote_target, "sip:romeo@192.0.2.7:5062");
  EXPECT_EQ(dialog->remote_cseq, 7u);
  EXPECT_EQ(dialog->route_set, (std::vector<std::string>{"<sip:near.test;lr>", "<sip:far.test;lr;ftag=a,b>",
                                                         "<sip:192.0.2.8;lr>"}));
  EXPECT_EQ(next_hop_uri(*dialog), "sip:near.test;lr");
  EXPECT_EQ(record_route_lines(d.message),
            "Record-Route: <sip:near.test;lr>\r\nRecord-Route: <sip:far.test;lr;ftag=a,b>\r\n"
            "Record-Route: <sip:192.0.2.8;lr>\r\n");
}

TEST(Dialog, WithoutRoutesGoesToTheTarget) {
  const Datagram d(subscribe("Contact: <sip:romeo@192.0.2.7:5062>\n"));
  EXPECT_EQ(next_hop_uri(*dialog_of_request(d.message, "ours")), "sip:romeo@192.0.2.7:5062");
}

TEST(Dialog, NeedsAContactWithASipUri) {
  for (const char* contact : {"", "Contact: *\n", "Contact: <tel:4711>\n", "Contact: <>\n"}) {
    const Datagram d(subscribe(contact));
    EXPECT_FALSE(dialog_of_request(d.message, "ours")) << contact;
  }
}

TEST(Dialog, HasNoMoreThanSixteenRoutes) {
  std::string routes = "Contact: <sip:romeo@192.0.2.7>\n";
  for (std::size_t i = 0; i < kMaxRoutes; ++i) routes += "Record-Route: <sip:p.test;lr>\n";
  EXPECT_TRUE(dialog_of_request(Datagram(subscribe(routes)).message, "ours"));
  EXPECT_FALSE(
      dialog_of_request(Datagram(subscribe(routes + "Record-Route: <sip:p.test;lr>\n")).message, "ours"));
}

TEST(Dialog, OfAResponseTurnsItsRoutesRound) {
  const Datagram d(
      ok("Contact: <sip:presence@192.0.2.9>\nRecord-Route: <sip:far.test;lr>, <sip:near.test;lr>\n"));
  const auto dialog = dialog_of_response(asked(), d.message);
  ASSERT_TRUE(dialog) << dialog.error().text;
  EXPECT_EQ(dialog->remote_tag, "server");
  EXPECT_EQ(dialog->route_set, (std::vector<std::string>{"<sip:near.test;lr>", "<sip:far.test;lr>"}));
  EXPECT_TRUE(belongs(*dialog, d.message));
}

TEST(Dialog, OfANotifyKeepsThem) {
  const Datagram d(
      notify("Contact: <sip:presence@192.0.2.9>\nRecord-Route: <sip:near.test;lr>, <sip:far.test;lr>\n"));
  auto dialog = dialog_of_notify(asked(), d.message);
  ASSERT_TRUE(dialog) << dialog.error().text;
  EXPECT_EQ(dialog->remote_tag, "server");
  EXPECT_EQ(next_hop_uri(*dialog), "sip:near.test;lr");
  EXPECT_TRUE(belongs(*dialog, d.message));
  EXPECT_EQ(dialog->remote_cseq, 3u);
}

TEST(Dialog, TakesRequestsInOrder) {
  Dialog dialog = *dialog_of_notify(asked(), Datagram(notify("Contact: <sip:presence@192.0.2.9>\n")).message);
  EXPECT_FALSE(take_request(dialog, Datagram(notify("Contact: <sip:other@192.0.2.9>\n", 3)).message));
  EXPECT_FALSE(take_request(dialog, Datagram(notify("Contact: <sip:other@192.0.2.9>\n", 2)).message));
  EXPECT_EQ(dialog.remote_target, "sip:presence@192.0.2.9");
  EXPECT_TRUE(take_request(dialog, Datagram(notify("Contact: <sip:other@192.0.2.9>\n", 100'003)).message));
  EXPECT_EQ(dialog.remote_target, "sip:other@192.0.2.9");
  EXPECT_TRUE(take_request(dialog, Datagram(notify("", 100'004)).message));
  EXPECT_EQ(dialog.remote_target, "sip:other@192.0.2.9") << "a request without Contact changes no target";
}

TEST(Dialog, AnotherTagIsAnotherDialog) {
  const Datagram d(notify("Contact: <sip:presence@192.0.2.9>\n"));
  Dialog dialog = *dialog_of_notify(asked(), d.message);
  dialog.remote_tag = "another fork";
  EXPECT_FALSE(belongs(dialog, d.message));
}

}  // namespace
}  // namespace stox::sip

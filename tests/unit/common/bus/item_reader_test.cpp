#include "common/bus/edge/item_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace stox::bus {
namespace {

pb::Item envelope_item(uint64_t number, const std::string& to) {
  pb::Item item;
  item.mutable_envelope()->mutable_id()->set_number(number);
  item.mutable_envelope()->set_conversation("a b");
  item.mutable_envelope()->set_lossy(number % 2 == 1);
  item.mutable_envelope()->mutable_sip_message()->set_request_uri(to);
  item.mutable_envelope()->mutable_sip_message()->add_parts()->add_alternatives()->set_data(to);
  return item;
}

class ItemReaderTest : public ::testing::Test {
 protected:
  // As a reader that is used for the first time sees them, and as this one does.
  void expect_same(const pb::Batch& batch) {
    std::vector<std::string> seen;
    ASSERT_TRUE(reader_.read(batch.SerializeAsString(), [&](pb::Item& item) {
      seen.push_back(item.DebugString());
      // What comes after must not see what is done to this one.
      if (item.has_envelope()) item.mutable_envelope()->mutable_xmpp_message()->set_thread("x");
    }));
    ASSERT_EQ(seen.size(), static_cast<std::size_t>(batch.items_size()));
    for (int i = 0; i < batch.items_size(); ++i)
      EXPECT_EQ(seen[static_cast<std::size_t>(i)], batch.items(i).DebugString());
  }

  ItemReader reader_;
};

TEST_F(ItemReaderTest, NothingOfAnEarlierItemIsLeftInALaterOne) {
  pb::Batch batch;
  for (int round = 0; round < 2; ++round) {
    *batch.add_items() = envelope_item(1, "sip:a");
    *batch.add_items() = envelope_item(2, "sip:b");
    pb::Item& xmpp = *batch.add_items();
    xmpp.mutable_envelope()->mutable_id()->set_origin("w-1");
    xmpp.mutable_envelope()->mutable_xmpp_message()->set_to("juliet@xmpp.test");
    xmpp.mutable_envelope()->mutable_xmpp_message()->set_thread("t");
    *batch.add_items() = envelope_item(3, "sip:c");
    pb::Outcome& told = *batch.add_items()->mutable_outcome();
    told.mutable_id()->set_number(7);
    told.mutable_sip_status()->set_code(404);
    batch.add_items()->mutable_outcome()->mutable_id()->set_number(8);
    batch.add_items()->mutable_heartbeat()->set_now_us(5);
    batch.add_items()->mutable_members()->add_members()->set_name("w-1");
    batch.add_items()->mutable_members();
    batch.add_items();  // of a newer version
  }
  expect_same(batch);
}

TEST_F(ItemReaderTest, AnEnvelopeWithoutABodyHasNone) {
  pb::Batch batch;
  *batch.add_items() = envelope_item(1, "sip:a");
  const std::string before = batch.SerializeAsString();
  batch.mutable_items(0)->mutable_envelope()->clear_sip_message();
  for (const std::string& frame : {before, batch.SerializeAsString()}) {
    bool body = true;
    ASSERT_TRUE(reader_.read(frame, [&](pb::Item& item) { body = item.envelope().has_sip_message(); }));
    EXPECT_EQ(body, frame == before);
  }
}

TEST_F(ItemReaderTest, ABrokenFrameEndsWhereItBreaks) {
  pb::Batch batch;
  *batch.add_items() = envelope_item(1, "sip:a");
  const std::size_t first = batch.ByteSizeLong();
  *batch.add_items() = envelope_item(2, "sip:b");
  const std::string whole = batch.SerializeAsString();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    int seen = 0;
    const bool fine = reader_.read(whole.substr(0, size), [&](pb::Item&) { ++seen; });
    EXPECT_EQ(fine, size == 0 || size == first) << size;
    EXPECT_EQ(seen, size < first ? 0 : 1) << size;
  }
  EXPECT_FALSE(reader_.read("\x12\x01x", [](pb::Item&) {}));
  EXPECT_FALSE(reader_.read(std::string(20, '\xff'), [](pb::Item&) {}));
}

}  // namespace
}  // namespace stox::bus

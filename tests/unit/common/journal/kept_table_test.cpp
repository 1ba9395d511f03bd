#include "common/journal/kept_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace stox {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Records = std::vector<std::string>;

class KeptTableTest : public testing::Test {
 protected:
  KeptTableTest() { std::filesystem::create_directories(folder_); }
  ~KeptTableTest() override { std::filesystem::remove_all(folder_); }

  // The process ends, and another begins; what it finds.
  Records start() {
    table_.reset();
    table_ = std::make_unique<KeptTable>(folder_ + "/front.table");
    auto left = table_->open();
    EXPECT_TRUE(left);
    return left ? *left : Records();
  }

  std::string folder_ =
      std::filesystem::temp_directory_path() / ("stox-kept-table-" + std::to_string(getpid()));
  std::unique_ptr<KeptTable> table_;
};

TEST_F(KeptTableTest, TheNextProcessFindsWhatWasPutLast) {
  EXPECT_THAT(start(), IsEmpty());
  table_->put(1, "one");
  table_->put(2, "two");
  ASSERT_TRUE(table_->commit());
  table_->put(2, "changed");
  table_->put(3, "three");
  table_->put(4, "four");
  table_->remove(3);
  table_->remove(1);
  ASSERT_TRUE(table_->commit());
  EXPECT_THAT(start(), ElementsAre("changed", "four"));
}

TEST_F(KeptTableTest, WhatIsNotPutAgainIsGoneWithTheNextCommit) {
  start();
  table_->put(1, "one");
  table_->put(2, "two");
  ASSERT_TRUE(table_->commit());
  EXPECT_THAT(start(), ElementsAre("one", "two"));
  table_->put(7, "two");
  ASSERT_TRUE(table_->commit());
  EXPECT_THAT(start(), ElementsAre("two"));
}

TEST_F(KeptTableTest, WithoutAnOpenFileNothingIsKept) {
  KeptTable other(folder_ + "/front.table");
  other.put(1, "one");
  EXPECT_TRUE(other.commit());
  EXPECT_THAT(start(), IsEmpty());
}

}  // namespace
}  // namespace stox

#include "common/service/last_words.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace stox::service {
namespace {

TEST(LastWords, AreKeptUntilTheProcessStarts) {
  std::string folder = ::testing::TempDir() + "stox-words-XXXXXX";
  RuntimeConfig runtime;
  runtime.directory = mkdtemp(folder.data());
  EXPECT_FALSE(read_last_words(runtime, "sip-1"));
  keep_last_words(runtime, "sip-1", {"port \"5060\" is in use\xff", 17});
  const auto words = read_last_words(runtime, "sip-1");
  ASSERT_TRUE(words);
  EXPECT_EQ(words->text, "port \"5060\" is in use\xef\xbf\xbd");
  EXPECT_EQ(words->at_us, 17);
  EXPECT_FALSE(read_last_words(runtime, "sip-2"));
  forget_last_words(runtime, "sip-1");
  EXPECT_FALSE(read_last_words(runtime, "sip-1"));
  std::filesystem::remove_all(runtime.directory);
  keep_last_words(runtime, "sip-1", {"no folder", 17});  // the log alone has it
}

}  // namespace
}  // namespace stox::service

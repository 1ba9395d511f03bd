#include "xmpp_worker/page/kept_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace stox::worker {
namespace {

class KeptFile : public testing::Test {
 protected:
  KeptFile() {
    char folder[] = "/tmp/stox-kept-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~KeptFile() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/state/secret"; }

  std::string folder_;
};

TEST_F(KeptFile, OutlivesItsProcess) {
  EXPECT_EQ(kept_file(path(), "first"), "first");
  EXPECT_EQ(kept_file(path(), "second"), "first");
  struct stat status {};
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ + "/state"), {}), 1);
}

TEST_F(KeptFile, OfProcessesThatMakeItAtOnceOneWins) {
  constexpr int kProcesses = 8;
  int results[2];
  ASSERT_EQ(pipe(results), 0);
  for (int i = 0; i < kProcesses; ++i) {
    if (fork() != 0) continue;
    const auto kept = kept_file(path(), std::string(1, static_cast<char>('a' + i)));
    const char got = kept ? kept->front() : '!';
    _exit(write(results[1], &got, 1) == 1 ? 0 : 1);
  }
  for (int i = 0; i < kProcesses; ++i) wait(nullptr);
  std::string all(kProcesses, '?');
  ASSERT_EQ(read(results[0], all.data(), all.size()), kProcesses);
  EXPECT_EQ(all, std::string(kProcesses, all[0]));
  EXPECT_NE(all[0], '!');
  close(results[0]);
  close(results[1]);
}

TEST_F(KeptFile, WhatCannotBeKeptIsAnErrorWithItsPath) {
  std::filesystem::create_directory(folder_ + "/state");
  std::filesystem::create_directory(path());
  const auto kept = kept_file(path(), "x");
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().text, testing::HasSubstr(path()));
}

}  // namespace
}  // namespace stox::worker

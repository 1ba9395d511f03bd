#include "common/journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace stox::journal {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string name = (fs::temp_directory_path() / "stox-journal-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    path_ = (folder_ / "state" / "w-1.journal").string();
  }
  ~JournalTest() override { fs::remove_all(folder_); }

  // In a process of its own, which then ends as by kill -9. Returns whether all went well there.
  bool in_process_that_dies(const std::function<bool(Journal&)>& work) {
    const pid_t child = fork();
    if (child == 0) {
      auto* journal = new Journal(path_, Sync::kProcess);
      const bool well = journal->open().has_value() && work(*journal);
      if (!well) _exit(1);
      kill(getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status);
  }

  std::vector<Record> left() {
    Journal journal(path_, Sync::kProcess);
    auto opened = journal.open();
    EXPECT_TRUE(opened.has_value()) << opened.error().text;
    return opened ? *opened : std::vector<Record>();
  }

  static std::vector<std::string> bytes_of(const std::vector<Record>& records) {
    std::vector<std::string> out;
    for (const Record& one : records) out.push_back(one.bytes);
    return out;
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(JournalTest, WhatWasCommittedOutlivesTheProcessInItsOrder) {
  EXPECT_TRUE(in_process_that_dies([](Journal& j) {
    j.add("one");
    j.add(std::string("t\0wo", 4));
    if (!j.commit()) return false;
    j.add("three");
    if (!j.commit()) return false;
    j.add("never committed");
    return true;
  }));
  EXPECT_THAT(bytes_of(left()), ElementsAre("one", std::string("t\0wo", 4), "three"));
}

TEST_F(JournalTest, WhatWasRemovedIsGone) {
  EXPECT_TRUE(in_process_that_dies([](Journal& j) {
    const int64_t one = j.add("one");
    j.add("two");
    if (!j.commit()) return false;
    j.remove(one);
    EXPECT_EQ(j.size(), 1u);
    return j.commit().has_value();
  }));
  EXPECT_THAT(bytes_of(left()), ElementsAre("two"));
}

TEST_F(JournalTest, OfThoseThatEndAtOnceNoOtherGoes) {
  EXPECT_TRUE(in_process_that_dies([](Journal& j) {
    std::vector<int64_t> rows;
    for (const char* text : {"a", "b", "c", "d", "e", "f", "g"}) rows.push_back(j.add(text));
    if (!j.commit()) return false;
    for (const std::size_t which : {5, 1, 2, 6}) j.remove(rows[which]);
    return j.commit().has_value();
  }));
  EXPECT_THAT(bytes_of(left()), ElementsAre("a", "d", "e"));
}

TEST_F(JournalTest, AdditionsNotesAndOpeningsAreKept) {
  EXPECT_TRUE(in_process_that_dies([](Journal& j) {
    j.annotate(j.add("one"), "failed");
    j.set_note("targets", "sip-1");
    return j.commit().has_value();
  }));
  EXPECT_TRUE(in_process_that_dies([](Journal&) { return true; }));
  Journal journal(path_, Sync::kMachine);
  const auto found = journal.open();
  ASSERT_TRUE(found.has_value()) << found.error().text;
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().addition, "failed");
  EXPECT_EQ(found->front().openings, 2u);
  EXPECT_EQ(journal.note("targets"), "sip-1");
  EXPECT_EQ(journal.note("nothing"), "");
}

TEST_F(JournalTest, WhatIsStagedAtTheEndIsCommitted) {
  {
    Journal journal(path_, Sync::kProcess);
    ASSERT_TRUE(journal.open().has_value());
    journal.add("one");
  }
  EXPECT_THAT(bytes_of(left()), ElementsAre("one"));
}

TEST_F(JournalTest, RowsAreNotGivenTwice) {
  int64_t first = 0;
  {
    Journal journal(path_, Sync::kProcess);
    ASSERT_TRUE(journal.open().has_value());
    first = journal.add("one");
  }
  Journal journal(path_, Sync::kProcess);
  ASSERT_TRUE(journal.open().has_value());
  EXPECT_GT(journal.add("two"), first);
}

TEST_F(JournalTest, ASecondProcessIsKeptOut) {
  Journal journal(path_, Sync::kProcess);
  ASSERT_TRUE(journal.open().has_value());
  const pid_t child = fork();
  if (child == 0) {
    Journal second(path_, Sync::kProcess);
    const auto opened = second.open();
    const bool kept_out =
        !opened && second.is_taken() && opened.error().text.find("twice") != std::string::npos;
    _exit(kept_out ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  journal.add("still mine");
  EXPECT_TRUE(journal.commit().has_value());
}

TEST_F(JournalTest, APlaceThatCannotBeWrittenIsSaidAndTriedAgain) {
  std::ofstream(folder_ / "state") << "a file where the folder should be";
  Journal journal(path_, Sync::kProcess);
  const auto refused = journal.open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().text, HasSubstr(path_));
  EXPECT_THAT(refused.error().text, HasSubstr("state_directory"));
  EXPECT_FALSE(journal.is_taken());
  fs::remove(folder_ / "state");
  EXPECT_TRUE(journal.open().has_value());
}

TEST_F(JournalTest, NobodyElseReadsWhatMessagesSay) {
  const mode_t before = umask(0022);
  Journal journal(path_, Sync::kProcess);
  ASSERT_TRUE(journal.open().has_value());
  umask(before);
  journal.add("a secret");
  ASSERT_TRUE(journal.commit().has_value());
  const auto owner = fs::perms::owner_read | fs::perms::owner_write;
  EXPECT_EQ(fs::status(path_).permissions(), owner);
  EXPECT_EQ(fs::status(path_ + "-wal").permissions(), owner);
}

TEST_F(JournalTest, AFileThatOthersMayReadBecomesItsOwnersAlone) {
  { ASSERT_TRUE(Journal(path_, Sync::kProcess).open().has_value()); }
  const auto owner = fs::perms::owner_read | fs::perms::owner_write;
  fs::permissions(path_, owner | fs::perms::others_read);
  ASSERT_TRUE(Journal(path_, Sync::kProcess).open().has_value());
  EXPECT_EQ(fs::status(path_).permissions(), owner);
}

TEST_F(JournalTest, APlaceOfAnotherUserIsCalledSo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else for a while";
  fs::create_directory(folder_ / "state");
  fs::permissions(folder_, fs::perms::owner_all | fs::perms::others_exec);
  ASSERT_EQ(seteuid(65534), 0);
  Journal journal(path_, Sync::kProcess);
  const auto refused = journal.open();
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().text,
              HasSubstr("cannot be opened: Permission denied; let this user write there"));
}

TEST_F(JournalTest, AFullDiskRefusesTheAddedAndKeepsTheRest) {
  std::signal(SIGXFSZ, SIG_IGN);
  {
    Journal journal(path_, Sync::kProcess);
    ASSERT_TRUE(journal.open().has_value());
    const int64_t first = journal.add("first");
    journal.add("second");
    ASSERT_TRUE(journal.commit().has_value());

    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit none = before;
    none.rlim_cur = 1;  // not a byte more in any file
    setrlimit(RLIMIT_FSIZE, &none);
    journal.remove(first);
    journal.add(std::string(100'000, 'x'));
    const auto failed = journal.commit();
    const auto again = journal.commit();
    setrlimit(RLIMIT_FSIZE, &before);

    ASSERT_FALSE(failed.has_value());
    EXPECT_FALSE(again.has_value());
    EXPECT_THAT(failed.error().text, HasSubstr("disk"));
    EXPECT_EQ(journal.size(), 1u);
    journal.add("third");
    const auto recovered = journal.commit();
    EXPECT_TRUE(recovered.has_value()) << recovered.error().text;
  }
  EXPECT_THAT(bytes_of(left()), ElementsAre("second", "third"));
}

TEST_F(JournalTest, WantOfRoomEndsOnlyWhenThereIsRoom) {
  std::signal(SIGXFSZ, SIG_IGN);
  Journal journal(path_, Sync::kProcess);
  ASSERT_TRUE(journal.open().has_value());
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto limit_files_to = [&](rlim_t bytes) {
    rlimit limit = before;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  };
  limit_files_to(200'000);
  journal.add(std::string(300'000, 'x'));
  const auto refused = journal.commit();
  // Though there is nothing left to write, or little.
  const auto idle = journal.commit();
  journal.add("little");
  const auto little = journal.commit();
  limit_files_to(before.rlim_cur);
  EXPECT_FALSE(refused.has_value());
  EXPECT_FALSE(idle.has_value());
  EXPECT_FALSE(little.has_value());
  EXPECT_TRUE(journal.commit().has_value());
  EXPECT_EQ(journal.size(), 0u);
}

TEST_F(JournalTest, ALogThatTookTheLastRoomIsWrittenBack) {
  std::signal(SIGXFSZ, SIG_IGN);
  {
    Journal journal(path_, Sync::kProcess);
    ASSERT_TRUE(journal.open().has_value());
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit = before;
    limit.rlim_cur = 500'000;  // of which the log alone would take several times as much
    setrlimit(RLIMIT_FSIZE, &limit);
    int refused = 0;
    for (int i = 0; i < 500; ++i) {
      const int64_t row = journal.add(std::to_string(i) + std::string(3'000, ' '));
      if (!journal.commit()) ++refused;
      if (i < 495) journal.remove(row);
    }
    EXPECT_EQ(refused, 0);
    EXPECT_EQ(journal.size(), 5u);
    setrlimit(RLIMIT_FSIZE, &before);
  }
  const auto found = left();
  ASSERT_EQ(found.size(), 5u);
  EXPECT_THAT(found.front().bytes, ::testing::StartsWith("495 "));
}

TEST_F(JournalTest, AFileThatIsNoJournalIsPutAside) {
  fs::create_directories(folder_ / "state");
  std::ofstream(path_) << std::string(8192, 'x');
  Journal journal(path_, Sync::kProcess);
  const auto opened = journal.open();
  ASSERT_TRUE(opened.has_value()) << opened.error().text;
  EXPECT_TRUE(opened->empty());
  EXPECT_EQ(journal.put_aside(), path_ + ".damaged-1");
  EXPECT_EQ(fs::file_size(journal.put_aside()), 8192u);
  journal.add("one");
  EXPECT_TRUE(journal.commit().has_value());
}

TEST_F(JournalTest, TheFileStaysSmallUnderLoad) {
  Journal journal(path_, Sync::kProcess);
  ASSERT_TRUE(journal.open().has_value());
  for (int wakeup = 0; wakeup < 2000; ++wakeup) {
    std::vector<int64_t> rows;
    for (int i = 0; i < 5; ++i) rows.push_back(journal.add(std::string(700, 'x')));
    ASSERT_TRUE(journal.commit().has_value());
    for (const int64_t row : rows) journal.remove(row);
  }
  ASSERT_TRUE(journal.commit().has_value());
  EXPECT_EQ(journal.size(), 0u);
  EXPECT_LT(fs::file_size(path_) + fs::file_size(path_ + "-wal"), 16'000'000u);
}

}  // namespace
}  // namespace stox::journal

#include "common/service/watchdog.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <asio/post.hpp>
#include <csignal>

namespace stox::service {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(5);

void no_core() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

void fill_standard_error() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_NONBLOCK) != 0) _exit(9);
  while (write(ends[1], "x", 1) == 1) {
  }
  fcntl(ends[1], F_SETFL, 0);
  dup2(ends[1], STDERR_FILENO);
}

TEST(Watchdog, ALoopThatStandsStillIsAborted) {
  EXPECT_EXIT(
      {
        no_core();
        net::Loop loop;
        const Watchdog watchdog(
            loop, "the loop stands still\n", [] {}, kTick);
        asio::post(loop.io(), [] {
          for (;;) pause();
        });
        loop.run();
      },
      ::testing::KilledBySignal(SIGABRT), "the loop stands still");
}

TEST(Watchdog, AFullStandardErrorDoesNotKeepAHungProcessAlive) {
  EXPECT_EXIT(
      {
        no_core();
        fill_standard_error();
        net::Loop loop;
        const Watchdog watchdog(
            loop, "lost\n", [] {}, kTick);
        asio::post(loop.io(), [] {
          for (;;) pause();
        });
        loop.run();
      },
      ::testing::KilledBySignal(SIGABRT), "");
}

TEST(Watchdog, ALoopThatTurnsLives) {
  EXPECT_EXIT(
      {
        net::Loop loop;
        int turns = 0;
        const Watchdog watchdog(
            loop, "",
            [&] {
              if (++turns > 3 * Watchdog::kCount) loop.stop();
            },
            kTick);
        loop.run();
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

// A process that was stopped for long gets one signal when it goes on.
TEST(Watchdog, AStoppedProcessLivesWhenItGoesOn) {
  const pid_t child = fork();
  if (child == 0) {
    no_core();
    net::Loop loop;
    int turns = 0;
    const Watchdog watchdog(
        loop, "",
        [&] {
          if (++turns > 2) loop.stop();
        },
        std::chrono::milliseconds(20));
    raise(SIGSTOP);
    loop.run();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  const SystemClock clock;
  const Time until = clock.now() + 2 * Watchdog::kCount * std::chrono::milliseconds(20);
  while (clock.now() < until) usleep(1000);
  kill(child, SIGCONT);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace stox::service

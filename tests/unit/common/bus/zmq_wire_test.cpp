#include "common/bus/zmq_wire.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <zmq.hpp>

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Answering : public EdgeUser {
 public:
  void begin(const pb::Envelope& e, Time) override {
    ++begun;
    pb::Outcome o;
    o.set_verdict(pb::DELIVERED);
    edge->edge().finish(e.id(), o);
  }
  void ended(uint64_t, const pb::Outcome& o) override {
    ++(o.verdict() == pb::DELIVERED ? delivered : failed);
  }
  std::unique_ptr<ZmqEdge> edge;
  int begun = 0, delivered = 0, failed = 0;
};

class FirstWorker : public MapperUser {
 public:
  Placement place(pb::Envelope&) override {
    for (const auto& m : mapper->node().members()) {
      if (m.role() == pb::WORKER) return Forward{m.name()};
    }
    return Refuse{pb::Refused::NO_TARGET, "no worker"};
  }
  void translate(pb::Outcome&) override {}
  std::unique_ptr<ZmqMapper> mapper;
};

class ZmqWireTest : public ::testing::Test {
 protected:
  ZmqWireTest()
      : directory_(std::filesystem::temp_directory_path() / ("stox-zmq-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    endpoint_ = "ipc://" + (directory_ / "mapper.sock").string();
  }
  ~ZmqWireTest() override { std::filesystem::remove_all(directory_); }

  void start_mapper() {
    user_.mapper = ZmqMapper::create(loop_, {"m-1", 0, {"sip-1", "w-1"}}, endpoint_, user_).value();
  }
  void start(Answering& actor, const char* name, pb::Role role) {
    actor.edge = ZmqEdge::create(loop_, {.name = name, .role = role}, {endpoint_}, actor).value();
  }
  void send(int n) {
    pb::Envelope e;
    e.set_conversation(std::to_string(n));
    e.mutable_sip_message()->set_call_id(std::to_string(n));
    const Time now = loop_.now();
    ASSERT_TRUE(sip_.edge->edge().submit(e, now + seconds(25), now + seconds(25)));
  }
  bool run_until(const std::function<bool()>& done) {
    const Time give_up = loop_.now() + seconds(30);
    while (!done() && loop_.now() < give_up) loop_.io().run_one_for(milliseconds(100));
    return done();
  }

  std::filesystem::path directory_;
  std::string endpoint_;
  net::Loop loop_;
  FirstWorker user_;
  Answering sip_, worker_;
};

TEST_F(ZmqWireTest, CarriesMessagesWhateverStartsFirst) {
  start(sip_, "sip-1", pb::FRONT);
  for (int i = 0; i < 1000; ++i) send(i);
  start_mapper();
  start(worker_, "w-1", pb::WORKER);
  EXPECT_TRUE(run_until([&] { return sip_.delivered == 1000; }))
      << sip_.delivered << " delivered, " << sip_.failed << " failed";
  EXPECT_EQ(worker_.begun, 1000);
}

TEST_F(ZmqWireTest, AMapperThatIsRestartedIsFoundAgain) {
  start_mapper();
  start(sip_, "sip-1", pb::FRONT);
  start(worker_, "w-1", pb::WORKER);
  send(1);
  ASSERT_TRUE(run_until([&] { return sip_.delivered == 1; }));
  user_.mapper.reset();
  ASSERT_TRUE(run_until([&] { return !sip_.edge->edge().has_mapper(); })) << "the disconnect was not seen";
  send(2);
  start_mapper();
  EXPECT_TRUE(run_until([&] { return sip_.delivered == 2; }));
}

TEST_F(ZmqWireTest, AnEdgeThatGoesIsNoticedByItsConnection) {
  start_mapper();
  start(sip_, "sip-1", pb::FRONT);
  start(worker_, "w-1", pb::WORKER);
  ASSERT_TRUE(run_until([&] { return sip_.edge->edge().members().size() == 2; }));
  worker_.edge.reset();
  EXPECT_TRUE(run_until([&] { return sip_.edge->edge().members().size() == 1; }));
  start(worker_, "w-1", pb::WORKER);
  send(1);
  EXPECT_TRUE(run_until([&] { return sip_.delivered == 1; }));
}

// A mapper that stood still, with more unread than it takes, when the connection broke: it goes on.
TEST_F(ZmqWireTest, AConnectionThatBreaksWithUnreadInputEndsNothingElse) {
  start_mapper();
  {
    zmq::context_t context;
    zmq::socket_t flood(context, zmq::socket_type::dealer);
    flood.set(zmq::sockopt::sndhwm, 0);
    flood.set(zmq::sockopt::linger, 0);
    flood.connect(endpoint_);
    const std::string frame(10'000, 'x');
    for (int i = 0; i < 2000; ++i) flood.send(zmq::buffer(frame), zmq::send_flags::none);
    std::this_thread::sleep_for(milliseconds(500));  // it is the time standing still that is tested
  }
  std::this_thread::sleep_for(milliseconds(1500));
  start(sip_, "sip-1", pb::FRONT);
  EXPECT_TRUE(run_until([&] { return user_.mapper->node().members().size() == 1; }));
}

TEST_F(ZmqWireTest, ASocketInUseIsNotTakenAway) {
  start_mapper();
  FirstWorker other;
  const auto second = ZmqMapper::create(loop_, {"m-1", 0, {}}, endpoint_, other);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find("another process listens"), std::string::npos) << second.error().text;
}

TEST_F(ZmqWireTest, ASocketLeftBehindIsReplaced) {
  std::filesystem::create_directories(directory_);
  start_mapper();
  const auto path = directory_ / "mapper.sock";
  std::filesystem::rename(path, directory_ / "kept.sock");
  user_.mapper.reset();
  std::filesystem::rename(directory_ / "kept.sock", path);
  start_mapper();
  start(sip_, "sip-1", pb::FRONT);
  EXPECT_TRUE(run_until([&] { return user_.mapper->node().members().size() == 1; }));
}

TEST_F(ZmqWireTest, ADirectoryThatIsNotThereIsNamed) {
  const auto mapper = ZmqMapper::create(loop_, {"m-1", 0, {}}, "ipc:///nowhere/at/all.sock", user_);
  ASSERT_FALSE(mapper);
  EXPECT_NE(mapper.error().text.find("/nowhere/at/all.sock"), std::string::npos) << mapper.error().text;
}

}  // namespace
}  // namespace stox::bus

#include "common/bus/zmq/zmq_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <filesystem>
#include <zmq.hpp>

#include "common/bodies/bodies.h"
#include "common/bus/zmq/curve.h"
#include "common/bus/zmq/unproved.h"
#include "common/bus/zmq/zmq_socket.h"

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Answering : public EdgeUser {
 public:
  void begin(const pb::Envelope& e, Time) override {
    ++begun;
    last = e.id();
    if (answers) finish_last();
  }
  void finish_last() {
    pb::Outcome o;
    o.set_verdict(pb::DELIVERED);
    edge->edge().target().finish(last, o);
  }
  void ended(uint64_t, const pb::Outcome& o) override {
    ++(o.verdict() == pb::DELIVERED ? delivered : failed);
  }
  void bus_trouble(const std::string& text) override { trouble += text + "\n"; }
  std::string trouble;
  std::unique_ptr<ZmqEdge> edge;
  bool answers = true;
  pb::EnvelopeId last;
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
  void refused(const std::string& text) override { refusals += text + "\n"; }
  std::string refusals;
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
    user_.mapper = ZmqMapper::create(loop_, {"m-1", 0, {"sip-1", "w-1"}}, {endpoint_}, user_).value();
  }
  void start(Answering& actor, const char* name, pb::Role role) {
    actor.edge =
        ZmqEdge::create(loop_, {.name = name, .role = role, .bodies = bodies()}, {{endpoint_}}, actor)
            .value();
  }
  void send(int n) {
    pb::Envelope e;
    e.set_conversation(std::to_string(n));
    e.mutable_sip_message()->set_call_id(std::to_string(n));
    const Time now = loop_.now();
    ASSERT_TRUE(sip_.edge->edge().origin().submit(e, now + seconds(25), now + seconds(25)));
  }
  bool run_until(const std::function<bool()>& done) {
    const Time give_up = loop_.now() + seconds(30);
    while (!done() && loop_.now() < give_up) loop_.io().run_one_for(milliseconds(100));
    return done();
  }

  std::filesystem::path directory_;
  std::string endpoint_;
  net::Loop loop_, busy_;  // busy_ turns only when a test says so
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

// The mapper hears of both at once: what the worker wrote last comes before its end.
TEST_F(ZmqWireTest, WhatAnEdgeWroteBeforeItWentIsRead) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  user_.mapper = ZmqMapper::create(busy_, {"m-1", 0, {"sip-1"}}, {endpoint_}, user_).value();
  start(sip_, "sip-1", pb::FRONT);
  const auto run_both_until = [&](const std::function<bool()>& done) {
    return run_until([&] { return busy_.io().poll(), done(); });
  };
  ASSERT_TRUE(run_both_until([&] { return sip_.edge->edge().members().size() == 1; }));
  const auto before = descriptors();
  worker_.answers = false;
  start(worker_, "w-1", pb::WORKER);
  send(1);
  ASSERT_TRUE(run_both_until([&] { return worker_.begun == 1; }));
  worker_.finish_last();
  ASSERT_TRUE(run_until([&] { return worker_.edge->edge().links()[0].queued == 0; }));
  worker_.edge.reset();
  ASSERT_TRUE(run_until([&] { return descriptors() == before; })) << "the mapper's end was not closed";
  ASSERT_TRUE(run_both_until([&] { return sip_.edge->edge().members().size() == 1; }));
  EXPECT_EQ(sip_.delivered, 1);
}

// A mapper that stood still, with more unread than it takes, when the connection broke: it goes on.
TEST_F(ZmqWireTest, AConnectionThatBreaksWithUnreadInputEndsNothingElse) {
  start_mapper();
  {
    zmq::context_t context;
    zmq::socket_t flood(context, zmq::socket_type::dealer);
    flood.set(zmq::sockopt::sndhwm, 1);
    flood.set(zmq::sockopt::sndtimeo, 500);
    flood.set(zmq::sockopt::linger, 0);
    flood.connect(endpoint_);
    const std::string frame(10'000, 'x');
    while (flood.send(zmq::buffer(frame), zmq::send_flags::none)) continue;
  }
  start(sip_, "sip-1", pb::FRONT);
  EXPECT_TRUE(run_until([&] { return user_.mapper->node().members().size() == 1; }));
}

// ZeroMQ's own would end the process when such a connection breaks, a second later or so.
TEST(ZmqSocket, HasNoHeartbeatsOfZeroMqsOwn) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::router);
  set_up(socket, "ipc:///nowhere.sock");
  EXPECT_EQ(socket.get(zmq::sockopt::heartbeat_ivl), 0);
}

TEST_F(ZmqWireTest, ASocketInUseIsNotTakenAway) {
  start_mapper();
  FirstWorker other;
  const auto second = ZmqMapper::create(loop_, {"m-1", 0, {}}, {endpoint_}, other);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find("another process listens"), std::string::npos) << second.error().text;
}

TEST_F(ZmqWireTest, WhatCannotBeBoundIsSaidWithWhatToDo) {
  FirstWorker user;
  const auto why = [&](const std::string& bind) {
    const auto refused = ZmqMapper::create(loop_, {"m-1", 0, {}}, {bind}, user);
    return refused ? "" : refused.error().text;
  };
  EXPECT_EQ(
      why("ipc:///nowhere/mapper.sock"),
      "bus: cannot bind ipc:///nowhere/mapper.sock: No such file or directory; let this user write in that "
      "folder, or change `bind` of this [[mapper]]");
  EXPECT_THAT(why("tcp://192.0.2.77:7300"),
              ::testing::HasSubstr("no interface of this machine has this address"));
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
  const std::string nowhere = (directory_ / "nowhere" / "m.sock").string();
  const auto mapper = ZmqMapper::create(loop_, {"m-1", 0, {}}, {"ipc://" + nowhere}, user_);
  ASSERT_FALSE(mapper);
  EXPECT_NE(mapper.error().text.find(nowhere), std::string::npos) << mapper.error().text;
}

// --- between hosts

class CurveTest : public ZmqWireTest {
 protected:
  CurveTest() { address_ = {free_address(), site_.secret_key, site_.public_key, known()}; }

  // Who may come in.
  std::vector<EdgeKey> known() const {
    return {{edges_.public_key, "sip-1", pb::FRONT}, {worker_key_.public_key, "w-1", pb::WORKER}};
  }

  static std::string free_address() {
    asio::io_context io;
    asio::ip::tcp::acceptor probe(io, {asio::ip::address_v4::loopback(), 0});
    return "tcp://127.0.0.1:" + std::to_string(probe.local_endpoint().port());
  }
  void start_curve_mapper() {
    user_.mapper = ZmqMapper::create(loop_, {"m-1", 0, {"sip-1", "w-1"}}, address_, user_).value();
  }
  void start_curve(Answering& actor, const char* name, pb::Role role, const std::string& secret,
                   const std::string& mapper_key) {
    actor.edge = ZmqEdge::create(loop_, {.name = name, .role = role, .bodies = bodies()},
                                 {{address_.bind}, secret, mapper_key}, actor)
                     .value();
  }
  void start_worker(const char* name = "w-1") {
    start_curve(worker_, name, pb::WORKER, worker_key_.secret_key, site_.public_key);
  }
  void crosses() {
    const int before = sip_.delivered;
    send(1);
    EXPECT_TRUE(run_until([&] { return sip_.delivered == before + 1; })) << sip_.trouble << user_.refusals;
  }

  const CurvePair site_ = make_curve_pair(), edges_ = make_curve_pair(), strange_ = make_curve_pair(),
                  worker_key_ = make_curve_pair();
  MapperAddress address_;
};

TEST_F(CurveTest, WithTheRightKeysMessagesCross) {
  start_curve_mapper();
  start_worker();
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
  EXPECT_EQ(sip_.trouble + worker_.trouble + user_.refusals, "");
}

TEST_F(CurveTest, AnUnknownKeyIsToldAndLetInOnceItIsKnown) {
  start_curve_mapper();
  start_worker();
  start_curve(sip_, "sip-1", pb::FRONT, strange_.secret_key, site_.public_key);
  ASSERT_TRUE(run_until([&] { return !sip_.trouble.empty() && !user_.refusals.empty(); }));
  EXPECT_NE(sip_.trouble.find("does not let us in: our key"), std::string::npos) << sip_.trouble;
  EXPECT_NE(sip_.edge->why_no_mapper().find("does not let us in"), std::string::npos);
  EXPECT_NE(user_.refusals.find("127.0.0.1 was not let in: its key"), std::string::npos) << user_.refusals;
  EXPECT_FALSE(sip_.edge->edge().has_mapper());
  user_.mapper->let_in(
      {{strange_.public_key, "sip-1", pb::FRONT}, {worker_key_.public_key, "w-1", pb::WORKER}});
  crosses();
  EXPECT_EQ(sip_.edge->mappers()[0].trouble, "");
}

TEST_F(CurveTest, AWrongMapperKeyIsTold) {
  start_curve_mapper();
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, strange_.public_key);
  ASSERT_TRUE(run_until([&] { return !sip_.trouble.empty() && !user_.refusals.empty(); }));
  EXPECT_NE(sip_.trouble.find("is bus.curve.mapper_public_key the one"), std::string::npos) << sip_.trouble;
  EXPECT_NE(user_.refusals.find("bus.curve.mapper_public_key there is not"), std::string::npos)
      << user_.refusals;
}

TEST_F(CurveTest, WhoDoesNotEncryptIsNotLetIn) {
  start_curve_mapper();
  start_worker();
  start_curve(sip_, "sip-1", pb::FRONT, "", "");
  ASSERT_TRUE(run_until([&] { return !sip_.trouble.empty(); }));
  EXPECT_NE(sip_.trouble.find("[bus.curve]"), std::string::npos) << sip_.trouble;
  EXPECT_FALSE(sip_.edge->edge().has_mapper());
}

TEST_F(CurveTest, AMapperThatDoesNotEncryptIsToldAndTakenOnceItDoes) {
  address_ = {address_.bind};
  start_curve_mapper();
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  ASSERT_TRUE(run_until([&] { return !sip_.trouble.empty(); }));
  EXPECT_NE(sip_.trouble.find("[bus.curve], too"), std::string::npos) << sip_.trouble;
  user_.mapper.reset();
  address_ = {address_.bind, site_.secret_key, site_.public_key, known()};
  start_curve_mapper();
  start_worker();
  crosses();
}

TEST_F(CurveTest, AKeyIsThatOfOneSectionAndItsInstances) {
  start_curve_mapper();
  start_worker("w-1@2");
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
  EXPECT_EQ(user_.mapper->node().members()[1].name(), "w-1@2");
}

TEST_F(CurveTest, WhoSaysHelloUnderAnothersNameOrRoleIsToldAndGetsNothing) {
  start_curve_mapper();
  start_worker();
  Answering liar, other_role;
  start_curve(liar, "w-1", pb::WORKER, edges_.secret_key, site_.public_key);
  start_curve(other_role, "sip-1", pb::WORKER, edges_.secret_key, site_.public_key);
  ASSERT_TRUE(run_until([&] { return !liar.trouble.empty() && !other_role.trouble.empty(); }));
  EXPECT_THAT(user_.refusals, ::testing::HasSubstr("\"w-1\" was not let in: its key is that of sip-1"));
  EXPECT_THAT(user_.refusals, ::testing::HasSubstr("\"sip-1\" was not let in: no [[xmpp_worker]] here has"));
  EXPECT_THAT(liar.edge->why_no_mapper(), ::testing::HasSubstr("does not take us: its key is that of sip-1"));
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
  EXPECT_EQ(liar.begun + other_role.begun, 0);
}

TEST_F(CurveTest, ANameOfNoSectionIsRefusedUntilItIsOne) {
  start_curve_mapper();
  Answering stranger;
  start_curve(stranger, "w-9", pb::WORKER, worker_key_.secret_key, site_.public_key);
  ASSERT_TRUE(run_until([&] { return !stranger.trouble.empty(); }));
  EXPECT_THAT(user_.refusals, ::testing::HasSubstr("no [[xmpp_worker]] here has this name"));
  user_.mapper->let_in(
      {{edges_.public_key, "sip-1", pb::FRONT}, {worker_key_.public_key, "w-9", pb::WORKER}});
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
  EXPECT_EQ(stranger.begun, 1);
}

TEST_F(CurveTest, WhoseKeyIsTakenOutIsPutOut) {
  start_curve_mapper();
  start_worker();
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
  user_.mapper->let_in({{edges_.public_key, "sip-1", pb::FRONT}, {strange_.public_key, "w-1", pb::WORKER}});
  EXPECT_EQ(user_.mapper->node().members().size(), 1u);
  EXPECT_THAT(user_.refusals, ::testing::HasSubstr("w-1 was put out: its key was taken out"));
  ASSERT_TRUE(run_until([&] { return !worker_.trouble.empty(); }));
  EXPECT_EQ(user_.mapper->node().members().size(), 1u);
  user_.mapper->let_in(known());
  crosses();
}

// A socket by hand, as far as ZeroMQ's greeting and the head of a command of so many bytes.
class Stranger {
 public:
  Stranger(const std::string& endpoint, uint64_t bytes) {
    const auto port = static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
    socket_.connect({asio::ip::address_v4::loopback(), port});
    std::string head(
        "\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01"
        "CURVE",
        17);
    head.resize(64, '\0');
    head += '\x06';  // a long command
    for (int shift = 56; shift >= 0; shift -= 8) head += static_cast<char>(bytes >> shift & 0xff);
    asio::write(socket_, asio::buffer(head));
    socket_.non_blocking(true);
  }
  // Whether it was put out, after at most so many bytes.
  bool is_put_out_within(std::size_t bytes,
                         const std::function<bool(const std::function<bool()>&)>& run_until) {
    const std::string part(16 * 1024, 'x');
    asio::error_code failure;
    for (std::size_t sent = 0; sent < bytes && !failure;) {
      sent += socket_.write_some(asio::buffer(part), failure);
      if (failure == asio::error::would_block) failure = {};
      run_until([n = 0]() mutable { return ++n > 1; });
    }
    return failure || run_until([&] { return is_closed(); });
  }
  bool is_closed() {
    std::array<char, 4096> ignored{};
    asio::error_code failure;
    while (!failure) socket_.read_some(asio::buffer(ignored), failure);
    return failure != asio::error::would_block;
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_{io_};
};

TEST_F(CurveTest, AFrameThatIsTooLargeIsNotBegun) {
  start_curve_mapper();
  Stranger stranger(address_.bind, 600'000'000);
  EXPECT_TRUE(stranger.is_put_out_within(0, [&](const auto& done) { return run_until(done); }));
}

TEST_F(CurveTest, WhoHasNotProvedWhoItIsMaySendLittle) {
  start_curve_mapper();
  Stranger stranger(address_.bind, kMaxFrameBytes - 1);
  EXPECT_TRUE(
      stranger.is_put_out_within(kMaxFrameBytes / 2, [&](const auto& done) { return run_until(done); }));
  start_worker();
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
}

TEST_F(CurveTest, OfManyThatSayNothingTheOldestGivesWay) {
  start_curve_mapper();
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (std::size_t i = 0; i < Unproved::kMost + 1; ++i)
    strangers.push_back(std::make_unique<Stranger>(address_.bind, 100));
  EXPECT_TRUE(strangers[0]->is_put_out_within(0, [&](const auto& done) { return run_until(done); }));
  EXPECT_FALSE(strangers[1]->is_closed());
  start_worker();
  start_curve(sip_, "sip-1", pb::FRONT, edges_.secret_key, site_.public_key);
  crosses();
}

TEST_F(CurveTest, APublicKeyThatIsNotTheOwnIsTold) {
  address_.public_key = strange_.public_key;
  const auto mapper = ZmqMapper::create(loop_, {"m-1", 0, {}}, address_, user_);
  ASSERT_FALSE(mapper);
  EXPECT_NE(mapper.error().text.find("which is " + site_.public_key), std::string::npos)
      << mapper.error().text;
}

// --- mappers that come and go

TEST_F(ZmqWireTest, AMapperThatIsTakenOutIsLetGoWhenWhatItCarriesHasEnded) {
  class Slow : public Answering {
   public:
    void begin(const pb::Envelope& e, Time) override {
      ++begun;
      held = e.id();
    }
    void end() {
      pb::Outcome o;
      o.set_verdict(pb::DELIVERED);
      edge->edge().target().finish(held, o);
    }
    pb::EnvelopeId held;
  };
  FirstWorker second_user;
  Slow slow;
  const std::string second = "ipc://" + (directory_ / "second.sock").string();
  start_mapper();
  second_user.mapper = ZmqMapper::create(loop_, {"m-2", 0, {"sip-1", "w-1"}}, {second}, second_user).value();
  start(sip_, "sip-1", pb::FRONT);
  slow.edge = ZmqEdge::create(loop_, {.name = "w-1", .role = pb::WORKER, .bodies = bodies()},
                              {{endpoint_, second}}, slow)
                  .value();
  send(1);
  ASSERT_TRUE(run_until([&] { return slow.begun == 1; }));

  sip_.edge->connect_to({second});
  ASSERT_TRUE(run_until([&] {
    const auto mappers = sip_.edge->mappers();
    return mappers.size() == 2 && mappers[1].ready;
  }));
  EXPECT_TRUE(sip_.edge->mappers()[0].leaving);
  EXPECT_TRUE(sip_.edge->mappers()[0].up);
  slow.end();
  EXPECT_TRUE(run_until([&] { return sip_.delivered == 1; }));
  EXPECT_TRUE(run_until([&] { return sip_.edge->mappers().size() == 1; }));
  EXPECT_EQ(sip_.edge->mappers()[0].name, "m-2");
  send(2);
  ASSERT_TRUE(run_until([&] { return slow.begun == 2; }));
  slow.end();
  EXPECT_TRUE(run_until([&] { return sip_.delivered == 2; }));
  EXPECT_EQ(sip_.failed, 0);
}

TEST_F(ZmqWireTest, AMapperThatIsTakenOutAndPutBackServesAgain) {
  start_mapper();
  start(sip_, "sip-1", pb::FRONT);
  start(worker_, "w-1", pb::WORKER);
  send(1);
  ASSERT_TRUE(run_until([&] { return sip_.delivered == 1; }));
  sip_.edge->connect_to({});
  EXPECT_FALSE(sip_.edge->edge().has_mapper());
  sip_.edge->connect_to({endpoint_});
  send(2);
  EXPECT_TRUE(run_until([&] { return sip_.delivered == 2; }));
}

}  // namespace
}  // namespace stox::bus

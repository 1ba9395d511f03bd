#include "common/bus/zmq/mapper_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/post.hpp>

namespace stox::bus {
namespace {

using net::Resolved;
using net::ResolveError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Answers from two maps, which a test changes.
class FakeResolver : public net::Resolver {
 public:
  explicit FakeResolver(net::Loop& loop) : loop_(loop) {}

  void addresses(const std::string& host,
                 std::function<void(Resolved<std::vector<std::string>>)> done) override {
    ++asked;
    answer(hosts, host, std::move(done));
  }
  void srv(const std::string& name,
           std::function<void(Resolved<std::vector<net::SrvRecord>>)> done) override {
    ++asked;
    answer(services, name, std::move(done));
  }

  void naptr(const std::string&, std::function<void(Resolved<std::vector<net::NaptrRecord>>)>) override {}

  std::map<std::string, std::vector<std::string>> hosts;
  std::map<std::string, std::vector<net::SrvRecord>> services;
  bool broken = false;
  int asked = 0;

 private:
  template <class T>
  void answer(const std::map<std::string, T>& from, const std::string& name,
              std::function<void(Resolved<T>)> done) {
    Resolved<T> found =
        tl::make_unexpected(ResolveError{ResolveError::Kind::kNoName, "DNS: no such name " + name});
    if (from.contains(name)) found = from.at(name);
    if (broken)
      found = tl::make_unexpected(ResolveError{ResolveError::Kind::kFailed, "DNS: no answer for " + name});
    asio::post(loop_.io(), [done = std::move(done), found] { done(found); });
  }

  net::Loop& loop_;
};

class MapperFinderTest : public ::testing::Test {
 protected:
  // Runs until each name was asked for twice more: what was to change has changed.
  void look_again() {
    const int enough = resolver_.asked + 8;
    while (resolver_.asked < enough) loop_.io().run_one();
    loop_.io().poll();
  }

  net::Loop loop_;
  FakeResolver resolver_{loop_};
  int changes_ = 0;
  MapperFinder finder_{loop_,
                       &resolver_,
                       [this] { ++changes_; },
                       {std::chrono::milliseconds(1), std::chrono::milliseconds(1)}};
};

TEST_F(MapperFinderTest, AddressesStandForThemselves) {
  finder_.look_for(
      {"tcp://10.0.0.6:7300", "ipc:///run/m.sock", "tcp://[2001:db8::1]:7300", "tcp://10.0.0.6:7300"});
  EXPECT_THAT(finder_.endpoints(),
              ElementsAre("ipc:///run/m.sock", "tcp://10.0.0.6:7300", "tcp://[2001:db8::1]:7300"));
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(resolver_.asked, 0);
}

TEST_F(MapperFinderTest, ANameStandsForEachOfItsAddressesAndIsFollowed) {
  resolver_.hosts["mappers.test"] = {"10.0.0.2", "10.0.0.1"};
  finder_.look_for({"tcp://mappers.test:7300"});
  look_again();
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.1:7300", "tcp://10.0.0.2:7300"));
  resolver_.hosts["mappers.test"] = {"10.0.0.2", "10.0.0.3"};
  look_again();
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.2:7300", "tcp://10.0.0.3:7300"));
  const int changes = changes_;
  look_again();
  EXPECT_EQ(changes_, changes);
}

TEST_F(MapperFinderTest, OfTwoFamiliesOneIsTaken) {
  resolver_.hosts["mappers.test"] = {"10.0.0.1", "2001:db8::1"};
  resolver_.hosts["six.test"] = {"2001:db8::2"};
  finder_.look_for({"tcp://mappers.test:7300", "tcp://six.test:7300"});
  look_again();
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.1:7300", "tcp://[2001:db8::2]:7300"));
}

TEST_F(MapperFinderTest, AServiceStandsForTheAddressesOfItsTargets) {
  resolver_.services["_stox._tcp.example.test"] = {
      {0, 0, 7300, "a.test"}, {0, 0, 7301, "b.test"}, {0, 0, 1, "gone.test"}};
  resolver_.hosts["a.test"] = {"10.0.0.1"};
  resolver_.hosts["b.test"] = {"10.0.0.1"};
  finder_.look_for({"tcp://_stox._tcp.example.test"});
  look_again();
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.1:7300", "tcp://10.0.0.1:7301"));
  EXPECT_EQ(finder_.trouble(), "");
}

TEST_F(MapperFinderTest, WithoutAnAnswerWhatIsKnownStays) {
  resolver_.hosts["mappers.test"] = {"10.0.0.1"};
  finder_.look_for({"tcp://mappers.test:7300"});
  look_again();
  resolver_.broken = true;
  look_again();
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.1:7300"));
  EXPECT_EQ(finder_.trouble(), "");
}

TEST_F(MapperFinderTest, ANameThatStandsForNothingIsTold) {
  finder_.look_for({"tcp://mappers.test:7300"});
  look_again();
  EXPECT_THAT(finder_.endpoints(), IsEmpty());
  EXPECT_THAT(finder_.trouble(), HasSubstr("tcp://mappers.test:7300: DNS: no such name"));
  resolver_.hosts["mappers.test"] = {"10.0.0.1"};
  look_again();
  EXPECT_EQ(finder_.trouble(), "");
  resolver_.services["_stox._tcp.test"] = {{0, 0, 0, "."}};
  finder_.look_for({"tcp://_stox._tcp.test"});
  look_again();
  EXPECT_THAT(finder_.trouble(), HasSubstr("is not offered"));
}

TEST_F(MapperFinderTest, OtherAddressesReplaceThoseBefore) {
  resolver_.hosts["mappers.test"] = {"10.0.0.1"};
  finder_.look_for({"tcp://mappers.test:7300", "tcp://10.0.0.9:1"});
  look_again();
  finder_.look_for({"tcp://mappers.test:7300", "tcp://10.0.0.8:1"});
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.1:7300", "tcp://10.0.0.8:1"));
  finder_.look_for({"tcp://10.0.0.8:1"});
  EXPECT_THAT(finder_.endpoints(), ElementsAre("tcp://10.0.0.8:1"));
}

}  // namespace
}  // namespace stox::bus

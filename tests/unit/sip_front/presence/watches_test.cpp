#include "sip_front/presence/watches.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sip_front/presence/device_uri.h"
#include "tests/unit/sip_front/subscription_text.h"

namespace stox {
namespace {

using namespace std::chrono_literals;
using sip::Datagram;
using Kind = pb::Presence::Kind;
using Took = Watches::Took;
using Unsupported = WatchOptions::Unsupported;
using Texts = std::vector<std::string>;

const std::string kAnn = "sip:ann*x.test@gw.test", kBob = "sip:bob@sip.test";

std::string pidf(const std::string& tuples) {
  return "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:bob@sip.test'>" + tuples + "</presence>";
}
std::string tuple(const std::string& basic, const std::string& note = {}, const std::string& id = "a") {
  return "<tuple id='" + id + "'><status><basic>" + basic + "</basic></status>" +
         (note.empty() ? "" : "<note>" + note + "</note>") + "</tuple>";
}
const std::string kOpen = pidf(tuple("open")), kClosed = pidf(tuple("closed"));
const std::string kDesk = pidf(tuple("open", "at desk"));

struct Asked {
  uint64_t token;
  sip::Dialog dialog;
  uint32_t expires_s;
};

// An XMPP server on one side, a SIP server on the other.
class Scene : public sip::SubscribeSender, public PresenceOutbox::Outlet {
 public:
  explicit Scene(WatchOptions options = {}) : options_(options) { start(); }
  ~Scene() override {
    std::error_code none;
    std::filesystem::remove_all(folder_, none);
  }

  // The process dies, and another begins.
  void kill() {
    watches.reset();
    under_way_.clear();
    start();
  }
  void keep() {
    folder_ = std::filesystem::temp_directory_path() / ("stox-watches-" + std::to_string(getpid()));
    kill();
  }

  void subscribe(uint64_t token, const Request& request) override {
    EXPECT_EQ(request.package, "presence");
    EXPECT_EQ(request.accept, "application/pidf+xml");
    asked.push_back({token, request.dialog, request.expires_s});
  }
  Result<uint64_t> submit_presence(pb::Envelope& envelope, Time, Time) override {
    const pb::Presence& p = envelope.has_sip_state() ? envelope.sip_state() : envelope.sip_presence();
    EXPECT_EQ(without_device(p.from()).substr(0, 4), "sip:");
    said.push_back(words_of(p));
    since_s = p.state().since_s();
    under_way_.push_back(++number_);
    return number_;
  }
  static std::string words_of(const pb::Presence& p) {
    std::string out = pb::Presence::Kind_Name(p.kind());
    if (p.kind() == Kind::Presence_Kind_STATE) {
      out = std::string(device_in(p.from()));
      out += p.state().available() ? " open" : " closed";
      if (p.state().activity() != pb::PresenceState::NONE)
        out += " " + pb::PresenceState::Activity_Name(p.state().activity());
      for (const auto& note : p.state().notes()) out += " '" + note.text() + "'";
    }
    if (!p.text().empty()) out += " '" + p.text() + "'";
    if (!device_in(p.to()).empty()) out += " to " + std::string(device_in(p.to()));
    return out;
  }

  Took xmpp(Kind kind, const std::string& device = {}, const std::string& user = kAnn,
            const std::string& contact = kBob, bool available = false) {
    pb::Presence presence;
    presence.set_kind(kind);
    presence.set_from(device.empty() ? user : user + ";gr=" + device);
    presence.set_to(contact);
    if (kind == pb::Presence::STATE) presence.mutable_state()->set_available(available);
    const Took took = watches->take(presence);
    turn();
    return took;
  }
  void online(const std::string& device, bool available) {
    EXPECT_EQ(xmpp(pb::Presence::STATE, device, kAnn, kBob, available), Took::kTaken);
  }
  void respond(int status, const std::string& headers = {}) {
    const Asked one = asked.back();
    const Datagram response(sip::subscribe_response(one.dialog, status, headers));
    watches->subscriber().responded(one.token, response.message, clock.now());
    turn();
  }
  void no_answer() {
    watches->subscriber().no_answer(asked.back().token, 1, 0, clock.now());
    turn();
  }
  void notify(const std::string& state, const std::string& body = {},
              const std::string& type = "application/pidf+xml") {
    sip::NotifyText text{state, body, type};
    text.cseq = ++cseq_;
    const Datagram request(sip::notify_text(asked.back().dialog, text));
    watches->notify(request.message, [&](uint16_t status) {
      EXPECT_EQ(status, 200);
      EXPECT_EQ(said.size(), said_before_) << "the answer comes first";
    });
    turn();
  }
  // As a server with presence answers.
  void accept(const std::string& body = kOpen, const std::string& state = "active;expires=3600") {
    respond(200, "Expires: 3600\n");
    said_before_ = said.size();
    notify(state, body);
  }
  void stream(const std::vector<pb::Member>& members) {
    watches->members_changed(members);
    turn();
  }
  void turn() {
    for (next = watches->turn(); !dead_stream && !under_way_.empty(); next = watches->turn()) {
      for (const uint64_t number : std::exchange(under_way_, {})) {
        pb::Outcome outcome;
        outcome.set_verdict(pb::DELIVERED);
        EXPECT_TRUE(watches->ended(number, outcome));
      }
    }
    said_before_ = said.size();
  }
  void pass(Duration time) {
    const Time end = clock.now() + time;
    while (clock.now() < end) {
      const Time until = std::min(end, std::max(next, clock.now() + 10ms));
      clock.advance(until - clock.now());
      turn();
    }
  }
  Texts take() {
    said_before_ = 0;
    return std::exchange(said, {});
  }
  std::string standing() const {
    const auto list = watches->list({}, 10);
    return list.empty() ? "none" : list[0].state;
  }

  ManualClock clock;
  sip::Random random;
  service::Log log{"front", service::Level::kError, "text"};
  std::unique_ptr<Watches> watches;
  std::deque<Asked> asked;
  Texts said;
  int64_t since_s = 0;  // of the last state
  bool dead_stream = false;
  Time next = kNever;

 private:
  void start() {
    watches = std::make_unique<Watches>(options_, clock, log, random, *this, *this);
    if (!folder_.empty()) {
      EXPECT_TRUE(watches->keep_in(folder_ / "front.watches"));
    }
    next = watches->turn();
  }
  WatchOptions options_;
  std::filesystem::path folder_;
  std::vector<uint64_t> under_way_;
  uint64_t number_ = 0;
  std::size_t said_before_ = 0;
  uint32_t cseq_ = 0;
};

// --- what goes well

TEST(Watches, ASubscriptionIsGrantedWhenTheContactLetsHimSee) {
  Scene s;
  EXPECT_EQ(s.xmpp(pb::Presence::SUBSCRIBE), Took::kTaken);
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].dialog.local_uri, kAnn);
  EXPECT_EQ(s.asked[0].dialog.remote_uri, kBob);
  EXPECT_EQ(s.asked[0].expires_s, 3600u);
  s.respond(202, "Expires: 3600\n");
  EXPECT_EQ(s.take(), Texts{});
  s.notify("pending;expires=3600");
  EXPECT_EQ(s.take(), Texts{});
  EXPECT_EQ(s.standing(), "pending");
  s.notify("active;expires=3600", kDesk);
  EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "sip open 'at desk'"}));
  EXPECT_EQ(s.standing(), "active");
}

TEST(Watches, OnlyWhatHasChangedIsTold) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.notify("active", kDesk);
  EXPECT_EQ(s.take(), Texts{});
  s.notify("active", pidf(tuple("open", "away")));
  EXPECT_EQ(s.take(), Texts{"sip open AWAY 'away'"});
  s.notify("active");  // nothing is known of him
  EXPECT_EQ(s.take(), Texts{"sip closed"});
  s.notify("active");
  EXPECT_EQ(s.take(), Texts{});
  s.notify("active", kOpen);
  EXPECT_EQ(s.take(), Texts{"sip open"});
}

TEST(Watches, ADeviceThatIsMissingIsUnavailable) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(pidf(tuple("open", "one", "ID-desk") + tuple("open", "two", "ID-cell")));
  EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "cell open 'two'", "desk open 'one'"}));
  s.notify("active", pidf(tuple("open", "two", "ID-cell")));
  EXPECT_EQ(s.take(), Texts{"desk closed"});
}

TEST(Watches, OfManyDevicesThoseThatAreThereAreTold) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  std::string tuples;
  for (int i = 0; i < 60; ++i) tuples += tuple(i == 59 ? "open" : "closed", {}, "ID-d" + std::to_string(i));
  s.accept(pidf(tuples));
  const Texts told = s.take();
  EXPECT_EQ(told.size(), 1 + Watches::kMaxDevices);
  EXPECT_EQ(std::count(told.begin(), told.end(), "d59 open"), 1);
}

TEST(Watches, WhatIsNoPresenceDocumentChangesNothing) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.notify("active", "<presence");
  s.notify("active", kOpen, "text/plain");
  EXPECT_EQ(s.take(), Texts{});
  s.notify("active", kClosed, "Application/PIDF+xml;charset=utf-8");
  EXPECT_EQ(s.take(), Texts{"sip closed"});
}

TEST(Watches, WhoAsksAgainIsGrantedAndToldAgain) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.xmpp(pb::Presence::SUBSCRIBE);
  EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "sip open 'at desk'"}));
  EXPECT_EQ(s.asked.size(), 1u);
}

TEST(Watches, StatesFollowTheGrant) {
  Scene s;
  s.dead_stream = true;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{"SUBSCRIBED"});
  s.dead_stream = false;
  s.turn();
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
}

// --- probes

TEST(Watches, AProbeOfAPairThatIsNotKnownMakesAWatch) {
  Scene s;
  EXPECT_EQ(s.xmpp(pb::Presence::PROBE, "desk"), Took::kTaken);
  ASSERT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.asked[0].dialog.local_uri, kAnn);
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"}) << "and he has been granted long ago";
}

TEST(Watches, AProbeIsAnsweredFromMemoryToWhoHasAsked) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.xmpp(pb::Presence::PROBE, "cell");
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk' to cell"});
  s.notify("active");
  s.take();
  s.xmpp(pb::Presence::PROBE);
  EXPECT_EQ(s.take(), Texts{" closed"});
}

TEST(Watches, AProbeOfWhoMayNotSeeIsNotAnswered) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept({}, "pending");
  s.xmpp(pb::Presence::PROBE, "cell");
  EXPECT_EQ(s.take(), Texts{});
}

TEST(Watches, TheTimeOfAStateIsThatOfItsBeginning) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  const int64_t began = s.clock.wall_us() / 1'000'000;
  s.accept(kDesk);
  s.pass(100s);
  s.notify("active", kDesk);
  s.xmpp(pb::Presence::PROBE, "cell");
  EXPECT_EQ(s.since_s, began);
  const auto list = s.watches->list(kAnn, 10);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].since_us / 1'000'000, began);
}

// --- the subscription ends

TEST(Watches, ANotifierThatMovesIsNotNoticed) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.notify("terminated;reason=deactivated");
  EXPECT_EQ(s.asked.size(), 2u);
  s.accept(kDesk);
  s.pass(10min);
  EXPECT_EQ(s.take(), Texts{});
}

TEST(Watches, AfterAMinuteWithoutASubscriptionHeIsUnavailable) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.notify("terminated;reason=probation;retry-after=300");
  s.pass(59s);
  EXPECT_EQ(s.take(), Texts{});
  s.pass(2s);
  EXPECT_EQ(s.take(), Texts{"sip closed"});
  s.pass(240s);
  ASSERT_EQ(s.asked.size(), 2u);
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
}

TEST(Watches, AStateThatDoesNotChangeStays) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.notify("terminated;reason=invariant");
  s.pass(23h);
  EXPECT_EQ(s.take(), Texts{});
  EXPECT_EQ(s.asked.size(), 1u);
  s.pass(61min);
  EXPECT_EQ(s.asked.size(), 2u);
}

// A server may say it of many at once, by mistake.
TEST(Watches, AContactWhoTakesItBackIsOfflineAndStays) {
  for (const std::string reason : {"rejected", "noresource"}) {
    Scene s;
    s.xmpp(pb::Presence::SUBSCRIBE);
    s.accept(kDesk);
    s.take();
    s.notify("terminated;reason=" + reason);
    EXPECT_EQ(s.take(), Texts{"sip closed 'no presence known'"});
    EXPECT_EQ(s.standing(), "no presence service");
    s.pass(1h);
    s.xmpp(pb::Presence::SUBSCRIBE);
    EXPECT_EQ(s.asked.size(), 2u);
  }
}

TEST(Watches, AContactMayRefuseAfterHeHasThoughtAboutIt) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept({}, "pending");
  s.pass(1h);
  s.accept({}, "terminated;reason=rejected");
  EXPECT_EQ(s.take(), Texts{"UNSUBSCRIBED"});
}

// --- refusals of the first SUBSCRIBE

TEST(Watches, ARefusalOfWhatHeAskedForEndsIt) {
  for (const int status : {403, 603, 600}) {
    Scene s;
    s.xmpp(pb::Presence::SUBSCRIBE);
    s.respond(status);
    EXPECT_EQ(s.take(), Texts{"UNSUBSCRIBED"});
    EXPECT_EQ(s.standing(), "none");
    s.pass(48h);
    EXPECT_EQ(s.asked.size(), 1u);
  }
}

TEST(Watches, ThatThereIsNoSuchUserIsSaid) {
  for (const auto& [status, text] :
       {std::pair(404, "There is no such SIP user"), std::pair(604, "There is no such SIP user"),
        std::pair(410, "This SIP user is gone"), std::pair(484, "This SIP address is incomplete"),
        std::pair(485, "This SIP address is ambiguous")}) {
    Scene s;
    s.xmpp(pb::Presence::SUBSCRIBE);
    s.respond(status);
    EXPECT_EQ(s.take(), Texts{"UNSUBSCRIBED '" + std::string(text) + "'"});
  }
}

// An upgrade must not empty rosters.
TEST(Watches, NoContactIsTakenFromWhoHasNotAskedForHim) {
  for (const int status : {403, 600, 603, 404, 410, 484, 485, 604, 405, 406, 420, 489, 500, 501, 503}) {
    Scene s;
    s.xmpp(pb::Presence::PROBE, "desk");
    s.respond(status);
    EXPECT_EQ(s.take(), Texts{"sip closed 'no presence known'"}) << status;
    EXPECT_EQ(s.standing(), "no presence service");
  }
  Scene s;
  s.xmpp(pb::Presence::PROBE, "desk");
  s.accept({}, "terminated;reason=rejected");
  EXPECT_EQ(s.take(), Texts{"sip closed 'no presence known'"});
}

TEST(Watches, WithoutAPresenceServiceHeIsGrantedAndOffline) {
  for (const int status : {405, 406, 420, 489, 500, 501, 503}) {
    Scene s;
    s.xmpp(pb::Presence::SUBSCRIBE);
    s.respond(status);
    EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "sip closed 'no presence known'"}));
    s.xmpp(pb::Presence::PROBE, "desk");
    EXPECT_EQ(s.take(), Texts{"sip closed 'no presence known' to desk"});
    EXPECT_EQ(s.asked.size(), 1u);
    s.pass(25h);
    EXPECT_EQ(s.asked.size(), 1u);
    s.xmpp(pb::Presence::PROBE, "desk");
    EXPECT_EQ(s.asked.size(), 2u) << "once a day, when he logs in";
    s.take();
    s.accept(kDesk);
    EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
  }
}

TEST(Watches, OrGrantedAndOnline) {
  WatchOptions options;
  options.unsupported = Unsupported::kOnline;
  Scene s(options);
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.respond(405);
  EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "sip open"}));
  s.xmpp(pb::Presence::PROBE, "desk");
  EXPECT_EQ(s.take(), Texts{"sip open to desk"});
}

TEST(Watches, OrRefusedButOnlyIfHeHasAsked) {
  WatchOptions options;
  options.unsupported = Unsupported::kStrict;
  Scene s(options);
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.respond(405);
  EXPECT_EQ(s.take(), Texts{"UNSUBSCRIBED 'no presence known'"});
  s.xmpp(pb::Presence::PROBE, "desk");
  s.respond(405);
  EXPECT_EQ(s.take(), Texts{});
  s.xmpp(pb::Presence::PROBE, "desk");
  EXPECT_EQ(s.take(), Texts{" closed to desk"});
}

// --- failures that pass

TEST(Watches, WhatPassesIsTriedAgainLaterAndLater) {
  for (const int status : {408, 480, 502, 504, 0}) {
    Scene s;
    s.xmpp(pb::Presence::SUBSCRIBE);
    Duration wait = 30s;
    for (std::size_t tries = 1; tries < 12; ++tries) {
      if (status == 0) {
        s.no_answer();
      } else {
        s.respond(status);
      }
      EXPECT_EQ(s.standing(), "waiting");
      s.pass(wait * 3 / 4 - 2s);
      ASSERT_EQ(s.asked.size(), tries);
      s.pass(wait / 2 + 4s);
      ASSERT_EQ(s.asked.size(), tries + 1);
      wait = std::min<Duration>(2 * wait, 1h);
    }
    EXPECT_EQ(s.take(), Texts{}) << "he is still owed an answer";
    s.accept(kDesk);
    EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "sip open 'at desk'"}));
  }
}

TEST(Watches, AServerMaySayWhen) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.respond(503, "Retry-After: 600\n");
  s.pass(599s);
  EXPECT_EQ(s.asked.size(), 1u);
  s.pass(2s);
  EXPECT_EQ(s.asked.size(), 2u);
}

TEST(Watches, WhereItWentWellOnceItWillAgain) {
  for (const int status : {403, 404, 405, 489, 500, 503}) {
    Scene s;
    s.xmpp(pb::Presence::SUBSCRIBE);
    s.accept(kDesk);
    s.take();
    s.notify("terminated;reason=deactivated");
    s.respond(status);
    s.pass(20s);
    EXPECT_EQ(s.take(), Texts{});
    EXPECT_EQ(s.asked.size(), 2u);
    s.pass(20s);
    EXPECT_EQ(s.asked.size(), 3u);
    s.respond(status);
    s.pass(25s);
    EXPECT_EQ(s.take(), Texts{"sip closed"}) << "after a minute";
    s.pass(1h);
    s.accept(kDesk);
    EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
  }
}

TEST(Watches, WithoutANotifyItHasFailed) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.respond(200, "Expires: 3600\n");
  s.pass(33s);
  EXPECT_EQ(s.standing(), "waiting");
  EXPECT_EQ(s.take(), Texts{});
}

// --- what users do

TEST(Watches, UnsubscribingEndsTheDialog) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.xmpp(pb::Presence::UNSUBSCRIBE);
  EXPECT_EQ(s.take(), (Texts{"sip closed", "UNSUBSCRIBED"}));
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].expires_s, 0u);
  s.notify("terminated;reason=timeout");
  EXPECT_EQ(s.take(), Texts{});
  EXPECT_EQ(s.standing(), "none");
  EXPECT_EQ(s.xmpp(pb::Presence::UNSUBSCRIBE), Took::kTaken);
  EXPECT_EQ(s.take(), Texts{});
}

TEST(Watches, NobodyIsAskedForWhoIsAway) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.online("one", true);
  s.online("two", true);
  s.online("one", false);
  s.pass(10min);
  EXPECT_EQ(s.standing(), "active");
  s.take();
  s.online("two", false);
  EXPECT_EQ(s.take(), Texts{"PROBE"}) << "there may be others";
  s.pass(4min);
  EXPECT_EQ(s.asked.size(), 1u);
  s.pass(61s);
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_EQ(s.asked[1].expires_s, 0u);
  EXPECT_EQ(s.standing(), "paused");
  s.pass(10min);
  EXPECT_EQ(s.take(), Texts{});
  s.online("one", true);
  ASSERT_EQ(s.asked.size(), 3u);
  EXPECT_EQ(s.asked[2].expires_s, 3600u);
  s.accept(kOpen);
  EXPECT_EQ(s.take(), Texts{"sip open"});
}

TEST(Watches, UnavailableOfWhoWasNotSeenIsNoLeave) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.online("", false);
  EXPECT_EQ(s.take(), Texts{}) << "he need not have let the contact see him";
  s.pass(10min);
  EXPECT_EQ(s.standing(), "active");
}

TEST(Watches, AProbeAfterAPauseIsAnsweredWhenTheStateIsKnown) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.online("one", true);
  s.online("one", false);
  s.pass(6min);
  s.take();
  s.xmpp(pb::Presence::PROBE, "one");
  EXPECT_EQ(s.take(), Texts{});
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
}

TEST(Watches, WhoComesBackInTimeHasMissedNothing) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.online("one", true);
  s.online("one", false);
  s.pass(4min);
  s.online("one", true);
  s.pass(10min);
  EXPECT_EQ(s.asked.size(), 1u);
  EXPECT_EQ(s.standing(), "active");
}

TEST(Watches, WhoIsNotHeardOfForAMonthIsForgotten) {
  Scene s;
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.respond(405);
  s.take();
  s.pass(24h * 29);
  s.xmpp(pb::Presence::PROBE);
  s.respond(405);
  s.take();
  s.pass(24h * 29);
  EXPECT_EQ(s.watches->size(), 1u);
  s.pass(24h * 2);
  EXPECT_EQ(s.watches->size(), 0u);
  EXPECT_EQ(s.take(), Texts{}) << "the roster has it still";
}

TEST(Watches, GrantsAndRefusalsOfXmppAreNotItsBusiness) {
  Scene s;
  EXPECT_EQ(s.xmpp(pb::Presence::SUBSCRIBED), Took::kNotMine);
  EXPECT_EQ(s.xmpp(pb::Presence::UNSUBSCRIBED), Took::kNotMine);
  EXPECT_EQ(s.xmpp(pb::Presence::FAILED), Took::kNotMine);
  s.online("one", true);
  EXPECT_EQ(s.watches->size(), 0u);
}

// --- bounds

TEST(Watches, AUserHasABound) {
  WatchOptions options;
  options.max_watches_per_user = 2;
  Scene s(options);
  const auto ask = [&](const std::string& user, int i) {
    return s.xmpp(pb::Presence::SUBSCRIBE, {}, user, "sip:b" + std::to_string(i) + "@sip.test");
  };
  EXPECT_EQ(ask(kAnn, 1), Took::kTaken);
  EXPECT_EQ(ask(kAnn, 2), Took::kTaken);
  EXPECT_EQ(ask(kAnn, 3), Took::kOverloaded);
  EXPECT_EQ(ask(kAnn, 1), Took::kTaken);
  EXPECT_EQ(ask("sip:eve*x.test@gw.test", 1), Took::kTaken);
  s.xmpp(pb::Presence::UNSUBSCRIBE, {}, kAnn, "sip:b1@sip.test");
  EXPECT_EQ(ask(kAnn, 3), Took::kTaken);
}

TEST(Watches, AllTogetherHaveABound) {
  WatchOptions options;
  options.max_watches = 2;
  Scene s(options);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(s.xmpp(pb::Presence::PROBE, {}, "sip:u" + std::to_string(i) + "*x.test@gw.test"),
              i < 2 ? Took::kTaken : Took::kOverloaded);
  }
}

TEST(Watches, NewOnesComeNotTooFast) {
  Scene s;
  int taken = 0;
  const auto ask = [&](const std::string& user, int i) {
    if (s.xmpp(pb::Presence::PROBE, {}, user, "sip:b" + std::to_string(i) + "@sip.test") == Took::kTaken)
      ++taken;
  };
  for (int i = 0; i < 100; ++i) ask(kAnn, i);
  EXPECT_LE(taken, 40);
  taken = 0;
  for (int i = 0; i < 1000; ++i) ask("sip:u" + std::to_string(i) + "*x.test@gw.test", i);
  EXPECT_LE(taken, 400);
}

// --- the death of a stream

std::vector<pb::Member> worker(uint64_t connection) {
  pb::Member member;
  member.set_role(pb::WORKER);
  member.set_name("component-1");
  member.mutable_serving()->set_state(pb::READY);
  member.mutable_serving()->set_backend(pb::COMPONENT);
  member.mutable_serving()->set_connection(connection);
  return {member};
}

TEST(Watches, WhatWasSaidInAStreamThatBrokeIsSaidAgain) {
  Scene s;
  s.stream(worker(1));
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.stream({});
  s.pass(5s);
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
  s.stream(worker(2));
  s.pass(5s);
  EXPECT_EQ(s.take(), Texts{});
  s.notify("active", kClosed);
  s.take();
  s.stream(worker(3));
  s.pass(5s);
  EXPECT_EQ(s.take(), Texts{"sip closed"});
  s.notify("active", {});
  s.pass(301s);
  s.take();
  s.stream(worker(4));
  s.pass(5s);
  EXPECT_EQ(s.take(), Texts{}) << "that arrived";
}

TEST(Watches, ADeviceThatWentWithAStreamIsGone) {
  Scene s;
  s.stream(worker(1));
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kOpen);
  s.notify("active", {});
  s.take();
  s.stream(worker(2));
  s.pass(5s);
  EXPECT_EQ(s.take(), Texts{"sip closed"});
}

// --- the death of the process

TEST(Watches, AfterADeathNothingIsSaidThatHeKnows) {
  Scene s;
  s.keep();
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.kill();
  EXPECT_EQ(s.watches->size(), 1u);
  s.pass(31s);
  ASSERT_EQ(s.asked.size(), 2u);
  EXPECT_NE(s.asked[1].dialog.call_id, s.asked[0].dialog.call_id);
  EXPECT_EQ(s.take(), Texts{});
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{});
  s.kill();
  s.pass(31s);
  s.accept(kOpen);
  EXPECT_EQ(s.take(), Texts{"sip open"});
  s.kill();
  s.pass(31s);
  s.accept({});
  EXPECT_EQ(s.take(), Texts{"sip closed"});
}

TEST(Watches, WhatWasNotThereBeforeTheDeathIsSaidAfterIt) {
  Scene s;
  s.keep();
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.dead_stream = true;
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{"SUBSCRIBED"});
  s.kill();
  s.dead_stream = false;
  s.pass(31s);
  s.accept(kDesk);
  EXPECT_EQ(s.take(), (Texts{"SUBSCRIBED", "sip open 'at desk'"}));
  s.dead_stream = true;
  s.notify("active", kOpen);
  EXPECT_EQ(s.take(), Texts{"sip open"});
  s.kill();
  s.dead_stream = false;
  s.pass(31s);
  s.accept(kOpen);
  EXPECT_EQ(s.take(), Texts{"sip open"});
}

TEST(Watches, NobodyIsUnsubscribedByADeath) {
  for (const int status : {403, 404, 405, 480, 503}) {
    Scene s;
    s.keep();
    s.xmpp(pb::Presence::SUBSCRIBE);
    s.accept(kDesk);
    s.take();
    s.kill();
    s.pass(31s);
    s.respond(status);
    s.pass(30s);
    EXPECT_EQ(s.take(), Texts{});
    s.pass(31s);
    EXPECT_EQ(s.take(), Texts{"sip closed"});
    EXPECT_EQ(s.watches->size(), 1u);
  }
}

TEST(Watches, AProbeBeforeTheStateIsKnownAgainIsAnsweredThen) {
  Scene s;
  s.keep();
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.take();
  s.kill();
  s.xmpp(pb::Presence::PROBE, "desk");
  EXPECT_EQ(s.take(), Texts{});
  s.pass(31s);
  s.accept(kDesk);
  EXPECT_EQ(s.take(), Texts{"sip open 'at desk'"});
}

TEST(Watches, WhatEndedStaysSo) {
  Scene s;
  s.keep();
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.kill();
  s.xmpp(pb::Presence::UNSUBSCRIBE);
  s.kill();
  EXPECT_EQ(s.watches->size(), 0u);
}

TEST(Watches, FirstRequestsAfterAStartAreSpreadAndHaveNoBound) {
  Scene s;
  s.keep();
  for (int i = 0; i < 300; ++i) {
    s.xmpp(pb::Presence::PROBE, {}, "sip:u" + std::to_string(i % 50) + "*x.test@gw.test",
           "sip:b" + std::to_string(i) + "@sip.test");
    if (i % 10 == 9) s.pass(1s);
  }
  EXPECT_EQ(s.watches->size(), 300u);
  s.asked.clear();
  s.kill();
  EXPECT_EQ(s.watches->size(), 300u);
  s.pass(500ms);
  EXPECT_GT(s.asked.size(), 50u);
  EXPECT_LT(s.asked.size(), 250u);
  s.pass(500ms);
  EXPECT_EQ(s.asked.size(), 300u);
}

TEST(Watches, TheyCanBeForgotten) {
  Scene s;
  s.keep();
  s.xmpp(pb::Presence::SUBSCRIBE);
  s.accept(kDesk);
  s.xmpp(pb::Presence::PROBE, {}, "sip:eve*x.test@gw.test");
  s.take();
  EXPECT_EQ(s.watches->list(kAnn, 10).size(), 1u);
  EXPECT_EQ(s.watches->list(kBob, 10).size(), 2u);
  EXPECT_EQ(s.watches->forget(kAnn), 1u);
  s.turn();
  EXPECT_EQ(s.take(), Texts{});
  EXPECT_EQ(s.asked.back().expires_s, 0u);
  EXPECT_EQ(s.watches->forget({}), 1u);
  s.turn();
  s.kill();
  EXPECT_EQ(s.watches->size(), 0u);
}

}  // namespace
}  // namespace stox

// SIP users in XMPP rooms (XEP-0045): who writes to a room is in it. Here are the memberships, what a phone
// writes to a room, and what a room says that is not for the phone's screen. What people say in it goes the
// way of all messages (page/), with the user's one occupant address, USER/sip.
//
// Each worker of the domains has every membership, on disk too: they tell each other of all that changes, and
// any of them takes what a room sends. The one that acts_for() a membership brings it back when it is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/bucket.h"
#include "common/base/clock.h"
#include "common/base/jid.h"
#include "common/base/result.h"
#include "common/journal/kept_table.h"
#include "common/service/log.h"
#include "common/service/trace.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "proto/rooms.pb.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/services/stanza_sender.h"
#include "xmpp_worker/xmpp/stanza/rooms.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stanza/stanza_id.h"

namespace stox::worker {

class RoomsUser {
 public:
  virtual ~RoomsUser() = default;
  // A message of an occupant, to his room or to another one in it: it ends by Rooms::ended().
  virtual void carry(const pb::Envelope&, Time begin_before) = 0;
  // A message that has waited to be known as one to a room, or as none.
  virtual void begin_again(const pb::Envelope&, Time begin_before) = 0;
  virtual void finish_of_room(const pb::EnvelopeId&, const pb::Outcome&) = 0;
  // Words about a room, as if it had said them, in place of so many messages. `because_of`: the JID of whom
  // they cost a share.
  virtual void tell_phone(std::string_view user, std::string_view room, std::string_view text,
                          std::string_view because_of, unsigned messages) = 0;
  // A room has shown a stanza of some worker of our domains to all who are in it.
  virtual void reflected(const xmpp::Stanza&, uint64_t stream) = 0;
  // The JID of an address that a person has typed.
  virtual Result<std::string> jid_of(std::string_view typed) const = 0;
  virtual const std::string& own_domain() const = 0;
  virtual bool acts_for(std::string_view user, std::string_view room) const = 0;
  // The other workers of our domains, by name and epoch of their process.
  virtual std::map<std::string, uint64_t> siblings() const = 0;
  // In order with what was told with this number before.
  virtual void tell_sibling(const std::string& worker, uint64_t epoch, uint64_t stream,
                            const pb::RoomNews&) = 0;
  virtual void publish_soon() = 0;  // publish() is to be called at the end of this wakeup
};

class Rooms {
 public:
  static constexpr std::size_t kMaxOfUser = 50, kMaxOfRoom = 200, kMax = 20'000;  // memberships
  static constexpr std::size_t kMaxHeldOfOne = 16, kMaxHeld = 1024;               // messages that wait
  static constexpr std::size_t kMaxPassword = 256;                                // bytes
  static constexpr double kRate = 1, kBurst = 20;   // messages a second of a room to one user
  static constexpr std::size_t kMaxSubject = 1024;  // bytes
  static constexpr std::size_t kMaxOccupants = 200,
                               kMaxNickOfOthers = 100;             // that are known of a room; bytes
  static constexpr Duration kNewcomer = std::chrono::seconds(10);  // is told what has been
  static constexpr Duration kDomainKnown = std::chrono::hours(1);  // whether it has rooms
  static constexpr int64_t kSlackS = 30;                           // between the clocks of rooms and ours

  enum class Which { kOff, kListed, kAny };
  struct Settings {
    Which which = Which::kOff;
    std::vector<std::string> domains;  // prepared; of kListed
    char command = '#';                // begins what is for the gateway
    char separator = '*';              // of SIP users' domains in our addresses; 0 = none
  };
  struct Figures {
    uint64_t joined = 0, refused = 0, lost = 0, said = 0, shown = 0, left_out = 0;
  };

  // All references must outlive it. Nothing is touched before open().
  Rooms(std::string path, xmpp::StanzaIds&, const Clock&, service::Log&, service::Trace&, StanzaSender&,
        RoomsUser&);

  // What the process before us has left. An Error in words for an operator: nothing is kept until it
  // succeeds.
  Result<void> open();
  bool is_open() const { return is_open_ || settings_.which == Which::kOff; }
  void set(Settings);

  // --- from SIP

  // A message whose recipient may be a room, or one in a room. False: it is none of these.
  bool begin(const pb::Envelope&, Time begin_before);
  // False: it is none that was carried to a room.
  bool ended(const pb::EnvelopeId&, const pb::Outcome&);
  // What became of what a room said, or of what stood for so many of its messages.
  void shown(std::string_view user, std::string_view room, Shown, unsigned messages);

  // --- from XMPP

  bool take_presence(const xmpp::Stanza&);  // false: it is not a room's, to one who is in it
  enum class Taken { kNo, kDone, kForPhone };
  Taken take_message(const xmpp::Stanza&, uint64_t stream);
  void answered(const xmpp::StanzaId&, const xmpp::Stanza&);  // to what is written here

  // --- the process

  // What rooms of this domain have sent may have come to nobody, and they may have lost us; empty: of any.
  void may_lack(std::string_view domain);
  void siblings_changed();
  void tell_all_again();  // what was told may not have arrived
  void news(const pb::RoomNews&);
  void turn();                                  // once a second
  void publish();                               // what has changed: to disk, and to the siblings
  void stop();                                  // what waits ends
  void drop_held(pb::Reason, const char* why);  // the same, while others may go on with it

  // Users as bare JIDs; empty: all.
  nlohmann::json list(const std::vector<std::string>& users) const;
  std::size_t leave(const std::vector<std::string>& users, const std::string& room);  // how many
  std::size_t size() const;  // memberships that are not LEFT
  std::size_t held() const { return held_; }
  const Figures& figures() const { return figures_; }

 private:
  struct Held {
    pb::Envelope envelope;
    Time begin_before;
    bool is_command = false;
    bool is_second = false;  // the room has refused it once, as we were not in it
  };
  struct Entry {
    pb::Membership kept;
    bool is_dirty = false;
    std::deque<Held> held;  // until we are in
    Time join_until{};      // JOINING
    Time look_at{};         // OUT: join; IN: ask whether we are
    int tries = 0;          // to come back
    std::string wanted_nick;
    int nick_tries = 0;
    // What was said, or who is there: it is to come in once more, to be told, and stays in it meanwhile.
    bool may_lack = false;
    int asked_again = 0;
    // The last stamp when that began; counts until the room has told what it has. 0 = nothing lacks.
    int64_t lack_since_s = 0;
    Time lack_until{};
    Time newcomer_until{};  // each newcomer is told the topic
    Time entered_at{};
    std::deque<int64_t> seen_at;  // Unix time, of the last of kept.seen()
    Bucket bucket{kBurst, kRate, Time{}};
    unsigned left_out = 0;
  };
  struct Carried {
    std::string key;  // of the membership
    Held held;
  };
  struct Asked {  // whether a domain is one of rooms
    std::deque<Held> held;
    Time until{};
  };
  struct Early {  // a room's answer to a join of which another worker is about to tell
    std::string nick;
    std::optional<xmpp::StanzaError> error;
    bool is_new_room = false;
    Time until{};
  };
  struct Told {
    uint64_t epoch, stream;
  };
  using EnvelopeKey = std::tuple<std::string, uint64_t, uint64_t>;

  static std::string key_of(std::string_view user, std::string_view room);
  static EnvelopeKey key_of(const pb::EnvelopeId&);
  static std::string occupant_of(const Entry& e) {
    return e.kept.user() + "/" + std::string(xmpp::kOccupantResource);
  }
  Entry* find(std::string_view user, std::string_view room);  // null for one that is LEFT, too
  Result<Entry*> find_or_add(const std::string& user, const std::string& room);
  template <class Function>
  void each_of(const std::vector<std::string>& users, Function) const;

  // from SIP
  enum class Is { kRoom, kNone, kNotKnown };  // its domain is to be asked
  Is is_room(const pb::XmppMessage&);
  void ask_domain(const std::string& domain, const pb::Envelope&, Time begin_before);
  void begin_words(const pb::Envelope&, Time begin_before);
  bool begin_private(const pb::Envelope&, Time begin_before);
  void begin_message(Entry&, Held);
  void carry(Entry&, Held);
  void carry_private(const Entry&, const pb::Envelope&, Time begin_before, const std::string& to,
                     std::string_view text);
  // Commands of those who are in the room.
  void command(Entry&, const pb::Envelope&, Time begin_before);
  void set_nick(Entry&, std::string_view);
  void set_subject(Entry&, std::string_view);
  void invite(Entry&, std::string_view typed);
  bool hold(Entry&, Held);  // false: it has ended
  void carry_held(Entry&);
  void end_held(Entry&, const pb::Outcome&);
  void end(const pb::Envelope&, const pb::Outcome&, const char* decision);
  void done(const pb::Envelope&, const char* decision);
  std::string nick_for(const pb::XmppMessage&) const;

  // the membership
  void join(Entry&);
  void entered(Entry&, const std::string& nick, bool is_new_room = false);
  void left(Entry&, const xmpp::RoomPresence&);
  void refused(Entry&, const xmpp::StanzaError&, bool is_about_nick = false);
  void refused_as_told(Entry&, const xmpp::StanzaError&);
  void leave(Entry&, std::string_view why);
  void is_out(Entry&, Duration back_in);
  void is_left(Entry&, const pb::Outcome& held);
  static Duration next_try(Entry&);
  void changed(Entry&);
  void touched(Entry&);  // in what has no version
  bool merge(const pb::Membership&);
  void tell(const std::string& worker, const Told&, const std::vector<const Entry*>&);

  // from XMPP
  Taken take_room_message(Entry&, const xmpp::Stanza&, const Jid& from, uint64_t stream);
  void came_early(const std::string& key, const Jid& from, const xmpp::Stanza&);
  void take_early(Entry&);
  void end_early();
  bool is_stray(const std::string& key);
  bool invited(const xmpp::Stanza&);
  bool has_words(const xmpp::Stanza&) const;  // whose content is in content_
  bool is_seen(const Entry&, uint64_t mark) const;
  bool may_be_seen(const Entry&, int64_t delay_s) const;
  void see(Entry&, uint64_t mark, int64_t stamp_s, bool is_shown);
  void domain_answered(std::string_view domain, bool is_room_service, Duration known_for);
  void note_occupant(const Jid& occupant, bool is_available);
  void members_came(Entry&, const xmpp::Stanza&);
  void turn(Entry&, int* budget);
  void lacks(Entry&);
  void forget_left();
  void forget_occupants(std::string_view room);  // if nobody of ours is there any more

  std::string new_id(std::string_view what, std::string_view from, std::string_view to);
  void send(const Entry&);  // what is in xml_, to the room
  void say(const Entry&, std::string_view text);
  void say_left_out(Entry&);
  void say_what_happened(Entry&, std::string_view text);  // if the room has not said too much
  void say(std::string_view user, std::string_view room, std::string_view text) {
    user_.tell_phone(user, room, text, room, 1);
  }
  bool is_listed(std::string_view domain) const;
  bool may_be_room(std::string_view domain) const;  // as far as is known
  std::string_view sip_domain_of(std::string_view user) const;
  Time now() const { return clock_.now(); }
  int64_t now_s() const { return clock_.wall_us() / 1'000'000; }

  KeptTable kept_;
  xmpp::StanzaIds& ids_;
  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  StanzaSender& sender_;
  RoomsUser& user_;
  Settings settings_;
  std::unordered_map<std::string, Entry> entries_;
  std::vector<std::string> dirty_;
  std::vector<std::string> later_;                                    // dirty by what may wait for a second
  pb::RoomNews news_;                                                 // to be told besides memberships
  std::unordered_map<std::string, std::set<std::string>> occupants_;  // nicks, by room
  std::map<std::string, Told> told_;                                  // siblings that have all
  std::map<std::string, Time> strays_;  // memberships that nobody knows, and since when their rooms speak
  uint64_t last_stream_ = 0;
  bool tells_all_again_ = false;
  std::map<EnvelopeKey, Carried> carried_;
  std::map<std::string, Early> early_;                                       // by membership
  std::map<std::string, Asked, std::less<>> asked_;                          // domains
  std::map<std::string, std::pair<bool, Time>, std::less<>> known_domains_;  // and until when
  std::size_t held_ = 0;
  uint64_t last_id_ = 0;
  bool is_open_ = false, has_trouble_ = false;  // with the disk, told
  Figures figures_;
  xmpp::MessageContent content_;  // reused, as this is
  std::string xml_;
};

}  // namespace stox::worker

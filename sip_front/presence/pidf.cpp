#include "sip_front/presence/pidf.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "common/xml/small_xml.h"

namespace stox {
namespace {

using Activity = pb::PresenceState::Activity;
using Notes = std::vector<pb::XmppText>;

constexpr std::size_t kMaxTuples = 64;
constexpr std::size_t kMaxNotes = 16;
constexpr std::size_t kMaxNote = 1024;  // each of many devices may repeat it
constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxResource = 256;
constexpr std::string_view kOneForAll = "sip";

constexpr XmlNamespace kNamespaces[] = {
    {"", "urn:ietf:params:xml:ns:pidf"},
    // COMPAT(Kamailio 5.6 pua_xmpp): writes person, which is of the data model, in the namespace of PIDF.
    {"", "urn:ietf:params:xml:ns:pidf:data-model"},
    {"", "urn:ietf:params:xml:ns:pidf:rpid"},
    {"jabber:", "jabber:client"},
    {"ag:", "urn:ag-projects:xml:ns:pidf"},  // COMPAT(Blink, SylkServer)
};

struct Word {
  std::string_view word;
  Activity activity;
};

constexpr Word kShows[] = {  // RFC 6121 4.7.2.1
    {"chat", pb::PresenceState::CHAT},
    {"away", pb::PresenceState::AWAY},
    {"xa", pb::PresenceState::LONG_AWAY},
    {"dnd", pb::PresenceState::BUSY}};

constexpr Word kExtended[] = {{"available", pb::PresenceState::NONE},
                              {"away", pb::PresenceState::AWAY},
                              {"extended-away", pb::PresenceState::LONG_AWAY},
                              {"busy", pb::PresenceState::BUSY}};

constexpr std::string_view kOnThePhone = "on-the-phone";
constexpr Word kActivities[] = {  // RFC 4480 3.2
    {kOnThePhone, pb::PresenceState::BUSY},     {"busy", pb::PresenceState::BUSY},
    {"meeting", pb::PresenceState::BUSY},       {"presentation", pb::PresenceState::BUSY},
    {"performance", pb::PresenceState::BUSY},   {"appointment", pb::PresenceState::BUSY},
    {"spectator", pb::PresenceState::BUSY},     {"worship", pb::PresenceState::BUSY},
    {"vacation", pb::PresenceState::LONG_AWAY}, {"holiday", pb::PresenceState::LONG_AWAY},
    {"travel", pb::PresenceState::LONG_AWAY},   {"permanent-absence", pb::PresenceState::LONG_AWAY},
    {"away", pb::PresenceState::AWAY},          {"sleeping", pb::PresenceState::AWAY},
    {"breakfast", pb::PresenceState::AWAY},     {"lunch", pb::PresenceState::AWAY},
    {"dinner", pb::PresenceState::AWAY},        {"meal", pb::PresenceState::AWAY},
    {"in-transit", pb::PresenceState::AWAY},    {"steering", pb::PresenceState::AWAY},
    {"shopping", pb::PresenceState::AWAY},      {"tv", pb::PresenceState::AWAY},
    {"other", pb::PresenceState::AWAY},         {"looking-for-work", pb::PresenceState::AWAY},
    {"playing", pb::PresenceState::AWAY}};

// COMPAT(Kamailio pua_xmpp, pua_dialoginfo): say it in a note only.
constexpr Word kNotes[] = {
    {"away", pb::PresenceState::AWAY},       {"busy", pb::PresenceState::BUSY},
    {"dnd", pb::PresenceState::BUSY},        {"do not disturb", pb::PresenceState::BUSY},
    {"busy (dnd)", pb::PresenceState::BUSY}, {"on the phone", pb::PresenceState::BUSY}};

std::optional<Activity> find(std::span<const Word> words, std::string_view word) {
  const auto at = std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.word == word; });
  return at == words.end() ? std::nullopt : std::optional(at->activity);
}

// What a tuple, or all persons together, say.
struct Said {
  std::optional<Activity> show, extended, activity;  // in the order in which they count
  bool on_the_phone = false;
  Notes notes;

  std::optional<Activity> word() const { return show ? show : extended ? extended : activity; }

  void take_activity(std::string_view name) {
    const auto known = find(kActivities, name);
    if (!known) return;
    activity = std::max(*known, activity.value_or(*known));  // they stand in the order of how busy one is
    on_the_phone = on_the_phone || name == kOnThePhone;
  }
};

struct Tuple {
  std::string resource = std::string(kOneForAll);
  std::optional<bool> open;
  Said said;
  int priority = 0;
  int64_t since_s = 0;
};

// One note for each language: a presence stanza has no more.
void take_note(const SmallElement& element, Notes& notes) {
  const auto same = [&](const pb::XmppText& note) { return ascii_iequal(note.lang(), element.lang); };
  if (element.text.empty() || notes.size() == kMaxNotes || std::any_of(notes.begin(), notes.end(), same))
    return;
  notes.emplace_back().set_lang(element.lang);
  notes.back().set_text(one_line(element.text, kMaxNote));
}

bool is_resource(std::string_view text) {
  return !text.empty() && text.size() <= kMaxResource && is_utf8(text) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

// qvalue of RFC 3863 4.1.4 to the number of RFC 8048 6.2.
int priority_of(std::string_view qvalue) {
  if (qvalue.starts_with('1')) return 127;
  if (!qvalue.starts_with("0.") || qvalue.size() > 5) return 0;
  std::string thousandths(qvalue.substr(2));
  thousandths.resize(3, '0');
  const auto number = parse_number(thousandths, 0, 999);
  return number ? static_cast<int>((*number * 127 + 500) / 1000) : 0;
}

void take_contact(const SmallElement& contact, Tuple& tuple) {
  tuple.priority = priority_of(contact.attribute("priority"));
  const auto uri = parse_sip_uri(contact.text);
  const auto gr = uri ? percent_decode(uri->param("gr").value_or("")) : std::nullopt;
  if (gr && is_resource(*gr)) tuple.resource = *gr;
}

Tuple begin_tuple(std::string_view id) {
  constexpr std::string_view kPrefix = "ID-";  // RFC 8048 6.2
  Tuple out;
  if (id.starts_with(kPrefix) && is_resource(id.substr(kPrefix.size())))
    out.resource = id.substr(kPrefix.size());
  return out;
}

void take_status(std::string_view name, const SmallElement& element, Tuple& tuple) {
  if (name == "basic") {
    if (ascii_iequal(element.text, "open") || ascii_iequal(element.text, "closed"))
      tuple.open = ascii_iequal(element.text, "open");
  } else if (name == "jabber:show") {
    tuple.said.show = find(kShows, element.text);
  } else if (name == "ag:extended") {
    tuple.said.extended = find(kExtended, element.text);
  }
}

// `path` is what follows that of the tuple, or of the person.
void take_said(std::string_view path, const SmallElement& element, Said& said) {
  constexpr std::string_view kIn = "activities/";
  if (path == "note" || path == "activities/note") {
    take_note(element, said.notes);
  } else if (path.starts_with(kIn)) {
    said.take_activity(path.substr(kIn.size()));
  }
}

void take_in_tuple(std::string_view path, const SmallElement& element, Tuple& tuple) {
  constexpr std::string_view kStatus = "status/";
  if (path == "contact") {
    take_contact(element, tuple);
  } else if (path == "timestamp") {
    tuple.since_s = parse_timestamp(element.text).value_or(0);
  } else if (path.starts_with(kStatus)) {
    take_status(path.substr(kStatus.size()), element, tuple);
    take_said(path.substr(kStatus.size()), element, tuple.said);
  } else {
    take_said(path, element, tuple.said);
  }
}

struct Document {
  std::vector<Tuple> tuples;
  Said persons;
  Notes notes;
};

Result<Document> take(const std::vector<SmallElement>& elements) {
  constexpr std::string_view kTuple = "/presence/tuple", kPerson = "/presence/person/";
  Document out;
  for (const SmallElement& element : elements) {
    const std::string_view path = element.path;
    if (path == kTuple) {
      if (out.tuples.size() == kMaxTuples) return error("more than 64 tuples");
      out.tuples.push_back(begin_tuple(element.attribute("id")));
    } else if (path.starts_with("/presence/tuple/")) {
      take_in_tuple(path.substr(kTuple.size() + 1), element, out.tuples.back());
    } else if (path.starts_with(kPerson)) {
      take_said(path.substr(kPerson.size()), element, out.persons);
    } else if (path == "/presence/note") {
      take_note(element, out.notes);
    }
  }
  // RFC 3863 lets basic be missing. Who has extended it says by that whether he is there.
  for (Tuple& tuple : out.tuples) {
    if (!tuple.open && tuple.said.extended) tuple.open = true;
  }
  std::erase_if(out.tuples, [](const Tuple& tuple) { return !tuple.open; });
  // Who shows what each device does says of the person what the best one does.
  if (std::any_of(out.tuples.begin(), out.tuples.end(),
                  [](const Tuple& t) { return t.said.show.has_value(); })) {
    out.persons.activity.reset();
    out.persons.on_the_phone = false;
  }
  return out;
}

const Notes& notes_of(const std::vector<const Tuple*>& tuples, const Document& document) {
  for (const Tuple* tuple : tuples) {
    if (!tuple->said.notes.empty()) return tuple->said.notes;
  }
  return document.persons.notes.empty() ? document.notes : document.persons.notes;
}

Activity activity_of(const std::vector<const Tuple*>& tuples, const Document& document, const Notes& notes) {
  for (const Tuple* tuple : tuples) {
    if (const auto word = tuple->said.word()) return *word;
  }
  if (const auto word = document.persons.word()) return *word;
  for (const pb::XmppText& note : notes) {
    if (const auto word = find(kNotes, ascii_lower(note.text()))) return *word;
  }
  return pb::PresenceState::NONE;
}

// Of the tuples of one device, of which there is at least one.
pb::PresenceState state_of(std::vector<const Tuple*> tuples, const Document& document) {
  std::stable_sort(tuples.begin(), tuples.end(), [](const Tuple* a, const Tuple* b) {
    return std::pair(*a->open, a->priority) > std::pair(*b->open, b->priority);
  });
  const Tuple& best = *tuples.front();
  // What is said where he is not any more does not count.
  std::erase_if(tuples, [&](const Tuple* tuple) { return tuple->open != best.open; });

  pb::PresenceState state;
  state.set_available(*best.open);
  state.set_priority(best.priority);
  state.set_since_s(best.since_s);
  const Notes& notes = notes_of(tuples, document);
  for (const pb::XmppText& note : notes) *state.add_notes() = note;
  if (!state.available()) return state;
  state.set_activity(activity_of(tuples, document, notes));
  const bool on_the_phone =
      document.persons.on_the_phone ||
      std::any_of(tuples.begin(), tuples.end(), [](const Tuple* tuple) { return tuple->said.on_the_phone; });
  if (on_the_phone && notes.empty()) {
    state.add_notes()->set_text("On the phone");
    state.mutable_notes(0)->set_lang("en");
  }
  return state;
}

std::string address_of(std::string_view user, std::string_view resource) {
  static constexpr CharClass kParamChars("-_.!~*'()[]/:&+$");  // RFC 3261 25.1
  return std::string(user) +
         ";gr=" + percent_encode(resource, [](unsigned char c) { return kParamChars.has(c); });
}

}  // namespace

Result<std::vector<Device>> read_pidf(std::string_view text, std::string_view user) {
  const auto elements = read_small_xml(text, kNamespaces, {kMaxPidf, kMaxDepth});
  if (!elements) return error("no presence document: " + elements.error().text);
  if (elements->empty() || elements->front().path != "/presence")
    return error("no presence document: its root is another one");
  const auto document = take(*elements);
  if (!document) return error("no presence document: " + document.error().text);

  std::map<std::string_view, std::vector<const Tuple*>> by_resource;
  for (const Tuple& tuple : document->tuples) by_resource[tuple.resource].push_back(&tuple);
  std::vector<Device> out;
  for (auto& [resource, tuples] : by_resource)
    out.push_back({address_of(user, resource), state_of(std::move(tuples), *document)});
  return out;
}

}  // namespace stox

#include <algorithm>
#include <array>
#include <cstdio>
#include <tuple>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "common/xml/small_xml.h"
#include "sip_front/presence/pidf.h"

namespace stox {
namespace {

using pb::PresenceState;

// COMPAT(baresip 1.0): reads by regular expressions, hence no prefix on what is PIDF's own, these two
// prefixes, and activities as empty tags.
constexpr std::string_view kBegin =
    "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
    "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"";
constexpr std::size_t kMaxNotes = 16;  // of a document
constexpr std::size_t kMaxNote = 1024;

std::string as_xml(std::string_view text) {
  return is_utf8(text) ? xml_escape(xml_legal(text)) : std::string();
}

struct Spelling {
  std::string_view show, activity;  // empty: nothing is said
  int rank;                         // of several devices of the same priority the lowest is the best
};

Spelling spelling_of(PresenceState::Activity activity) {
  switch (activity) {
    case PresenceState::CHAT:
      return {"chat", {}, 0};
    case PresenceState::BUSY:
      return {"dnd", "busy", 2};
    case PresenceState::AWAY:
      return {"away", "away", 3};
    case PresenceState::LONG_AWAY:
      return {"xa", "away", 4};
    default:
      return {{}, {}, 1};
  }
}

// In the order in which they are shown.
bool is_better(const Device* a, const Device* b) {
  const auto key = [](const PresenceState& s) {
    return std::tuple(s.available(), s.priority(), -spelling_of(s.activity()).rank, s.since_s());
  };
  const auto key_a = key(a->state), key_b = key(b->state);
  return key_a != key_b ? key_a > key_b : a->address < b->address;
}

// xs:ID: each byte that may not stand in one as _HH.
std::string id_of(const Device& device, std::size_t number) {
  const auto uri = parse_sip_uri(device.address);
  const auto resource = uri ? percent_decode(uri->param("gr").value_or("")) : std::nullopt;
  if (!resource || resource->empty()) return "t" + std::to_string(number);
  constexpr CharClass kKept("-.");
  std::string out = "ID-";
  for (const char c : *resource) {
    if (kKept.has(c)) {
      out += c;
    } else {
      out.append("_").append(to_hex({&c, 1}));
    }
  }
  return out;
}

// The notes of one device, as elements of this name, as far as there is room for them.
std::string notes_of(const PresenceState& state, std::string_view name, std::size_t& room) {
  constexpr CharClass kLanguageChars("-");
  std::string out;
  for (const pb::XmppText& note : state.notes()) {
    const std::string text =
        is_utf8(note.text()) ? xml_escape(one_line(xml_legal(note.text()), kMaxNote)) : std::string();
    if (text.empty() || room == 0) continue;
    --room;
    out.append("<").append(name);
    if (!note.lang().empty() && note.lang().size() <= 64 && kLanguageChars.has_all(note.lang()))
      out.append(" xml:lang=\"").append(note.lang()).append("\"");
    out.append(">").append(text).append("</").append(name).append(">");
  }
  return out;
}

// RFC 8048 6.2: a negative priority has no counterpart.
std::string priority_of(int32_t priority) {
  if (priority < 0) return {};
  std::array<char, 32> out{};
  const int thousandths = std::min(priority, 127) * 1000 / 127;
  std::snprintf(out.data(), out.size(), " priority=\"%d.%03d\"", thousandths / 1000, thousandths % 1000);
  return out.data();
}

void write_tuple(const Device& device, std::size_t number, std::size_t& room, std::string& out) {
  const PresenceState& state = device.state;
  const std::string_view show = state.available() ? spelling_of(state.activity()).show : std::string_view();
  out.append("<tuple id=\"").append(id_of(device, number)).append("\"><status><basic>");
  out.append(state.available() ? "open" : "closed").append("</basic>");
  if (!show.empty()) out.append("<show xmlns=\"jabber:client\">").append(show).append("</show>");
  out.append("</status>");
  if (state.available())
    out.append("<contact")
        .append(priority_of(state.priority()))
        .append(">")
        .append(as_xml(device.address))
        .append("</contact>");
  out.append(notes_of(state, "note", room));
  if (state.since_s() > 0)
    out.append("<timestamp>").append(format_timestamp(state.since_s())).append("</timestamp>");
  out.append("</tuple>");
}

void write_person(const PresenceState& best, std::size_t& room, std::string& out) {
  const std::string_view activity = spelling_of(best.activity()).activity;
  const std::string notes = notes_of(best, "dm:note", room);
  if (activity.empty() && notes.empty()) return;
  out.append("<dm:person id=\"p1\">");
  if (!activity.empty())
    out.append("<rpid:activities><rpid:").append(activity).append("/></rpid:activities>");
  out.append(notes).append("</dm:person>");
}

}  // namespace

std::string write_pidf(std::string_view entity, std::span<const Device> devices) {
  std::vector<const Device*> shown;
  for (const Device& device : devices) shown.push_back(&device);
  std::sort(shown.begin(), shown.end(), is_better);
  while (shown.size() > 1 && (!shown.back()->state.available() || shown.size() > kMaxShownDevices))
    shown.pop_back();

  std::string out(kBegin);
  out.append(as_xml(entity)).append("\">");
  std::size_t room = kMaxNotes;
  std::string person;
  if (!shown.empty() && shown.front()->state.available()) write_person(shown.front()->state, room, person);
  for (std::size_t i = 0; i < shown.size(); ++i) write_tuple(*shown[i], i, room, out);
  // COMPAT(libpurple, baresip): whoever sees no tuple learns nothing.
  if (shown.empty()) out.append("<tuple id=\"t0\"><status><basic>closed</basic></status></tuple>");
  return out.append(person).append("</presence>");
}

}  // namespace stox

#include "xmpp_worker/xmpp/stanza/wordless.h"

#include <algorithm>
#include <iterator>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

using Kind = Meaning::Kind;

struct Context {
  const Stanza& stanza;
  const FirstWords& first_words;
};
using Reader = Meaning (*)(const Element& payload, const Context&);

constexpr std::size_t kMaxShort = 256;  // bytes of what belongs into one line

Meaning text(std::string words) {
  if (words.empty()) return {};
  return {Kind::kText, std::move(words)};
}
Meaning refused(const char* why) { return {Kind::kRefused, why}; }
Meaning file(std::string_view url, std::string_view description) {
  return {Kind::kFile, {}, {url, description}};
}

std::string quoted(std::string_view id, const Context& context) {
  const std::string_view words = id.empty() ? std::string_view() : context.first_words(id);
  return words.empty() ? std::string() : std::string("\"").append(words).append("\"");
}

// --- readers, one a kind of payload

Meaning read_reactions(const Element& payload, const Context& context) {
  std::string all;
  for (Element each = payload.first_child(); each; each = each.next()) {
    if (each.name() != "reaction" || each.text().empty()) continue;
    all.append(all.empty() ? "" : " ").append(each.text());
  }
  if (all.empty()) return {};  // a reaction was taken back
  all = one_line(all, kMaxShort);
  const std::string about = quoted(payload.attribute("id"), context);
  return text(about.empty() ? "reacted with " + all : "reacted " + all + " to " + about);
}

Meaning retraction(std::string_view id, const Context& context) {
  const std::string about = quoted(id, context);
  return text(about.empty() ? "retracted a message" : "retracted the message " + about);
}
Meaning read_retract(const Element& payload, const Context& context) {
  return retraction(payload.attribute("id"), context);
}
Meaning read_fastening(const Element& payload, const Context& context) {  // XEP-0424 before 0.4
  return payload.child("retract", ns::kRetract0) ? retraction(payload.attribute("id"), context) : Meaning{};
}

constexpr const char* kEncrypted =
    "This message is encrypted; encrypted messages cannot be carried to SIP. Switch encryption off for this "
    "contact and send it again.";

Meaning read_encrypted(const Element& payload, const Context&) {
  // Without a payload it only carries keys.
  return payload.child("payload", payload.ns()) ? refused(kEncrypted) : Meaning{};
}
Meaning read_sealed(const Element&, const Context&) { return refused(kEncrypted); }
Meaning read_encryption_name(const Element& payload, const Context& context) {
  // XEP-0380: what is encrypted stands beside it, and says whether it has a payload.
  for (Element each = context.stanza.element.first_child(); each; each = each.next()) {
    if (each.ns() == payload.attribute("namespace")) return {};
  }
  return refused(kEncrypted);
}

Meaning read_call(const Element&, const Context&) { return {Kind::kCall, {}}; }

constexpr const char* kNoAddress =
    "This file cannot be carried to SIP: it has no web address. Send it by an upload instead.";

// XEP-0447: <url-data/> of <sources/>; beside it stands what SIP users cannot fetch or decrypt.
Meaning read_sources(const Element& sources, std::string_view description) {
  if (const auto url = web_address_in(sources); !url.empty()) return file(url, description);
  for (Element each = sources.first_child(); each; each = each.next()) {
    if (each.is("encrypted", ns::kEncryptedFile))
      return refused(
          "This file is encrypted; encrypted files cannot be carried to SIP. Switch encryption off "
          "for this contact and send it again.");
  }
  return refused(kNoAddress);
}
Meaning read_file_sharing(const Element& payload, const Context&) {
  const Element sources = payload.child("sources", ns::kFileSharing);
  const Element file = payload.child("file", ns::kFileMetadata);
  // COMPAT(Dino 0.5): announces a file; the address follows when the upload is done, with a body.
  if (!sources && !payload.attribute("id").empty()) return {};
  return read_sources(sources, file.child("desc", ns::kFileMetadata).text());
}
Meaning read_late_sources(const Element& payload, const Context&) { return read_sources(payload, {}); }

Meaning read_reference(const Element& payload, const Context&) {  // XEP-0372, and XEP-0385 in it
  const Element sharing = payload.child("media-sharing", ns::kMediaSharing);
  if (!sharing)
    return is_web_address(payload.attribute("uri")) ? file(payload.attribute("uri"), {}) : Meaning{};
  const Element sources = sharing.child("sources", ns::kMediaSharing);
  for (Element each = sources.first_child(); each; each = each.next()) {
    if (each.is("reference", ns::kReference) && is_web_address(each.attribute("uri")))
      return file(each.attribute("uri"), {});
  }
  return refused(kNoAddress);
}

bool is_number(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

Meaning read_place(const Element& payload, const Context&) {  // XEP-0080, RFC 5870
  const auto field = [&](const char* name) { return trim(payload.child(name, payload.ns()).text()); };
  const std::string_view latitude = field("lat"), longitude = field("lon");
  std::string out;
  if (is_number(latitude) && is_number(longitude)) {
    out = "geo:" + std::string(latitude) + "," + std::string(longitude);
    if (is_number(field("alt"))) out.append(",").append(field("alt"));
    if (is_number(field("accuracy"))) out.append(";u=").append(field("accuracy"));
  }
  std::string words;
  for (const char* name : {"description", "text", "building", "street", "locality", "country"}) {
    if (!field(name).empty()) words.append(words.empty() ? "" : ", ").append(field(name));
  }
  if (!words.empty()) out.append(out.empty() ? "" : " ").append(one_line(words, kMaxShort));
  return text(std::move(out));
}

Meaning read_sticker(const Element&, const Context&) {
  return refused("Stickers cannot be carried to SIP; send a picture or a text instead.");
}
Meaning read_attention(const Element&, const Context&) { return text("asks for your attention"); }

Meaning read_form(const Element& payload, const Context&) {
  if (payload.attribute("type") == "cancel") return {};
  return refused("Forms cannot be carried to SIP; write a text instead.");
}

// A line each: what vCards in either format have in common.
void append_line(std::string& out, std::string_view line) {
  if (!trim(line).empty()) out.append(out.empty() ? "" : "\n").append(one_line(trim(line), kMaxShort));
}
Meaning read_contact(std::string out, const char* why_not) {
  return out.empty() ? refused(why_not) : text(std::move(out));
}
constexpr const char* kNoContact =
    "This contact cannot be carried to SIP; write its address as a text instead.";

Meaning read_vcard_temp(const Element& card, const Context&) {
  std::string out;
  for (const char* name : {"FN", "NICKNAME", "ORG"}) {
    const Element field = card.child(name, card.ns());
    append_line(out,
                field.child("ORGNAME", card.ns()) ? field.child("ORGNAME", card.ns()).text() : field.text());
  }
  for (Element each = card.first_child(); each; each = each.next()) {
    if (each.name() == "TEL") append_line(out, each.child("NUMBER", card.ns()).text());
    if (each.name() == "EMAIL") append_line(out, each.child("USERID", card.ns()).text());
    if (each.name() == "JABBERID" || each.name() == "URL") append_line(out, each.text());
  }
  return read_contact(std::move(out), kNoContact);
}
Meaning read_vcard4(const Element& card, const Context&) {  // XEP-0292, RFC 6351
  std::string out;
  const Element first = card.child("vcard", card.ns());
  for (const char* name : {"fn", "nickname", "org", "tel", "email", "impp", "url"}) {
    for (Element each = (first ? first : card).first_child(); each; each = each.next()) {
      if (each.name() == name) append_line(out, each.first_child() ? each.first_child().text() : each.text());
    }
  }
  return read_contact(std::move(out), kNoContact);
}
Meaning read_roster_items(const Element& payload, const Context&) {  // XEP-0144
  std::string out;
  for (Element each = payload.first_child(); each; each = each.next()) {
    const std::string_view name = each.attribute("name"), jid = each.attribute("jid");
    if (each.name() == "item" && !jid.empty())
      append_line(out, name.empty() ? std::string(jid) : std::string(name) + " (" + std::string(jid) + ")");
  }
  return read_contact(std::move(out), kNoContact);
}

// XEP-0071 as text: blocks are lines, an address stands behind its words.
class XhtmlText {
 public:
  std::string of(const Element& html) {
    for (Element body = html.first_child(); body; body = body.next()) children(body, 0);
    return std::move(out_);
  }

 private:
  void children(const Element& parent, int depth) {
    words(parent.text());
    if (depth == 64) return;
    for (Element each = parent.first_child(); each; each = each.next()) {
      one(each, depth + 1);
      words(each.tail());
    }
  }
  void one(const Element& element, int depth) {
    static constexpr std::string_view kBlocks[] = {"p",  "div", "li", "ul", "ol", "blockquote", "pre", "h1",
                                                   "h2", "h3",  "h4", "h5", "h6", "dd",         "dt"};
    const std::string_view name = element.name();
    const bool is_block = std::find(std::begin(kBlocks), std::end(kBlocks), name) != std::end(kBlocks);
    if (is_block || name == "br") line_ends_ = true;
    if (name == "img")
      words(element.attribute("alt").empty() ? element.attribute("src") : element.attribute("alt"));
    const std::size_t before = out_.size();
    children(element, depth);
    if (name == "a") {
      const std::string_view address = element.attribute("href");
      if (!address.empty() && out_.find(address, before) == std::string::npos)
        words(" (" + std::string(address) + ")");
    }
    if (is_block) line_ends_ = true;
  }
  void words(std::string_view text) {
    for (const char c : text) {
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        space_ = true;
        continue;
      }
      if (!out_.empty()) out_.append(line_ends_ ? "\n" : space_ ? " " : "");
      line_ends_ = space_ = false;
      out_ += c;
    }
  }

  std::string out_;
  bool line_ends_ = false, space_ = false;
};

Meaning read_xhtml(const Element& html, const Context&) { return text(XhtmlText().of(html)); }

// --- the list

enum class Says {
  kNothing,     // stands beside others
  kForClients,  // and so does the whole stanza: no person wrote it
  kRead,        // its reader knows
};

struct Row {
  std::string_view ns, name;  // an empty name: every element
  Says says;
  Reader read = nullptr;
};

constexpr Row kRows[] = {
    // What people mean for people.
    {ns::kReactions, "reactions", Says::kRead, read_reactions},  // XEP-0444
    {ns::kRetract1, "retract", Says::kRead, read_retract},       // XEP-0424
    {ns::kFasten, "apply-to", Says::kRead, read_fastening},      // XEP-0422
    {ns::kCorrect, "replace", Says::kRead, read_retract},        // XEP-0308, by nothing
    {ns::kOmemo, "encrypted", Says::kRead, read_encrypted},      // XEP-0384
    {ns::kOmemo2, "encrypted", Says::kRead, read_encrypted},
    {ns::kOpenPgp, "openpgp", Says::kRead, read_sealed},                 // XEP-0373
    {ns::kOldPgp, "x", Says::kRead, read_sealed},                        // XEP-0027
    {ns::kE2e, "e2e", Says::kRead, read_sealed},                         // RFC 3923
    {ns::kEncryption, "encryption", Says::kRead, read_encryption_name},  // XEP-0380
    {ns::kJingleMessage, "propose", Says::kRead, read_call},             // XEP-0353
    {ns::kCallInvites, "invite", Says::kRead, read_call},                // XEP-0482
    {ns::kFileSharing, "file-sharing", Says::kRead, read_file_sharing},  // XEP-0447
    {ns::kFileSharing, "sources", Says::kRead, read_late_sources},
    {ns::kReference, "reference", Says::kRead, read_reference},  // XEP-0372, XEP-0385
    {ns::kPlace, "geoloc", Says::kRead, read_place},             // XEP-0080
    {ns::kStickers, "sticker", Says::kRead, read_sticker},       // XEP-0449
    {ns::kAttention, "attention", Says::kRead, read_attention},  // XEP-0224
    {ns::kXhtml, "html", Says::kRead, read_xhtml},               // XEP-0071
    {ns::kForms, "x", Says::kRead, read_form},                   // XEP-0004
    {ns::kVcardTemp, "vCard", Says::kRead, read_vcard_temp},     // XEP-0054
    {ns::kVcard4, "vcard", Says::kRead, read_vcard4},            // XEP-0292
    {ns::kVcard4, "vcards", Says::kRead, read_vcard4},
    {ns::kRosterItems, "x", Says::kRead, read_roster_items},  // XEP-0144
    // What clients say to clients.
    {ns::kChatStates, "", Says::kForClients},
    {ns::kReceipts, "received", Says::kForClients},
    {ns::kMarkers, "received", Says::kForClients},
    {ns::kMarkers, "displayed", Says::kForClients},
    {ns::kMarkers, "acknowledged", Says::kForClients},
    {ns::kJingleMessage, "", Says::kForClients},
    {ns::kCallInvites, "", Says::kForClients},
    {"jabber:x:event", "x", Says::kForClients},              // XEP-0022
    {"urn:xmpp:carbons:2", "", Says::kForClients},           // XEP-0280
    {"urn:xmpp:forward:0", "forwarded", Says::kForClients},  // XEP-0297
    {"urn:xmpp:mam:2", "", Says::kForClients},               // XEP-0313
    {ns::kPubsub, "", Says::kForClients},                    // XEP-0060
    {"http://jabber.org/protocol/pubsub#event", "", Says::kForClients},
    {"http://jabber.org/protocol/feature-neg", "", Says::kForClients},  // XEP-0020, XEP-0155
    {"http://jabber.org/protocol/ibb", "", Says::kForClients},          // XEP-0047
    {"http://jabber.org/protocol/muc", "", Says::kForClients},          // XEP-0045
    {ns::kMucUser, "", Says::kForClients},
    {ns::kConference, "", Says::kForClients},                        // XEP-0249
    {"http://jabber.org/protocol/commands", "", Says::kForClients},  // XEP-0050
    {ns::kCaps, "", Says::kForClients},                              // XEP-0115
    {"vcard-temp:x:update", "", Says::kForClients},                  // XEP-0153
    {"urn:xmpp:jingle:1", "", Says::kForClients},                    // XEP-0166
    {"urn:xmpp:trust-messages:0", "", Says::kForClients},            // XEP-0434
    {"urn:xmpp:thread-invite", "", Says::kForClients},
    {ns::kNick, "", Says::kForClients},  // XEP-0172
    // What stands beside something else.
    {ns::kReceipts, "request", Says::kNothing},
    {ns::kMarkers, "markable", Says::kNothing},
    {ns::kHints, "", Says::kNothing},  // XEP-0334
    {ns::kDelay, "", Says::kNothing},
    {"jabber:x:delay", "", Says::kNothing},                      // XEP-0091
    {ns::kOob, "", Says::kNothing},                              // with an address it is a text
    {ns::kStanzaIds, "", Says::kNothing},                        // XEP-0359
    {"urn:xmpp:fallback:0", "", Says::kNothing},                 // XEP-0428
    {ns::kReply, "", Says::kNothing},                            // XEP-0461
    {"urn:xmpp:message-attaching:1", "", Says::kNothing},        // XEP-0367
    {"urn:xmpp:styling:0", "", Says::kNothing},                  // XEP-0393
    {"urn:xmpp:mam:tmp", "", Says::kNothing},                    // of Prosody and ejabberd, as these are
    {"http://jabber.org/protocol/address", "", Says::kNothing},  // XEP-0033
    {"urn:xmpp:raa:0", "", Says::kNothing},
    {"p1:push:included", "", Says::kNothing},
};

const Row* find_row(const Element& payload) {
  for (const Row& each : kRows) {
    if (each.ns == payload.ns() && (each.name.empty() || each.name == payload.name())) return &each;
  }
  return nullptr;
}

}  // namespace

Meaning read_meaning(const Stanza& stanza, const MessageContent& content, const FirstWords& first_words) {
  const Context context{stanza, first_words};
  Meaning meaning;
  bool for_clients = false, unknown = false;
  for (Element each = stanza.element.first_child(); each; each = each.next()) {
    if (is_content_namespace(each.ns())) continue;
    const Row* row = find_row(each);
    if (row == nullptr) unknown = true;
    if (each.ns() == ns::kHints && each.name() == "no-store") for_clients = true;
    if (row == nullptr || row->says == Says::kNothing) continue;
    if (row->says == Says::kForClients) {
      for_clients = true;
      continue;
    }
    // A refusal counts only where nothing else can be said.
    if (meaning.kind == Kind::kSilent || meaning.kind == Kind::kRefused) {
      Meaning one = row->read(each, context);
      if (one.kind != Kind::kSilent) meaning = std::move(one);
    }
    for_clients = true;  // its reader knows
  }
  if (meaning.kind != Kind::kSilent) return meaning;
  for (const LangText& each : content.subjects) {
    if (!each.text.empty() && stanza.type != "headline") return text(std::string(each.text));
  }
  const bool is_of_a_person = stanza.from.find('@') < stanza.from.find('/') && stanza.type != "headline";
  if (for_clients || !unknown || !is_of_a_person) return meaning;
  return refused("Messages of this kind cannot be carried to SIP; write a text instead.");
}

std::string retraction_sentence(const Stanza& stanza, const MessageContent& content,
                                const FirstWords& first_words) {
  constexpr std::string_view kMe = "/me ";
  if (content.bodies.empty() || !content.bodies.front().text.starts_with(kMe)) return {};
  const Element retract = stanza.element.child("retract", ns::kRetract1);
  const Element fastening = stanza.element.child("apply-to", ns::kFasten);
  if (!retract && !fastening.child("retract", ns::kRetract0)) return {};
  const Context context{stanza, first_words};
  std::string words(content.bodies.front().text.substr(kMe.size()));
  const std::string about = quoted((retract ? retract : fastening).attribute("id"), context);
  if (!about.empty()) words = "retracted the message " + about;
  return std::string(content.nick.empty() ? stanza.from.substr(0, stanza.from.find('@')) : content.nick) +
         " " + words;
}

}  // namespace stox::xmpp

#include "mapper/mapping/content.h"

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "mapper/mapping/errors.h"
#include "mapper/mapping/sip_text.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxCallId = 128;
constexpr std::size_t kMaxSubject = 256;
constexpr int64_t kOldAfterS = 60;
constexpr const char* kCorrection = "* ";  // SIP cannot edit: a correction goes as a message that begins so

pb::Outcome ended(pb::Verdict verdict, std::string text) {
  pb::Outcome outcome;
  outcome.set_verdict(verdict);
  outcome.set_text(std::move(text));
  return outcome;
}

pb::Outcome refused(int status, std::string text) {
  pb::Outcome outcome = ended(pb::FAILED, std::move(text));
  *outcome.mutable_sip_status() = sip_status(status, outcome.text());
  return outcome;
}

pb::Outcome refused(const char* condition, const char* type, std::string text) {
  pb::Outcome outcome = ended(pb::FAILED, std::move(text));
  *outcome.mutable_stanza_error() = stanza_error(condition, type, outcome.text());
  return outcome;
}

constexpr CharClass kWordChars("-.!%*_+`'~()<>:\\\"/[]?{}");
constexpr CharClass kLanguageChars("-");

bool is_word(std::string_view s) { return !s.empty() && kWordChars.has_all(s); }

// The first of a list of language tags (RFC 5646), or nothing.
std::string_view first_language(std::string_view list) {
  const std::string_view tag = trim(list.substr(0, list.find(',')));
  return tag.size() <= 64 && kLanguageChars.has_all(tag) ? tag : std::string_view();
}

std::string subject_line(std::string_view text) {
  return is_utf8(text) ? std::string(trim(one_line(xml_legal(text), kMaxSubject))) : std::string();
}

// The body in the stanza's language, else the first without a language of its own, else the first.
const pb::XmppText* choose(const google::protobuf::RepeatedPtrField<pb::XmppText>& texts,
                           std::string_view lang) {
  const pb::XmppText* best = nullptr;
  int best_rank = 3;
  for (const pb::XmppText& text : texts) {
    const int rank = !lang.empty() && ascii_iequal(text.lang(), lang) ? 0 : text.lang().empty() ? 1 : 2;
    if (text.text().empty() || rank >= best_rank) continue;
    best = &text;
    best_rank = rank;
  }
  return best;
}

// What a client shows besides the body: references (XEP-0066), each on a line of its own. Of a file that is
// shared the body is the address again.
void add_urls(const pb::XmppMessage& in, std::string& text) {
  for (const pb::XmppOob& oob : in.oobs()) {
    std::string line = oob.description().empty() ? oob.url() : oob.description() + " " + oob.url();
    if (!is_utf8(line) || text == oob.url()) continue;
    line = xml_legal(line);
    text.append(text.empty() ? "" : "\n").append(line);
  }
}

}  // namespace

std::string call_id_of_thread(std::string_view thread) {
  const auto at = thread.find('@');
  const bool is_call_id =
      is_word(thread.substr(0, at)) && (at == std::string_view::npos || is_word(thread.substr(at + 1)));
  if (thread.empty() || (is_call_id && thread.size() <= kMaxCallId)) return std::string(thread);
  std::string bytes;
  for (const uint64_t seed : {1u, 2u}) {
    const uint64_t hash = hash64(thread, seed);
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(hash >> shift & 0xff);
  }
  return "thread-" + to_hex(bytes);
}

std::optional<pb::Outcome> to_xmpp(const pb::SipMessage& in, pb::XmppMessage& out, const Addresses& addresses,
                                   const ContentSettings& settings, int64_t now_s) {
  const auto to = addresses.xmpp_recipient(in.request_uri());
  if (!to) return refuse_sip(to.error(), Party::kRecipient);
  if (ascii_lower(in.to_uri()).starts_with("sips:"))
    return refuse_sip(AddressError::kSips, Party::kRecipient);
  const auto from = addresses.xmpp_sender(in.from_uri());
  if (!from) return refuse_sip(from.error(), Party::kSender);
  auto text = text_of(in);
  if (!text) return refused(text.error().status, std::move(text.error().text));
  if (text->is_status)
    return ended(pb::DELIVERED, "a typing state or a notification nobody here asked for: taken in");
  // XMPP has nothing to carry an empty message in. It goes as far as it can; nothing is proved by that.
  if (text->text.empty()) return ended(pb::PASSED_ON, "an empty message: nothing to send to XMPP");

  out.Clear();
  out.set_from(from->str());
  out.set_to(to->str());
  out.set_type(settings.message_type);
  out.set_lang(std::string(first_language(text->language.empty() ? in.language() : text->language)));
  out.add_bodies()->set_text(std::move(text->text));
  if (std::string subject = subject_line(in.subject().empty() ? text->subject : in.subject());
      !subject.empty())
    out.add_subjects()->set_text(subject);
  // RFC 7572 table 2. Whoever keeps the conversation's last thread may put that in its place: SIP clients
  // take a new Call-ID for each MESSAGE, and the mapper keeps nothing.
  if (in.call_id().size() <= kMaxCallId && is_utf8(in.call_id()))
    out.set_thread(xml_legal(one_line(in.call_id(), kMaxCallId)));
  out.set_call_id(in.call_id());
  const int64_t date_s = in.date_s() > 0 ? in.date_s() : text->date_s;
  if (date_s > 0 && date_s < now_s - kOldAfterS) out.set_delay_stamp_s(date_s);
  return std::nullopt;
}

std::optional<pb::Outcome> to_sip(const pb::XmppMessage& in, pb::SipMessage& out, const Addresses& addresses,
                                  const ContentSettings& settings) {
  // An error is never answered and never shown as text; a worker knows what its errors answer.
  if (in.type() == "error") return ended(pb::PASSED_ON, "an error stanza: nothing to send to SIP");
  const pb::XmppText* body = choose(in.bodies(), in.lang());
  std::string text = body && is_utf8(body->text()) ? xml_legal(body->text()) : std::string();
  add_urls(in, text);
  if (!text.empty() && !in.replaces().empty()) text.insert(0, kCorrection);
  if (text.empty()) return ended(pb::PASSED_ON, "a stanza without a body: nothing to send to SIP");
  if (in.type() == "groupchat")
    return refused("not-acceptable", "cancel", "group chat does not reach SIP users here");
  const auto jid = [](const std::string& address) {
    return Jid::parse(address).map_error([](JidError) { return AddressError::kNotAllowed; });
  };
  const auto to = jid(in.to()).and_then([&](const Jid& j) { return addresses.sip_recipient(j); });
  if (!to) return refuse_xmpp(to.error(), Party::kRecipient);
  const auto from = jid(in.from()).and_then([&](const Jid& j) { return addresses.sip_sender(j); });
  if (!from) return refuse_xmpp(from.error(), Party::kSender);
  if (text.size() > settings.max_text_bytes) {
    return refused("policy-violation", "modify",
                   "the message has " + std::to_string(text.size()) + " bytes; SIP users get at most " +
                       std::to_string(settings.max_text_bytes));
  }

  out.Clear();
  out.set_request_uri(*to);
  out.set_to_uri(out.request_uri());
  out.set_from_uri(*from);
  out.set_call_id(call_id_of_thread(in.thread()));
  out.set_language(
      std::string(first_language(body == nullptr || body->lang().empty() ? in.lang() : body->lang())));
  if (const pb::XmppText* subject = choose(in.subjects(), in.lang()))
    out.set_subject(subject_line(subject->text()));
  out.set_date_s(in.delay_stamp_s());
  pb::Content* content = out.add_parts()->add_alternatives();
  content->set_content_type("text/plain;charset=UTF-8");
  content->set_data(std::move(text));
  return std::nullopt;
}

}  // namespace stox::mapping

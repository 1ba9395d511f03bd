#include "mapper/mapping/page/content.h"

#include <algorithm>
#include <utility>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "mapper/mapping/error/errors.h"
#include "mapper/mapping/page/cpim.h"
#include "mapper/mapping/page/names.h"
#include "mapper/mapping/page/room.h"
#include "mapper/mapping/page/sent_file.h"
#include "mapper/mapping/page/sip_text.h"
#include "mapper/mapping/page/split.h"
#include "mapper/mapping/page/utf8.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxCallId = 128;
constexpr std::size_t kMaxSubject = 256;
constexpr std::size_t kMaxReplyTo = 512;
constexpr std::size_t kMaxFiles = 8;  // of one stanza that are told of by themselves
constexpr int64_t kOldAfterS = 60;
constexpr std::size_t kSmallRequest = 1300;  // RFC 3428 8
constexpr std::size_t kOtherHeaders = 550;   // of a request: Via, Route, tags, CSeq, Content-Type and so on
constexpr const char* kPlainType = "text/plain;charset=UTF-8";

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

// What SIP shows of a stanza: a text, and then each file (XEP-0066).
struct Shown {
  std::string text;
  std::vector<const pb::XmppOob*> files;
  std::string speaker = {}, speaker_uri = {};  // in a room; the text of each request begins with his name
  bool empty() const { return text.empty() && files.empty(); }
  std::string lead() const { return speaker.empty() ? speaker : speaker + ": "; }
};

// Without what surrounds it, line ends included.
std::string_view words_in(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(kSpace), text.size());
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string line_of(const pb::XmppOob& file) {
  return xml_legal(file.description().empty() ? file.url() : file.description() + " " + file.url());
}

Shown shown_of(const pb::XmppMessage& in, const ContentSettings& settings) {
  Shown out;
  const pb::XmppText* body = choose(in.bodies(), in.lang());
  if (body != nullptr && is_utf8(body->text())) out.text = xml_legal(body->text());
  for (const pb::XmppOob& oob : in.oobs()) {
    if (!is_utf8(oob.url()) || !is_utf8(oob.description())) continue;
    if (words_in(out.text) == oob.url())
      out.text.clear();  // of a file that is shared the body is the address again
    if (out.files.size() < kMaxFiles)
      out.files.push_back(&oob);
    else
      out.text.append(out.text.empty() ? "" : "\n").append(line_of(oob));
  }
  if (!out.text.empty() && !in.replaces().empty()) out.text.insert(0, settings.correction_prefix);
  return out;
}

bool is_encrypted(const pb::XmppMessage& in, const Shown& shown) {
  return is_encrypted_file(words_in(shown.text)) ||
         std::any_of(in.oobs().begin(), in.oobs().end(),
                     [](const pb::XmppOob& oob) { return is_encrypted_file(oob.url()); });
}

// RFC 7573 table 4. Who is gone types no more, either, but there is no word for that.
pb::SipMessage::Typing typing_of(const pb::XmppMessage& in) {
  switch (in.state()) {
    case pb::XmppMessage::COMPOSING:
      return pb::SipMessage::ACTIVE;
    case pb::XmppMessage::ACTIVE:
    case pb::XmppMessage::INACTIVE:
    case pb::XmppMessage::PAUSED:
      return pb::SipMessage::IDLE;
    default:
      return pb::SipMessage::NONE;
  }
}

// Phones take an address with another `gr` for another person.
std::string_view shown_sender(const pb::XmppMessage& in, const ContentSettings& settings) {
  const std::string_view from = in.from();
  const bool whole = (in.keeps_resource() || settings.resource_in_from) && !is_said_in_room(in);
  return whole ? from : from.substr(0, from.find('/'));
}

// In a room each text says by itself who speaks, as most phones show nothing else of him.
void name_speaker(const pb::XmppMessage& in, const Addresses& addresses, Shown& shown) {
  shown.speaker = speaker_of(in);
  if (shown.speaker.empty()) return;
  if (shown.text.empty()) {
    shown.text = line_of(*shown.files.front());
    shown.files.erase(shown.files.begin());
  }
  shown.speaker_uri = addresses.sip_sender(in.from()).value_or("");
}

// What every CPIM of ours begins with.
std::vector<CpimHeader> cpim_headers(const pb::SipMessage& message, int64_t date_s) {
  const std::string ns(kCpimHeaders);
  return {{ns, "From", {}, "<" + message.from_uri() + ">"},
          {ns, "To", {}, "<" + message.to_uri() + ">"},
          {ns, "DateTime", {}, format_timestamp(date_s)}};
}

// A notification of ours is not found by its own id: nobody notifies of a notification.
std::string id_of_notification(const pb::Receipt& receipt) {
  const uint64_t hash = hash64(receipt.id(), static_cast<uint64_t>(receipt.kind()));
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(hash >> shift & 0xff);
  return "imdn-" + to_hex(bytes);
}

void add_notification(const pb::XmppMessage& in, pb::SipMessage& out, int64_t now_s) {
  pb::Receipt receipt = in.receipt();
  if (receipt.date_s() == 0) receipt.set_date_s(now_s);
  std::vector<CpimHeader> headers = cpim_headers(out, now_s);
  headers.push_back({std::string(kImdnHeaders), "Message-ID", {}, id_of_notification(receipt)});
  pb::Content* content = out.add_parts()->add_alternatives();
  content->set_content_type("message/cpim");
  content->set_data(make_cpim(headers, kImdnType, "notification", write_imdn(receipt, out.from_uri())));
}

void add_form(pb::Part& part, std::string_view type, std::string data) {
  pb::Content* content = part.add_alternatives();
  content->set_content_type(type.data(), type.size());
  content->set_data(std::move(data));
}

// Of the text as a CPIM.
std::vector<CpimHeader> headers_of_text(const pb::SipMessage& message, int64_t now_s) {
  std::vector<CpimHeader> headers = cpim_headers(message, message.date_s() != 0 ? message.date_s() : now_s);
  if (!message.subject().empty())
    headers.push_back({std::string(kCpimHeaders), "Subject", message.language(), message.subject()});
  return headers;
}

// One that asks for what the stanza wants to hear of itself.
void add_asking_cpim(const pb::Wants& wants, const std::string& text, const pb::SipMessage& message,
                     pb::Part& part, int64_t now_s) {
  std::vector<CpimHeader> headers = headers_of_text(message, now_s);
  const std::string imdn(kImdnHeaders);
  headers.push_back({imdn, "Message-ID", {}, wants.id()});
  std::string wanted = wants.delivered() ? "positive-delivery, negative-delivery" : "";
  if (wants.displayed()) wanted += wanted.empty() ? "display" : ", display";
  headers.push_back({imdn, "Disposition-Notification", {}, wanted});
  add_form(part, "message/cpim", make_cpim(headers, kPlainType, {}, text));
}

// One that is from who speaks in a room.
void add_speakers_cpim(const Shown& shown, const std::string& text, const pb::SipMessage& message,
                       pb::Part& part, int64_t now_s) {
  std::vector<CpimHeader> headers = headers_of_text(message, now_s);
  headers.front().value = speaker_address(shown.speaker, shown.speaker_uri);
  add_form(part, "message/cpim", make_cpim(headers, kPlainType, {}, text));
}

std::optional<pb::Outcome> add_words(const pb::XmppMessage& in, const Shown& shown, pb::SipMessage& out,
                                     const ContentSettings& settings, int64_t now_s) {
  const pb::XmppText* body = choose(in.bodies(), in.lang());
  const bool in_room = is_said_in_room(in);
  if (settings.thread_as_call_id && !in_room) out.set_call_id(call_id_of_thread(in.thread()));
  out.set_language(
      std::string(first_language(body == nullptr || body->lang().empty() ? in.lang() : body->lang())));
  if (const pb::XmppText* subject = choose(in.subjects(), in.lang()))
    out.set_subject(subject_line(subject->text()));
  out.set_date_s(in.delay_stamp_s());

  std::vector<std::string> texts;
  if (!shown.text.empty()) texts.push_back(shown.text);
  if (settings.split && !texts.empty()) {
    const std::size_t headers = 2 * out.request_uri().size() + out.from_uri().size() + out.subject().size() +
                                out.call_id().size() + in.wants().id().size() + out.language().size() +
                                kOtherHeaders;
    texts = split_text(shown.text, kSmallRequest - std::min(kSmallRequest, headers + shown.lead().size()));
    if (texts.empty())
      return refused("policy-violation", "modify", "the message is too long for SIP, and cannot be split");
  }
  // Headlines and rooms do not care who reads them.
  const bool asks = (in.wants().delivered() || in.wants().displayed()) && !in.wants().id().empty() &&
                    in.type() != "headline" && !in_room;
  // Linphone reports what it shows without being asked, and knows a plain text by its Call-ID alone.
  if (asks) out.set_message_id(in.wants().id());
  for (std::string& text : texts) text.insert(0, shown.lead());
  const std::size_t count = texts.size() + shown.files.size();
  for (std::size_t i = 0; i < count; ++i) {
    pb::Part& part = *out.add_parts();
    const pb::XmppOob* file = i < texts.size() ? nullptr : shown.files[i - texts.size()];
    const std::string text = file == nullptr ? texts[i] : line_of(*file);
    if (file != nullptr && is_web_address(file->url())) add_form(part, kFileInfoType, write_file_info(*file));
    if (asks && i + 1 == count) add_asking_cpim(in.wants(), text, out, part, now_s);
    if (!shown.speaker_uri.empty()) add_speakers_cpim(shown, text, out, part, now_s);
    add_form(part, kPlainType, text);
  }
  return std::nullopt;
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
  const auto to = addresses.xmpp_recipient(in.request_uri(), in.from_uri());
  if (!to) return refuse_sip(to.error(), Party::kRecipient);
  constexpr std::string_view kSips = "sips:";
  if (ascii_iequal(std::string_view(in.to_uri()).substr(0, kSips.size()), kSips))
    return refuse_sip(AddressError::kSips, Party::kRecipient);
  const auto from = addresses.xmpp_sender(in.from_uri());
  if (!from) return refuse_sip(from.error(), Party::kSender);
  auto text = text_of(in);
  if (!text) return refused(text.error().status, std::move(text.error().text));
  std::erase_if(text->receipts, [](const pb::Receipt& r) { return r.kind() == pb::Receipt::OTHER; });
  if (text->kind == SipText::Kind::kNotification && text->receipts.empty())
    return ended(pb::DELIVERED, "a notification of which XMPP tells its users nothing: taken in");
  std::string subject = header_text(in.subject().empty() ? text->subject : in.subject(), kMaxSubject);
  if (text->kind == SipText::Kind::kNothing && !subject.empty()) {
    text->kind = SipText::Kind::kWords;
    text->text = std::exchange(subject, {});  // clients show no subject that stands alone
  }
  // XMPP has nothing to carry an empty message in. It goes as far as it can; nothing is proved by that.
  if (text->kind == SipText::Kind::kNothing)
    return ended(pb::PASSED_ON, "an empty message: nothing to send to XMPP");

  out.Clear();
  out.set_from(from->str());
  out.set_to(to->str());
  out.set_call_id(in.call_id());
  if (text->kind == SipText::Kind::kTyping) {
    out.set_type("chat");
    out.set_state(text->typing.active ? pb::XmppMessage::COMPOSING : pb::XmppMessage::PAUSED);
    out.set_state_holds_s(text->typing.refresh_s);
    return std::nullopt;
  }
  if (text->kind == SipText::Kind::kNotification) {
    *out.mutable_receipt() = std::move(text->receipts.front());
    for (std::size_t i = 1; i < text->receipts.size(); ++i)
      *out.add_more_receipts() = std::move(text->receipts[i]);
    return std::nullopt;
  }
  out.set_type(settings.message_type);
  if (settings.names) out.set_nick(display_name(in.from_display()));
  if (text->reply_to.size() <= kMaxReplyTo) out.set_reply_to(text->reply_to);
  if (!text->wants.id().empty()) out.mutable_wants()->Swap(&text->wants);
  out.set_lang(std::string(first_language(text->language.empty() ? in.language() : text->language)));
  for (pb::XmppFile& file : text->files) {
    text->text.append(text->text.empty() ? "" : "\n").append(file.url());
    out.add_files()->Swap(&file);
  }
  out.add_bodies()->set_text(std::move(text->text));
  if (!subject.empty()) out.add_subjects()->set_text(subject);
  // RFC 7572 table 2. Whoever keeps the conversation's last thread may put that in its place: SIP clients
  // take a new Call-ID for each MESSAGE, and the mapper keeps nothing.
  if (in.call_id().size() <= kMaxCallId && is_utf8(in.call_id()))
    out.set_thread(xml_legal(one_line(in.call_id(), kMaxCallId)));
  const int64_t date_s = is_possible_time(in.date_s(), now_s) ? in.date_s() : text->date_s;
  if (is_possible_time(date_s, now_s) && date_s < now_s - kOldAfterS) out.set_delay_stamp_s(date_s);
  return std::nullopt;
}

std::optional<pb::Outcome> to_sip(const pb::XmppMessage& in, pb::SipMessage& out, const Addresses& addresses,
                                  const ContentSettings& settings, int64_t now_s) {
  // An error is never answered and never shown as text; a worker knows what its errors answer.
  if (in.type() == "error") return ended(pb::PASSED_ON, "an error stanza: nothing to send to SIP");
  const bool in_room = is_said_in_room(in);  // there nobody is told who types and who has read
  const bool notifies = in.receipt().kind() != pb::Receipt::NONE && !in_room;
  Shown shown = notifies ? Shown() : shown_of(in, settings);
  const auto typing = in_room ? pb::SipMessage::NONE : typing_of(in);
  if (!notifies && shown.empty() && typing == pb::SipMessage::NONE)
    return ended(pb::PASSED_ON, "a stanza without a body: nothing to send to SIP");
  const auto to = addresses.sip_recipient(in.to());
  if (!to) return refuse_xmpp(to.error(), Party::kRecipient);
  const auto from = addresses.sip_sender(shown_sender(in, settings));
  if (!from) return refuse_xmpp(from.error(), Party::kSender);
  if (is_encrypted(in, shown)) {
    return refused(
        "not-acceptable", "modify",
        "This file is encrypted, and SIP users could not open it; switch encryption off and send it again");
  }
  const std::string& text = shown.text;
  if (text.size() > settings.max_text_bytes) {
    return refused("policy-violation", "modify",
                   "the message has " + std::to_string(text.size()) + " bytes; SIP users get at most " +
                       std::to_string(settings.max_text_bytes));
  }

  if (in_room) name_speaker(in, addresses, shown);
  out.Clear();
  out.set_request_uri(*to);
  out.set_to_uri(out.request_uri());
  out.set_from_uri(*from);
  if (settings.names && !in_room) out.set_from_display(display_name(in.nick()));
  if (settings.names && out.from_display().empty()) out.set_from_display(display_name_of_jid(in.from()));
  out.set_line(in.line());
  out.set_may_be_again(in.may_be_again());
  if (notifies) {
    add_notification(in, out, now_s);
  } else if (shown.empty()) {
    out.set_typing(typing);
    pb::Content* content = out.add_parts()->add_alternatives();
    content->set_content_type(std::string(kComposingType));
    content->set_data(write_composing(typing == pb::SipMessage::ACTIVE));
  } else {
    return add_words(in, shown, out, settings, now_s);
  }
  return std::nullopt;
}

}  // namespace stox::mapping

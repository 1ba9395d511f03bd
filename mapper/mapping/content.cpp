#include "mapper/mapping/content.h"

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "mapper/mapping/errors.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxCallId = 128;
constexpr std::size_t kMaxSubject = 256;
constexpr int64_t kOldAfterS = 60;

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

constexpr CharClass kTokenChars("-.!%*_+`'~");
constexpr CharClass kWordChars("-.!%*_+`'~()<>:\\\"/[]?{}");
constexpr CharClass kLanguageChars("-");

bool is_token(std::string_view s) { return !s.empty() && kTokenChars.has_all(s); }
bool is_word(std::string_view s) { return !s.empty() && kWordChars.has_all(s); }

// The first of a list of language tags (RFC 5646), or nothing.
std::string_view first_language(std::string_view list) {
  const std::string_view tag = trim(list.substr(0, list.find(',')));
  return tag.size() <= 64 && kLanguageChars.has_all(tag) ? tag : std::string_view();
}

std::string subject_line(std::string_view text) {
  return is_utf8(text) ? std::string(trim(one_line(xml_legal(text), kMaxSubject))) : std::string();
}

void append_utf8(std::string& out, uint32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// RFC 2781: big-endian unless a byte order mark says otherwise.
tl::expected<std::string, CharsetError> from_utf16(std::string_view bytes, bool little) {
  if (bytes.size() % 2 != 0) return tl::make_unexpected(CharsetError::kUndecodable);
  const auto unit = [&](std::size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<uint32_t>(little ? b << 8 | a : a << 8 | b);
  };
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    uint32_t c = unit(i);
    const bool high = c >= 0xd800 && c < 0xdc00;
    const uint32_t next = high && i + 2 < bytes.size() ? unit(i + 2) : 0;
    if (next >= 0xdc00 && next < 0xe000) {
      c = 0x10000 + ((c - 0xd800) << 10) + (next - 0xdc00);
      i += 2;
    } else if (c >= 0xd800 && c < 0xe000) {
      c = 0xfffd;
    }
    append_utf8(out, c);
  }
  return out;
}

// Whether a body with this Content-Disposition may be shown (RFC 3261 20.11: what is not known must be
// understood unless it says otherwise).
bool may_render(std::string_view disposition) {
  const std::string lower = ascii_lower(disposition);
  const std::string_view type = trim(std::string_view(lower).substr(0, lower.find(';')));
  return type.empty() || type == "render" || lower.find("handling=optional") != std::string::npos;
}

// The text of the body, empty when there is none.
tl::expected<std::string, pb::Outcome> text_of(const pb::SipMessage& in) {
  if (in.parts().empty() || in.parts(0).alternatives().empty()) return std::string();
  const pb::Content& content = in.parts(0).alternatives(0);
  if (content.data().empty()) return std::string();
  if (content.content_type().empty()) return tl::make_unexpected(refused(400, "a body without Content-Type"));
  const auto media = parse_media_type(content.content_type());
  if (!media) return tl::make_unexpected(refused(400, "Content-Type cannot be read"));
  if (media->type != "text/plain")
    return tl::make_unexpected(refused(415, "Content-Type " + media->type + " is not understood"));
  if (!may_render(content.disposition()))
    return tl::make_unexpected(refused(415, "Content-Disposition is not understood"));
  const auto text = to_utf8(content.data(), media->charset);
  if (!text && text.error() == CharsetError::kUnknown)
    return tl::make_unexpected(refused(415, "charset " + media->charset + " is not understood"));
  if (!text) {
    const std::string charset = media->charset.empty() ? "UTF-8" : media->charset;
    return tl::make_unexpected(refused(400, "the body is not in the charset " + charset));
  }
  return xml_legal(*text);
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

}  // namespace

std::optional<MediaType> parse_media_type(std::string_view content_type) {
  auto semicolon = content_type.find(';');
  MediaType media;
  media.type = ascii_lower(trim(content_type.substr(0, semicolon)));
  const auto slash = media.type.find('/');
  if (slash == std::string::npos || !is_token(media.type.substr(0, slash)) ||
      !is_token(media.type.substr(slash + 1)))
    return std::nullopt;
  while (semicolon != std::string_view::npos) {
    content_type.remove_prefix(semicolon + 1);
    const auto equals = content_type.find('=');
    const std::string_view name = trim(content_type.substr(0, equals));
    semicolon = content_type.find(';');
    if (equals == std::string_view::npos || equals > semicolon) continue;
    std::string_view value = trim(content_type.substr(equals + 1, semicolon - equals - 1));
    if (value.starts_with('"')) {  // a quoted string may hold a semicolon
      const auto from = content_type.find('"', equals);
      const auto to = content_type.find('"', from + 1);
      if (to == std::string_view::npos) return std::nullopt;
      value = content_type.substr(from + 1, to - from - 1);
      semicolon = content_type.find(';', to);
    }
    if (ascii_iequal(name, "charset")) media.charset = ascii_lower(value);
  }
  return media;
}

tl::expected<std::string, CharsetError> to_utf8(std::string_view bytes, std::string_view charset) {
  const auto is_one_of = [charset](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), charset) != names.end();
  };
  if (is_one_of({"", "utf-8", "utf8", "us-ascii", "ascii"})) {
    const bool ascii_only = is_one_of({"us-ascii", "ascii"});
    const bool fits = ascii_only ? std::all_of(bytes.begin(), bytes.end(),
                                               [](char c) { return static_cast<unsigned char>(c) < 0x80; })
                                 : is_utf8(bytes);
    if (!fits) return tl::make_unexpected(CharsetError::kUndecodable);
    if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);  // byte order mark
    return std::string(bytes);
  }
  if (is_one_of({"iso-8859-1", "iso_8859-1", "latin1"})) {
    std::string out;
    for (const char c : bytes) append_utf8(out, static_cast<unsigned char>(c));
    return out;
  }
  if (is_one_of({"utf-16", "utf-16be", "utf-16le"})) {
    bool little = charset == "utf-16le";
    if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) {
      little = bytes[0] == '\xff';
      bytes.remove_prefix(2);
    }
    return from_utf16(bytes, little);
  }
  return tl::make_unexpected(CharsetError::kUnknown);
}

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
  if (!text) return std::move(text.error());
  // XMPP has nothing to carry an empty message in. It goes as far as it can; nothing is proved by that.
  if (text->empty()) return ended(pb::PASSED_ON, "an empty message: nothing to send to XMPP");

  out.Clear();
  out.set_from(from->str());
  out.set_to(to->str());
  out.set_type(settings.message_type);
  out.set_lang(std::string(first_language(in.language())));
  out.add_bodies()->set_text(std::move(*text));
  if (std::string subject = subject_line(in.subject()); !subject.empty())
    out.add_subjects()->set_text(subject);
  // RFC 7572 table 2. Whoever keeps the conversation's last thread may put that in its place: SIP clients
  // take a new Call-ID for each MESSAGE, and the mapper keeps nothing.
  if (in.call_id().size() <= kMaxCallId && is_utf8(in.call_id()))
    out.set_thread(xml_legal(one_line(in.call_id(), kMaxCallId)));
  out.set_call_id(in.call_id());
  if (in.date_s() > 0 && in.date_s() < now_s - kOldAfterS) out.set_delay_stamp_s(in.date_s());
  return std::nullopt;
}

std::optional<pb::Outcome> to_sip(const pb::XmppMessage& in, pb::SipMessage& out, const Addresses& addresses,
                                  const ContentSettings& settings) {
  // An error is never answered and never shown as text; a worker knows what its errors answer.
  if (in.type() == "error") return ended(pb::PASSED_ON, "an error stanza: nothing to send to SIP");
  const pb::XmppText* body = choose(in.bodies(), in.lang());
  std::string text = body && is_utf8(body->text()) ? xml_legal(body->text()) : std::string();
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
  out.set_language(std::string(first_language(body->lang().empty() ? in.lang() : body->lang())));
  if (const pb::XmppText* subject = choose(in.subjects(), in.lang()))
    out.set_subject(subject_line(subject->text()));
  out.set_date_s(in.delay_stamp_s());
  pb::Content* content = out.add_parts()->add_alternatives();
  content->set_content_type("text/plain;charset=UTF-8");
  content->set_data(std::move(text));
  return std::nullopt;
}

}  // namespace stox::mapping

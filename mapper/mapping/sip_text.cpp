#include "mapper/mapping/sip_text.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "mapper/mapping/cpim.h"
#include "mapper/mapping/html.h"
#include "mapper/mapping/mime.h"
#include "mapper/mapping/utf8.h"

namespace stox::mapping {
namespace {

using Text = tl::expected<SipText, SipRefusal>;

constexpr int kMaxDepth = 3;  // of multipart and CPIM bodies in each other
constexpr std::size_t kMaxParts = 16;

tl::unexpected<SipRefusal> refuse(int status, std::string text) {
  return tl::make_unexpected(SipRefusal{status, std::move(text)});
}

Text read(const Entity&, int depth, bool in_cpim);

Text read_words(const Entity& entity, const MediaType& media) {
  const std::string charset = ascii_lower(media.param("charset"));
  const auto utf8 = to_utf8(entity.body, charset);
  if (!utf8 && utf8.error() == CharsetError::kUnknown)
    return refuse(415, "charset " + charset + " is not understood");
  if (!utf8) return refuse(400, "the body is not in the charset " + (charset.empty() ? "UTF-8" : charset));
  const bool html = media.type == "text/html";
  SipText out;
  out.text = xml_legal(html ? text_of_html(*utf8) : *utf8);
  out.language = entity.language;
  if (html && out.text.empty() && !utf8->empty()) return refuse(415, "text/html without any text");
  return out;
}

// Disposition-Notification: a list; an unknown word asks for nothing (RFC 5438 6.3).
void read_wanted(std::string_view list, pb::Wants& wants) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const std::string_view word = list.substr(0, comma);
    const std::string name = ascii_lower(trim(word.substr(0, word.find(';'))));
    wants.set_delivered(wants.delivered() || name == "positive-delivery");
    wants.set_failed(wants.failed() || name == "negative-delivery");
    wants.set_displayed(wants.displayed() || name == "display");
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

Text read_cpim(const Entity& entity, int depth) {
  const auto cpim = parse_cpim(entity.body);
  if (!cpim) return refuse(400, "message/cpim: " + cpim.error().text);
  Text out = read(cpim->content, depth + 1, true);
  if (!out) return out;
  if (const CpimHeader* subject = cpim->find("Subject")) out->subject = subject->value;
  if (const CpimHeader* date = cpim->find("DateTime")) out->date_s = parse_timestamp(date->value).value_or(0);
  const CpimHeader* id = cpim->find("Message-ID", kImdnHeaders);
  const CpimHeader* wanted = cpim->find("Disposition-Notification", kImdnHeaders);
  if (id == nullptr || wanted == nullptr || out->kind != SipText::Kind::kWords) return out;
  read_wanted(wanted->value, out->wants);
  out->wants.set_id(id->value);
  out->wants.set_date_s(out->date_s);
  return out;
}

// The last that is understood: they stand in rising order of likeness to what was meant (RFC 2046 5.1.4). Why
// the last was not, if none is.
Text read_alternative(const std::vector<Entity>& parts, int depth) {
  Text out = refuse(415, "");
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    Text text = read(*part, depth + 1, false);
    if (text) return text;
    if (out.error().text.empty()) out = std::move(text);
  }
  return out;
}

// All that is text, in order. A part that is not understood may be left out only if it says so (RFC
// 5621 3.1): otherwise the sender would believe that it arrived.
Text read_mixed(const std::vector<Entity>& parts, int depth) {
  SipText out;
  bool any = false;
  for (const Entity& part : parts) {
    Text text = read(part, depth + 1, false);
    if (!text && ascii_lower(part.disposition).find("handling=optional") != std::string::npos) continue;
    if (!text) return text;
    if (text->kind != SipText::Kind::kWords || text->text.empty()) continue;
    if (any)
      out.text.append("\n").append(text->text);
    else
      out = std::move(*text);
    any = true;
  }
  return out;
}

// The root alone; the others are what it refers to (RFC 2387).
Text read_related(const std::vector<Entity>& parts, std::string_view start, int depth) {
  const auto root = std::find_if(parts.begin(), parts.end(), [&](const Entity& e) { return e.id == start; });
  if (!start.empty() && root == parts.end())
    return refuse(400, "multipart/related has no part " + std::string(start));
  return read(start.empty() ? parts.front() : *root, depth + 1, false);
}

Text read_multipart(const Entity& entity, const MediaType& media, int depth) {
  const std::string_view kind = std::string_view(media.type).substr(10);
  if (kind != "mixed" && kind != "alternative" && kind != "related")
    return refuse(415, "Content-Type " + media.type + " is not understood");
  const auto parts = split_multipart(entity.body, media.param("boundary"), kMaxParts);
  if (!parts) return refuse(parts.error().text.starts_with("more than") ? 415 : 400, parts.error().text);
  if (kind == "alternative") return read_alternative(*parts, depth);
  if (kind == "related") return read_related(*parts, media.param("start"), depth);
  return read_mixed(*parts, depth);
}

// What cannot be read is taken for idle: nobody wants to hear of a typing state that fails.
Text read_typing(const Entity& entity) {
  SipText out;
  out.kind = SipText::Kind::kTyping;
  out.typing = read_composing(entity.body).value_or(Composing());
  return out;
}

Text read_notification(const Entity& entity) {
  auto receipt = read_imdn(entity.body);
  if (!receipt) return refuse(400, "message/imdn+xml: " + receipt.error().text);
  SipText out;
  out.kind = SipText::Kind::kNotification;
  out.receipt = std::move(*receipt);
  return out;
}

Text read(const Entity& encoded, int depth, bool in_cpim) {
  if (encoded.body.empty()) return SipText();
  const auto decoded = decode_transfer(encoded.transfer_encoding, encoded.body);
  if (!decoded) return refuse(415, "Content-Transfer-Encoding is not understood");
  Entity entity = encoded;
  entity.body = *decoded;
  const auto media = parse_media_type(entity.content_type.empty() ? "text/plain" : entity.content_type);
  if (!media) return refuse(400, "Content-Type cannot be read");
  const std::string& type = media->type;
  if (disposition_of(entity.disposition) == Disposition::kUnknown)
    return refuse(415, "Content-Disposition is not understood");
  if (!entity.encoding.empty() && !ascii_iequal(trim(entity.encoding), "identity"))
    return refuse(415, "Content-Encoding is not understood");
  if (type == kComposingType) return read_typing(entity);
  if (in_cpim && type == kImdnType) return read_notification(entity);
  if (type == "text/plain" || type == "text/html") return read_words(entity, *media);
  const bool nests = type == "message/cpim" || type.starts_with("multipart/");
  if (nests && depth >= kMaxDepth) return refuse(415, "bodies in each other deeper than 3");
  if (type == "message/cpim") return read_cpim(entity, depth);
  if (nests) return read_multipart(entity, *media, depth);
  return refuse(415, "Content-Type " + type + " is not understood");
}

}  // namespace

tl::expected<SipText, SipRefusal> text_of(const pb::SipMessage& message) {
  if (message.parts().empty() || message.parts(0).alternatives().empty()) return SipText();
  const pb::Content& content = message.parts(0).alternatives(0);
  if (content.data().empty()) return SipText();
  if (content.content_type().empty()) return refuse(400, "a body without Content-Type");
  Entity entity;
  entity.content_type = content.content_type();
  entity.disposition = content.disposition();
  entity.body = content.data();
  return read(entity, 0, false);
}

}  // namespace stox::mapping

#include "mapper/mapping/page/sip_text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "mapper/mapping/page/cpim.h"
#include "mapper/mapping/page/html.h"
#include "mapper/mapping/page/inflate.h"
#include "mapper/mapping/page/mime.h"
#include "mapper/mapping/page/utf8.h"

namespace stox::mapping {
namespace {

using Text = tl::expected<SipText, SipRefusal>;

constexpr int kMaxDepth = 3;  // of multipart and CPIM bodies in each other
constexpr std::size_t kMaxParts = 16;
constexpr std::size_t kMaxInflated = 65'536;

tl::unexpected<SipRefusal> refuse(int status, std::string text) {
  return tl::make_unexpected(SipRefusal{status, std::move(text)});
}

tl::unexpected<SipRefusal> not_understood(std::string_view type) {
  return refuse(415, "Content-Type " + std::string(type) + " is not understood");
}

Text read(Entity, int depth);

Text read_words(const Entity& entity, const MediaType& media) {
  const std::string charset = ascii_lower(media.param("charset"));
  const auto utf8 = to_utf8(entity.body, charset);
  if (!utf8 && utf8.error() == CharsetError::kUnknown)
    return refuse(415, "charset " + charset + " is not understood");
  if (!utf8) return refuse(400, "the body is not in the charset " + (charset.empty() ? "UTF-8" : charset));
  SipText out;
  out.text = xml_legal(media.type == "text/html" ? text_of_html(*utf8) : *utf8);
  out.language = entity.language;
  if (out.text.empty() && !utf8->empty()) return refuse(415, media.type + " without any text");
  if (!out.text.empty()) out.kind = SipText::Kind::kWords;
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
  Text out = read(cpim->content, depth + 1);
  if (!out) return out;
  if (const CpimHeader* subject = cpim->find("Subject")) out->subject = subject->value;
  if (const CpimHeader* date = cpim->find("DateTime")) out->date_s = parse_timestamp(date->value).value_or(0);
  if (const CpimHeader* about = cpim->find("Replying-To-Message-ID", kLinphoneHeaders))
    out->reply_to = about->value;
  const CpimHeader* id = cpim->find("Message-ID", kImdnHeaders);
  if (id == nullptr) id = cpim->find("Message-ID");  // COMPAT(Linphone 4.0 to 4.3)
  const CpimHeader* wanted = cpim->find("Disposition-Notification", kImdnHeaders);
  if (id == nullptr || wanted == nullptr || out->kind != SipText::Kind::kWords) return out;
  read_wanted(wanted->value, out->wants);
  out->wants.set_id(id->value);
  out->wants.set_date_s(out->date_s);
  return out;
}

// How much a form of the same says to a person: words beat all others, and something that is not understood
// beats nothing, lest it be taken for an empty message.
int worth(const Text& text) {
  if (!text) return 1;
  return text->kind == SipText::Kind::kNothing ? 0 : text->kind == SipText::Kind::kWords ? 3 : 2;
}

// They stand in rising order of likeness to what was meant (RFC 2046 5.1.4): of those worth most, the last.
Text read_alternative(const std::vector<Entity>& parts, int depth) {
  std::optional<Text> best;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    Text text = read(*part, depth + 1);
    if (!best || worth(text) > worth(*best)) best = std::move(text);
  }
  return std::move(*best);
}

// Adds a part to those before it.
void add(SipText&& part, SipText& all) {
  const auto by_worth = [](SipText::Kind kind) { return static_cast<int>(kind); };
  if (by_worth(part.kind) > by_worth(all.kind)) {
    all = std::move(part);
  } else if (part.kind == SipText::Kind::kWords) {
    if (!all.text.empty() && !part.text.empty()) all.text += '\n';
    all.text += part.text;
    all.files.insert(all.files.end(), part.files.begin(), part.files.end());
  } else if (part.kind == all.kind) {
    all.receipts.insert(all.receipts.end(), part.receipts.begin(), part.receipts.end());
  }
}

// All that is said, in order. A part that is not understood may be left out only if it says so (RFC
// 5621 3.1): otherwise the sender would believe that it arrived. A notification that is broken costs not the
// others.
Text read_mixed(const std::vector<Entity>& parts, int depth) {
  SipText out;
  std::optional<SipRefusal> left_out;
  for (const Entity& part : parts) {
    Text text = read(part, depth + 1);
    if (text) {
      add(std::move(*text), out);
    } else if (ascii_lower(part.disposition).find("handling=optional") != std::string::npos ||
               ascii_lower(part.content_type).starts_with(kImdnType)) {
      left_out = std::move(text.error());
    } else {
      return text;
    }
  }
  if (out.kind == SipText::Kind::kNothing && left_out) return tl::make_unexpected(std::move(*left_out));
  return out;
}

// The root alone; the others are what it refers to (RFC 2387).
Text read_related(const std::vector<Entity>& parts, std::string_view start, int depth) {
  const auto root = std::find_if(parts.begin(), parts.end(), [&](const Entity& e) { return e.id == start; });
  if (!start.empty() && root == parts.end())
    return refuse(400, "multipart/related has no part " + one_line(start, 60));
  return read(start.empty() ? parts.front() : *root, depth + 1);
}

Text read_multipart(const Entity& entity, const MediaType& media, int depth) {
  const std::string_view kind = std::string_view(media.type).substr(10);
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
  out.receipts.push_back(std::move(*receipt));
  return out;
}

Text read_file(const Entity& entity, const MediaType& media) {
  auto read = read_files(media, entity.body);
  if (!read) return tl::make_unexpected(std::move(read.error()));
  SipText out;
  out.kind = SipText::Kind::kWords;
  out.text = xml_legal(read->text);
  out.files = std::move(read->files);
  return out;
}

bool nests(std::string_view type) {
  return type == "message/cpim" || type == "multipart/mixed" || type == "multipart/alternative" ||
         type == "multipart/related";
}

bool is_understood(const MediaType& media) {
  const std::string_view type = media.type;
  return type == "text/plain" || type == "text/html" || type == kComposingType || type == kImdnType ||
         is_file_type(media) || nests(type);
}

// Leaves in `entity` what is meant; `decoded` and `inflated` hold it.
std::optional<SipRefusal> decode(Entity& entity, std::string& decoded, std::string& inflated) {
  if (!entity.transfer_encoding.empty()) {
    auto body = decode_transfer(entity.transfer_encoding, entity.body);
    if (!body)
      return SipRefusal{415, "Content-Transfer-Encoding " + one_line(entity.transfer_encoding, 60) +
                                 " is not understood, or the body is not in it"};
    decoded = std::move(*body);
    entity.body = decoded;
  }
  if (entity.encoding.empty()) return std::nullopt;
  auto body = inflate_body(entity.encoding, entity.body, kMaxInflated);
  if (body) {
    inflated = std::move(*body);
    entity.body = inflated;
    return std::nullopt;
  }
  const std::string coding = "Content-Encoding " + one_line(entity.encoding, 60);
  switch (body.error()) {
    case InflateError::kTooLarge:
      return SipRefusal{413, "the body is over 64 kB when inflated"};
    case InflateError::kDamaged:
      return SipRefusal{400, coding + ": the body is not in it"};
    default:
      return SipRefusal{415, coding + " is not understood"};
  }
}

// Of what type, for what use and in what coding it is, is looked at before what it says.
Text read(Entity entity, int depth) {
  const auto media = parse_media_type(entity.content_type.empty() ? "text/plain" : entity.content_type);
  if (!media) return refuse(400, "Content-Type cannot be read");
  const std::string& type = media->type;
  if (!is_understood(*media)) return not_understood(type);
  if (disposition_of(entity.disposition) == Disposition::kUnknown) {
    return refuse(415, "Content-Disposition " + one_line(entity.disposition, 60) + " of " + type +
                           " is not understood");
  }
  std::string decoded, inflated;
  if (const auto refusal = decode(entity, decoded, inflated)) return tl::make_unexpected(*refusal);
  if (type == kComposingType) return read_typing(entity);
  if (type == kImdnType) return read_notification(entity);
  if (is_file_type(*media)) return read_file(entity, *media);
  if (!nests(type)) return read_words(entity, *media);
  if (depth >= kMaxDepth) return refuse(415, "bodies in each other deeper than 3");
  return type == "message/cpim" ? read_cpim(entity, depth) : read_multipart(entity, *media, depth);
}

}  // namespace

tl::expected<SipText, SipRefusal> text_of(const pb::SipMessage& message) {
  if (message.parts().empty() || message.parts(0).alternatives().empty()) return SipText();
  const pb::Content& content = message.parts(0).alternatives(0);
  if (content.content_type().empty() && !content.data().empty())
    return refuse(400, "a body without Content-Type");
  Entity entity;
  entity.content_type = content.content_type();
  entity.disposition = content.disposition();
  entity.encoding = content.encoding();
  entity.transfer_encoding = content.transfer_encoding();
  entity.body = content.data();
  return read(std::move(entity), 0);
}

}  // namespace stox::mapping

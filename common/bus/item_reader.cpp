#include "common/bus/item_reader.h"

#include <cstdint>
#include <optional>

namespace stox::bus {
namespace {

constexpr unsigned kLengthDelimited = 2;
constexpr std::size_t kKept = 4096;  // bytes; thousands of envelopes wait to be used again

std::optional<uint64_t> take_varint(std::string_view* bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

constexpr uint64_t tag_of(int field) { return static_cast<uint64_t>(field) << 3 | kLengthDelimited; }

bool merge(pb::Item& item, std::string_view bytes) {
  const google::protobuf::StringPiece piece(bytes.data(), bytes.size());
  return item.ParseFrom<google::protobuf::MessageLite::kMerge>(piece);
}

// A body that was kept and got no content: none came.
void drop_empty_body(pb::Envelope& e) {
  const bool from_sip = e.has_sip_message() && e.sip_message().request_uri().empty();
  const bool from_xmpp = e.has_xmpp_message() && e.xmpp_message().to().empty();
  if ((from_sip && e.sip_message().ByteSizeLong() == 0) ||
      (from_xmpp && e.xmpp_message().ByteSizeLong() == 0))
    e.clear_body();
}

}  // namespace

void clear_for_reuse(pb::Envelope& e) {
  if (e.ByteSizeLong() > kKept) return e.Clear();
  pb::EnvelopeId* const id = e.release_id();
  pb::SipMessage* const sip = e.has_sip_message() ? e.release_sip_message() : nullptr;
  pb::XmppMessage* const xmpp = e.has_xmpp_message() ? e.release_xmpp_message() : nullptr;
  e.Clear();
  if (id != nullptr) {
    id->Clear();
    e.set_allocated_id(id);
  }
  if (sip != nullptr) {
    sip->Clear();
    e.set_allocated_sip_message(sip);
  }
  if (xmpp != nullptr) {
    xmpp->Clear();
    e.set_allocated_xmpp_message(xmpp);
  }
}

bool ItemReader::read(std::string_view frame, const std::function<void(pb::Item&)>& each) {
  while (!frame.empty()) {
    const auto tag = take_varint(&frame);
    const auto size = take_varint(&frame);
    if (tag != tag_of(pb::Batch::kItemsFieldNumber) || !size || *size > frame.size()) return false;
    pb::Item* const item = read_item(frame.substr(0, *size));
    if (item == nullptr) return false;
    each(*item);
    frame.remove_prefix(*size);
  }
  return true;
}

pb::Item* ItemReader::read_item(std::string_view bytes) {
  std::string_view rest = bytes;
  const auto tag = take_varint(&rest);
  if (tag == tag_of(pb::Item::kEnvelopeFieldNumber)) {
    clear_for_reuse(*envelope_.mutable_envelope());
    if (!merge(envelope_, bytes)) return nullptr;
    if (envelope_.has_envelope()) drop_empty_body(*envelope_.mutable_envelope());
    return &envelope_;
  }
  pb::Item& item = tag == tag_of(pb::Item::kOutcomeFieldNumber) ? outcome_ : other_;
  if (&item == &outcome_) {
    pb::Outcome& outcome = *item.mutable_outcome();
    pb::EnvelopeId* const id = outcome.release_id();
    outcome.Clear();
    if (id != nullptr) id->Clear();
    outcome.set_allocated_id(id);
  } else {
    item.Clear();
  }
  return merge(item, bytes) ? &item : nullptr;
}

}  // namespace stox::bus

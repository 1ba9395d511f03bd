#include "common/bus/edge/item_reader.h"

#include <cstdint>
#include <optional>

#include "common/bus/wire/parser_words.h"

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

}  // namespace

void clear_for_reuse(pb::Envelope& e) {
  if (e.ByteSizeLong() > kKept)
    e = pb::Envelope();
  else
    e.Clear();
}

ItemReader::ItemReader() { keep_parser_words(); }

bool ItemReader::read(std::string_view frame, const std::function<void(pb::Item&)>& each) {
  if (read_all(frame, each)) return true;
  why_broken_ = take_parser_words();
  return false;
}

bool ItemReader::read_all(std::string_view frame, const std::function<void(pb::Item&)>& each) {
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
  pb::Item* item = &other_;
  if (tag == tag_of(pb::Item::kEnvelopeFieldNumber)) {
    item = &envelope_;
    clear_for_reuse(*item->mutable_envelope());
  } else if (tag == tag_of(pb::Item::kOutcomeFieldNumber)) {
    item = &outcome_;
    item->mutable_outcome()->Clear();
  } else {
    item->Clear();
  }
  return merge(*item, bytes) ? item : nullptr;
}

}  // namespace stox::bus

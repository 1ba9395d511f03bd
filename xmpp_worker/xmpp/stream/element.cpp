#include "xmpp_worker/xmpp/stream/element.h"

#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {

std::string_view Element::name() const { return tree_ ? tree_->at(tree_->nodes_[node_].name) : ""; }
std::string_view Element::ns() const { return tree_ ? tree_->at(tree_->nodes_[node_].ns) : ""; }
std::string_view Element::text() const { return tree_ ? tree_->at(tree_->nodes_[node_].text) : ""; }

std::string_view Element::tail() const { return tree_ ? tree_->at(tree_->nodes_[node_].tail) : ""; }

bool Element::is(std::string_view wanted, std::string_view uri) const {
  return tree_ != nullptr && name() == wanted && ns() == uri;
}

std::string_view Element::attribute(std::string_view wanted, std::string_view uri) const {
  if (!tree_) return {};
  const auto& node = tree_->nodes_[node_];
  for (uint32_t i = node.first_attribute; i < node.first_attribute + node.attributes; ++i) {
    const auto& attribute = tree_->attributes_[i];
    if (tree_->at(attribute.name) == wanted && tree_->at(attribute.ns) == uri)
      return tree_->at(attribute.value);
  }
  return {};
}

Element Element::first_child() const {
  return tree_ ? tree_->element(tree_->nodes_[node_].first_child) : Element();
}
Element Element::next() const { return tree_ ? tree_->element(tree_->nodes_[node_].next) : Element(); }

Element Element::child(std::string_view wanted, std::string_view uri) const {
  Element each = first_child();
  while (each && !each.is(wanted, uri)) each = each.next();
  return each;
}

Element Element::content_child(std::string_view wanted) const {
  Element each = first_child();
  while (each && !(each.name() == wanted && is_content_namespace(each.ns()))) each = each.next();
  return each;
}

void ElementTree::release() {
  std::string().swap(bytes_);
  nodes_ = {};
  attributes_ = {};
  clear();
}

void ElementTree::clear() {
  static constexpr std::size_t kKeep = 65'536;
  if (bytes_.capacity() > kKeep || nodes_.capacity() * sizeof(Node) > kKeep ||
      attributes_.capacity() * sizeof(Attribute) > kKeep)
    release();
  bytes_.clear();
  nodes_.clear();
  attributes_.clear();
  open_ = kNone;
  cut_ = false;
}

ElementTree::Slice ElementTree::store(std::string_view text) {
  const Slice slice{static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(text.size())};
  bytes_.append(text);
  return slice;
}

void ElementTree::open(std::string_view ns, std::string_view name) {
  if (cut_) return;
  const auto index = static_cast<uint32_t>(nodes_.size());
  Node node;
  node.ns = open_ != kNone && at(nodes_[open_].ns) == ns ? nodes_[open_].ns : store(ns);
  node.name = store(name);
  node.first_attribute = static_cast<uint32_t>(attributes_.size());
  node.parent = open_;
  if (open_ != kNone) {
    Node& parent = nodes_[open_];
    (parent.last_child == kNone ? parent.first_child : nodes_[parent.last_child].next) = index;
    parent.last_child = index;
  }
  nodes_.push_back(node);
  open_ = index;
}

void ElementTree::attribute(std::string_view ns, std::string_view name, std::string_view value) {
  if (cut_) return;
  attributes_.push_back({store(ns), store(name), store(value)});
  ++nodes_[open_].attributes;
}

void ElementTree::text(std::string_view chunk) {
  if (cut_ || open_ == kNone) return;
  Node& node = nodes_[open_];
  Slice& text = node.first_child == kNone ? node.text : nodes_[node.last_child].tail;
  const Slice added = store(chunk);  // right behind the text there was: nothing else came between
  if (text.size == 0) text.at = added.at;
  text.size += added.size;
}

void ElementTree::close() {
  if (!cut_) open_ = nodes_[open_].parent;
}

void ElementTree::cut() {
  cut_ = true;
  if (nodes_.empty()) return;
  nodes_.resize(1);
  nodes_[0].first_child = nodes_[0].last_child = kNone;
  nodes_[0].text = {};
  attributes_.resize(nodes_[0].first_attribute + nodes_[0].attributes);
  const Slice last = attributes_.empty() ? nodes_[0].name : attributes_.back().value;
  bytes_.resize(last.at + last.size);
  bytes_.shrink_to_fit();
  nodes_.shrink_to_fit();
  attributes_.shrink_to_fit();
}

}  // namespace stox::xmpp

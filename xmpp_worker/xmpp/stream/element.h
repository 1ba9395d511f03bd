// An XML element as it came from a stream: a small read-only tree.
//
// ElementTree owns all of it in three buffers that are reused from stanza to stanza; an Element is a view
// into it, and it and the slices it gives live until the tree is cleared or changed. An Element that is
// none (default, or not found) answers everything with empty, so that lookups can be chained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stox::xmpp {

class ElementTree;

class Element {
 public:
  Element() = default;

  explicit operator bool() const { return tree_ != nullptr; }
  bool is(std::string_view name, std::string_view ns) const;

  std::string_view name() const;  // local name
  std::string_view ns() const;
  // Character data before the first child: all of it, in the elements that one reads text from.
  std::string_view text() const;
  std::string_view tail() const;  // character data behind it, up to its next sibling or its parent's end
  // Empty if absent.
  std::string_view attribute(std::string_view name, std::string_view ns = {}) const;

  Element first_child() const;
  Element next() const;  // sibling
  Element child(std::string_view name, std::string_view ns) const;
  // A child in any of the namespaces that stanzas come in (body, subject, error, ...).
  Element content_child(std::string_view name) const;

 private:
  friend class ElementTree;
  Element(const ElementTree* tree, uint32_t node) : tree_(tree), node_(node) {}

  const ElementTree* tree_ = nullptr;
  uint32_t node_ = 0;
};

class ElementTree {
 public:
  void clear();               // keeps memory for the next stanza, unless it was an exceptionally large one
  void release();             // gives it back
  std::size_t size() const {  // bytes
    return bytes_.size() + nodes_.size() * sizeof(Node) + attributes_.size() * sizeof(Attribute);
  }
  std::size_t memory() const {  // the same with what is kept for more
    return bytes_.capacity() + nodes_.capacity() * sizeof(Node) + attributes_.capacity() * sizeof(Attribute);
  }

  void open(std::string_view ns, std::string_view name);
  void attribute(std::string_view ns, std::string_view name,
                 std::string_view value);  // of what was just opened
  void text(std::string_view chunk);
  void close();
  // Drops all below the root and takes nothing more.
  void cut();

  Element root() const { return nodes_.empty() ? Element() : Element(this, 0); }

 private:
  friend class Element;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slice {
    uint32_t at = 0, size = 0;
  };
  struct Attribute {
    Slice ns, name, value;
  };
  struct Node {
    Slice ns, name, text, tail;
    uint32_t first_attribute = 0, attributes = 0;
    uint32_t parent = kNone, first_child = kNone, last_child = kNone, next = kNone;
  };

  Slice store(std::string_view);
  std::string_view at(Slice s) const { return std::string_view(bytes_).substr(s.at, s.size); }
  Element element(uint32_t node) const { return node == kNone ? Element() : Element(this, node); }

  std::string bytes_;
  std::vector<Node> nodes_;
  std::vector<Attribute> attributes_;
  uint32_t open_ = kNone;
  bool cut_ = false;
};

}  // namespace stox::xmpp

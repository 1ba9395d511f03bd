// An XML stream (RFC 6120 4 and 11) read from fragments of any size: header, then one child after the other.
//
// Restricted as RFC 6120 11.1 has it: no DTD, comments, processing instructions, or entities other than the
// five. Memory is bounded by the limits, however long the stream lives and whatever it carries.
// The user must outlive the stream; elements it is shown live during the call.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xmpp_worker/xmpp/stream/element.h"
#include "xmpp_worker/xmpp/stream/errors.h"

struct XML_ParserStruct;

namespace stox::xmpp {

struct XmlLimits {
  // Beyond these a stanza's content is dropped while it is read, and the stanza is shown as oversized: what
  // one user sends through a server must not end the stream of all others.
  std::size_t stanza_bytes = 262'144;
  std::size_t depth = 64;  // of elements below the stream
  std::size_t attributes = 64;
  std::size_t name_bytes = 1024;     // namespace and local name
  std::size_t tree_bytes = 524'288;  // that an element takes here, however short it is on the wire
  // Beyond these the stream ends with policy-violation.
  std::size_t fatal_bytes = 2'097'152;  // of one stanza
  std::size_t fatal_depth = 10'000;
  std::size_t tag_bytes = 1'048'576;  // of one tag

  // No stanzas yet: the 10,000 bytes of RFC 6120 13.12 need not fit.
  static XmlLimits before_authentication() { return {6'000, 64, 64, 1024, 8'000, 6'000, 64, 4'096}; }
  // Of who came to us and has proved nothing. The longest that it needs is its header, or a key of dialback
  // between two domains.
  static XmlLimits of_strangers() { return {3'000, 8, 16, 256, 4'000, 3'000, 8, 3'000}; }
};

class XmlStreamUser {
 public:
  virtual ~XmlStreamUser() = default;
  // Attributes of the header; its namespace declarations are attributes in ns::kXmlns, named by prefix, the
  // default one "xmlns".
  virtual void stream_opened(const Element& header) = 0;
  virtual void stream_element(const Element&) = 0;    // a whole child of the stream
  virtual void stream_oversized(const Element&) = 0;  // one over a limit: its name and attributes only
  virtual void stream_closed() = 0;
  // What to send before closing. Nothing else follows until restart().
  virtual void stream_failed(const StreamError&) = 0;
};

class XmlStream {
 public:
  XmlStream(const XmlLimits&, XmlStreamUser&);
  ~XmlStream();

  void feed(std::string_view bytes);

  // A new stream begins: after TLS, SASL, or on a new connection. Called by the user from inside a call, it
  // takes effect behind that element: what was fed after it belongs to the new stream.
  void restart(const XmlLimits&);
  // What follows is dropped until restart(): bytes sent before a TLS handshake, say.
  void stop();
  void set_limits(const XmlLimits& limits) { limits_ = limits; }

  // Between two stanzas: gives back what it can make again from the header. That happens with the next byte
  // and costs some microseconds. False: there is nothing to give.
  bool rest();
  // What the peer makes us hold, in bytes, about: a stanza that has not ended.
  std::size_t held() const;

 private:
  struct Handlers;
  struct Free {
    void operator()(XML_ParserStruct*) const;
  };
  enum class Next { kGoOn, kRenew, kRestart, kStop };

  void make_parser();
  void renew();
  void give_back();
  std::size_t parse(std::string_view);
  void look_at_token(std::string_view slice);
  std::size_t find_end_of_tag(std::string_view);
  void interrupt(Next);
  void fail(std::string_view condition, std::string_view text);
  void fail_by_parser();
  void check_size();
  void start_element(const char* name, const char** attributes);
  void start_header(std::string_view uri, std::string_view local, const char** attributes);
  void end_element();
  void text(std::string_view);
  std::size_t event_end() const;

  XmlLimits limits_;
  XmlStreamUser& user_;
  std::unique_ptr<XML_ParserStruct, Free> parser_;
  ElementTree tree_;
  std::vector<std::pair<std::string, std::string>> declarations_;  // prefix, namespace: of the header
  std::string header_;                                             // its start tag as it came
  std::size_t depth_ = 0;                                          // open elements, the stream's own included
  std::size_t fed_ = 0;                                            // bytes given to this parser
  std::size_t child_start_ = 0;  // where what is being read at stream level began
  std::size_t read_to_ = 0;      // end of the last event
  std::size_t rest_at_ = 0;      // where to go on after an interruption
  // Of the token that has begun and not ended. The parser would read all of it again with each fragment, so
  // from a certain size on its fragments are kept here until it ends.
  std::string token_;
  bool keeps_token_ = false;
  std::array<char, 2> begin_{};
  char quote_ = 0;                 // the token as far as it has come ends inside of these
  std::size_t largest_token_ = 0;  // that this parser has seen
  std::size_t largest_depth_ = 0;
  Next next_ = Next::kGoOn;
  bool parsing_ = false;  // inside feed()
  bool replaying_ = false;
  bool cut_ = false;
  StreamError error_;
};

}  // namespace stox::xmpp

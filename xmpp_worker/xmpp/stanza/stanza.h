// Stanzas (RFC 6120 8, RFC 6121 5) as values: read from an element, written to XML. All text is slices: of
// the element that was read, or of what the writer's caller owns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/timestamp.h"
#include "xmpp_worker/xmpp/stream/element.h"
#include "xmpp_worker/xmpp/stream/errors.h"
#include "xmpp_worker/xmpp/stream/xml_writer.h"

namespace stox::xmpp {

struct Stanza {
  enum class Kind { kMessage, kPresence, kIq };
  Kind kind = Kind::kMessage;
  std::string_view from = {}, to = {}, id = {};
  std::string_view type = {};  // as written; of a message without one, or with an unknown one: normal
  std::string_view lang = {};
  Element element = {};  // what it was read from

  bool is_error() const { return type == "error"; }
};

struct LangText {
  std::string_view lang;  // empty = the stanza's
  std::string_view text;
};

// XEP-0066, and what XEP-0446 tells beside it.
struct Oob {
  std::string_view url;
  std::string_view description;  // empty = none, as are these:
  std::string_view name = {}, media_type = {};
  uint64_t size = 0;  // bytes; 0 = not known
};

// XEP-0447, XEP-0446: a file at an http or https address.
struct File {
  std::string_view url;
  std::string_view name, media_type;  // empty = not known
  uint64_t size = 0;                  // bytes; 0 = not known
};

struct MessageContent {
  std::vector<LangText> bodies, subjects;
  std::string_view thread;
  int64_t delay_s = 0;                               // XEP-0203, Unix time; 0 = none
  std::vector<Oob> oobs;                             // read only, as is this:
  std::string_view replaces;                         // XEP-0308: id of the corrected message; empty = none
  std::string_view state;                            // XEP-0085: the element's name; empty = none
  bool wants_receipt = false, wants_marker = false;  // XEP-0184 <request/>, XEP-0333 <markable/>
  std::string_view nick;                             // XEP-0172; empty = none
  std::string_view origin_id;                        // XEP-0359; empty = none
  // Ids of messages that were received or displayed; a stanza that says so says nothing else.
  std::string_view received, displayed;
  bool of_occupant = false;  // XEP-0045 7.5: it comes from one of a room's
  // Written only (XEP-0461): the id of the message that this answers, and who wrote that; empty = none.
  std::string_view reply_to, reply_to_sender;
  // And the file that the body is the address of. Clients show it in place of the body.
  std::optional<File> file;

  void clear();  // keeps memory
};

// http or https, without spaces, and of a length that a message can carry.
bool is_web_address(std::string_view url);
// The first of XEP-0447's <sources/>; empty: there is none.
std::string_view web_address_in(const Element& sources);

// Nothing when the element is no stanza.
std::optional<Stanza> read_stanza(const Element&);
void read_content(const Element& message, MessageContent& out);
StanzaError read_error(const Element& stanza);
// From stream:error.
StreamError read_stream_error(const Element&);

// A state without words is marked as not worth keeping (XEP-0334).
void write_message(XmlWriter&, const Stanza&, const MessageContent&);
// The stanza's error, to who sent it (errors: "Form of the stanza").
void write_error(XmlWriter&, const Stanza& failed, const StanzaError&);
// A result of an IQ; the caller writes its payload and closes it.
XmlWriter& open_result(XmlWriter&, const Stanza& request);
void write_ping(XmlWriter&, std::string_view from, std::string_view to, std::string_view id);
void write_stream_error(XmlWriter&, const StreamError&);

// One of the 22 of RFC 6120 8.3.3.
bool is_stanza_condition(std::string_view name);

}  // namespace stox::xmpp

// What a message stanza without a body is to people: most of them are between clients, but some were meant
// for the person at the other end (a reaction, a place, a call), who must get it in words or its sender must
// be told that it did not arrive. One table in wordless.cpp decides, by payload.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/element.h"

namespace stox::xmpp {

struct Meaning {
  enum class Kind {
    kSilent,   // no person wrote it
    kText,     // `text` says it
    kFile,     // `file` is where it is
    kCall,     // it rings until it is declined
    kRefused,  // it cannot be said in words; `text` tells its sender why
  };
  Kind kind = Kind::kSilent;
  std::string text;
  Oob file = {};  // slices of the stanza
};

// The first words of a message of the same conversation, by its id; empty if they are not known (any more).
using FirstWords = std::function<std::string_view(std::string_view id)>;

// Of a stanza that has no body, of any type but error.
Meaning read_meaning(const Stanza&, const MessageContent&, const FirstWords&);
// The sentence to be shown for the body of a stanza that others fall back to (XEP-0428) when they know no
// retractions: it begins with "/me", which SIP clients show as it is. Empty: the body is one to be shown.
std::string retraction_sentence(const Stanza&, const MessageContent&, const FirstWords&);

}  // namespace stox::xmpp

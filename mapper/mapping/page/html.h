// What a text/html body says, as plain text. XHTML-IM (XEP-0071) is deprecated, so XMPP gets the words alone.
#pragma once

#include <string>
#include <string_view>

namespace stox::mapping {

// Tags become nothing or a line break, entities characters, runs of white space one space (except in <pre>);
// what scripts and styles hold is dropped; a link keeps its address. Much text/html is plain text with the
// wrong label, so what only looks like a tag stays: "<3", "a<b", "<juliet@example.com>". A text without any
// tag keeps its line ends, too. Any UTF-8 goes in, however wrong as HTML; takes time in proportion to its
// size.
std::string text_of_html(std::string_view html);

}  // namespace stox::mapping

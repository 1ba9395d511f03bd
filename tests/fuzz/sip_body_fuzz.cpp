// Any body of a MESSAGE: nothing crashes, and what is taken as text can stand in XML. Input: Content-Type, a
// line end, the body.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/base/text.h"
#include "mapper/mapping/cpim.h"
#include "mapper/mapping/sip_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  stox::pb::SipMessage message;
  auto* content = message.add_parts()->add_alternatives();
  content->set_content_type(std::string(input.substr(0, end)));
  content->set_data(std::string(input.substr(end + 1)));
  const auto text = stox::mapping::text_of(message);
  if (text && (!stox::is_utf8(text->text) || stox::xml_legal(text->text) != text->text)) {
    std::fprintf(stderr, "broken: the text can stand in XML\n");
    std::abort();
  }
  if (const auto cpim = stox::mapping::parse_cpim(input.substr(end + 1))) {
    for (const auto& header : cpim->headers) {
      if (!stox::is_utf8(header.value)) std::abort();
    }
  }
  return 0;
}

// Any body of a MESSAGE: nothing crashes, and what is taken as text can stand in XML. Input: Content-Type,
// perhaps a tab and a Content-Encoding, a line end, the body.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/base/text.h"
#include "mapper/mapping/page/cpim.h"
#include "mapper/mapping/page/sip_text.h"
#include "mapper/mapping/page/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  stox::pb::SipMessage message;
  auto* content = message.add_parts()->add_alternatives();
  const std::string_view type = input.substr(0, end);
  content->set_content_type(std::string(type.substr(0, type.find('\t'))));
  if (const auto tab = type.find('\t'); tab != std::string_view::npos)
    content->set_encoding(std::string(type.substr(tab + 1)));
  content->set_data(std::string(input.substr(end + 1)));
  const auto text = stox::mapping::text_of(message);
  const auto check = [](const std::string& part) {
    if (stox::is_utf8(part) && stox::xml_legal(part) == part) return;
    std::fprintf(stderr, "broken: the text can stand in XML\n");
    std::abort();
  };
  if (text) check(text->text);
  for (std::size_t i = 0; text && i < text->files.size(); ++i) {
    check(text->files[i].url());
    check(text->files[i].name());
    check(text->files[i].media_type());
  }
  check(stox::mapping::header_text(input, 256));
  if (const auto cpim = stox::mapping::parse_cpim(input.substr(end + 1))) {
    for (const auto& header : cpim->headers) {
      if (!stox::is_utf8(header.value)) std::abort();
    }
  }
  return 0;
}

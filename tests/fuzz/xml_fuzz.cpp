// Whatever bytes a server sends: the stream shows the same however they are split, and what is written from
// what was read is read again as the same. Input: a byte that says how to split, then the stream.
#include <string>
#include <string_view>

#include "tests/fuzz/hold.h"
#include "xmpp_worker/xmpp/stanza/services.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/xml_stream.h"

namespace {

using namespace stox::xmpp;

const std::string kHeader =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

class Reader : public XmlStreamUser {
 public:
  void stream_opened(const Element& header) override { show("opened", header); }
  void stream_oversized(const Element& element) override { show("oversized", element); }
  void stream_closed() override { log += "closed\n"; }
  // Which of two faults is met first may depend on the splitting.
  void stream_failed(const StreamError&) override { failed = true; }
  void stream_element(const Element& element) override {
    show("element", element);
    const auto stanza = read_stanza(element);
    if (!stanza) return;
    MessageContent content;
    read_content(element, content);
    read_error(element);
    bodies.clear();
    for (const LangText& each : content.bodies) bodies += std::string(each.text) + "\n";
    written = kHeader;
    XmlWriter xml(written);
    write_message(xml, *stanza, content);
    std::string answered = kHeader;
    XmlWriter answer_xml(answered);
    answer(*stanza, {"1"}, answer_xml);
    write_error(answer_xml, *stanza, {"cancel", "conflict"});
    answers = answered;
  }

  bool failed = false;
  std::string log, bodies, written, answers;

 private:
  void show(const char* what, const Element& element) {
    log.append(what).append(" ").append(element.ns()).append(" ").append(element.name());
    log.append(" ").append(element.attribute("to")).append(" ").append(element.text()).append("\n");
    for (Element child = element.first_child(); child; child = child.next()) show("  child", child);
  }
};

Reader read(std::string_view bytes, std::size_t step) {
  Reader reader;
  XmlStream stream({}, reader);
  for (std::size_t at = 0; at < bytes.size(); at += step) stream.feed(bytes.substr(at, step));
  return reader;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Reader whole = read(bytes, bytes.size() + 1);
  const Reader split = read(bytes, data[0] % 16 + 1u);
  hold(whole.log == split.log && whole.failed == split.failed, "the same however it is split");
  if (whole.written.empty()) return 0;
  const Reader again = read(whole.written, whole.written.size());
  hold(again.bodies == whole.bodies, "what is written is read again");
  const Reader answers = read(whole.answers, whole.answers.size());
  hold(!answers.failed, "answers are well-formed");
  return 0;
}

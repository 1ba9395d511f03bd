// Any presence document: nothing crashes, devices are few and can be addressed, and what is written of them
// is read again as the same.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/presence/pidf.h"
#include "tests/fuzz/hold.h"

namespace {

constexpr const char* kUser = "sip:romeo@sip.test";
using stox::Device;

void check(const Device& device) {
  const auto uri = stox::parse_sip_uri(device.address);
  hold(uri && uri->param("gr"), "a device can be addressed");
  hold(device.state.priority() >= 0 && device.state.priority() <= 127, "a priority is one");
  hold(device.state.notes_size() <= 16, "notes are few");
  for (const auto& note : device.state.notes()) {
    hold(stox::is_utf8(note.text()) && stox::xml_legal(note.text()) == note.text(),
         "a note can stand in XML");
    hold(note.text().size() <= 1024, "a note is short");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto read = stox::read_pidf({reinterpret_cast<const char*>(data), size}, kUser);
  if (!read) return 0;
  hold(read->size() <= 64, "devices are few");
  std::map<std::string, const Device*> available;
  for (const Device& device : *read) {
    check(device);
    if (device.state.available()) available[device.address] = &device;
  }
  const std::string written = stox::write_pidf(kUser, *read);
  hold(written.find("<tuple ") != std::string::npos, "there is a tuple");
  const auto again = stox::read_pidf(written, kUser);
  hold(again.has_value() || written.size() > stox::kMaxPidf, "what is written is read");
  if (!again) return 0;
  if (!available.empty())
    hold(again->size() == std::min(available.size(), stox::kMaxShownDevices), "who is available is shown");
  for (const Device& device : *again) {
    if (available.empty()) {
      hold(!device.state.available(), "nobody comes up");
      continue;
    }
    const auto before = available.find(device.address);
    hold(before != available.end() && device.state.available(), "nobody comes up");
    hold(device.state.priority() == before->second->state.priority(), "a priority stays");
    // Where nothing is said, a note may be read as a word.
    if (before->second->state.activity() != stox::pb::PresenceState::NONE)
      hold(device.state.activity() == before->second->state.activity(), "an activity stays");
  }
  return 0;
}

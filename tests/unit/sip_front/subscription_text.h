// What a notifier sends, for tests of subscribers.
#pragma once

#include <cstdint>
#include <string>

#include "sip_front/sip/dialog/dialog.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {

// The response to our SUBSCRIBE in this dialog. `headers`: whole lines that end in "\n".
inline std::string subscribe_response(const Dialog& dialog, int status, const std::string& headers = {},
                                      const std::string& to_tag = "bobs") {
  return crlf("SIP/2.0 " + std::to_string(status) +
              " Whatever\nVia: SIP/2.0/UDP gw.test;branch=z9hG4bKa\nFrom: <" + dialog.local_uri +
              ">;tag=" + dialog.local_tag + "\nTo: <" + dialog.remote_uri + ">;tag=" + to_tag +
              "\nCall-ID: " + dialog.call_id + "\nCSeq: " + std::to_string(dialog.local_cseq) +
              " SUBSCRIBE\n" + headers + "Content-Length: 0\n\n");
}

struct NotifyText {
  std::string state = "active";  // Subscription-State
  std::string body = {}, type = "application/pidf+xml";
  std::string headers = {};  // whole lines that end in "\n"
  std::string tag = "bobs";  // of the notifier
  uint32_t cseq = 1;
  std::string event = "presence";
};

inline std::string notify_text(const Dialog& dialog, const NotifyText& n) {
  return crlf("NOTIFY sip:gw.test:5060 SIP/2.0\nVia: SIP/2.0/UDP sip.test;branch=z9hG4bK" +
              std::to_string(n.cseq) + "\nMax-Forwards: 70\nFrom: <" + dialog.remote_uri + ">;tag=" + n.tag +
              "\nTo: <" + dialog.local_uri + ">;tag=" + dialog.local_tag + "\nCall-ID: " + dialog.call_id +
              "\nCSeq: " + std::to_string(n.cseq) + " NOTIFY\nContact: <sip:bob@192.0.2.9>\nEvent: " +
              n.event + "\nSubscription-State: " + n.state + "\n" + n.headers +
              (n.body.empty() ? "" : "Content-Type: " + n.type + "\n") +
              "Content-Length: " + std::to_string(n.body.size()) + "\n\n") +
         n.body;
}

}  // namespace stox::sip

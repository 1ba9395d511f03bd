#include "ctl/doctor_password.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/shortened.h"
#include "common/service/config_file.h"
#include "sip_front/sip/message/digest.h"
#include "sip_front/sip/message/parser.h"

namespace stox::ctl {

std::vector<service::CredentialsConfig> credentials_of(const service::Config& config) {
  std::vector<service::CredentialsConfig> out;
  for (const auto& front : config.sip_fronts) {
    for (service::CredentialsConfig one : front.credentials) {
      if (!one.password_file.empty()) {
        const auto text = service::read_file(one.password_file);
        if (!text) continue;  // the front's own check says so
        one.password = text->substr(0, text->find_last_not_of("\r\n") + 1);
      }
      out.push_back(std::move(one));
    }
  }
  return out;
}

Result<Proof> prove(const std::vector<service::CredentialsConfig>& credentials, const std::string& response,
                    const std::string& method, const std::string& uri, const std::string& unique) {
  std::string text = response.substr(0, response.find("\r\n\r\n") + 4);
  sip::Message message;
  if (!sip::parse_head(text, message)) return error("what it says is no SIP");
  std::string realms;
  for (sip::Challenge& challenge : sip::read_challenges(message)) {
    const auto own = std::find_if(credentials.begin(), credentials.end(),
                                  [&](const auto& one) { return one.realm == challenge.realm; });
    if (own != credentials.end()) {
      Proof out{{}, own->username};
      sip::append_answer(out.header, challenge, {own->realm, own->username, own->password}, method, uri,
                         unique);
      return out;
    }
    realms += fmt::format("{}\"{}\"", realms.empty() ? "" : " or ", shortened(challenge.realm, 100));
  }
  if (realms.empty())
    return error("it asks for authentication in no way we know: digest with MD5 or SHA-256 would do");
  return error(
      fmt::format("[[sip_front.credentials]] realm = {}, username = \"...\", password = \"...\": with them "
                  "this check and the "
                  "gateway itself answer; else let a phone that has a password write to an XMPP user",
                  realms));
}

}  // namespace stox::ctl

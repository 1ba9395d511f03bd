// Who may see the page of `stoxctl web`, and who may do something by it. The page is on loopback, where every
// user of the machine and every page in the operator's browser can send requests, too. Pure.
#pragma once

#include <optional>
#include <string>

namespace stox::ctl::web {

// What counts of a request; empty where it has none.
struct WebRequest {
  std::string method;
  std::string path;
  std::string host;  // header fields, from here on
  std::string origin;
  std::string cookie;
  std::string content_type;
  std::string secret = {};                // X-Stox-Token
  std::optional<std::string> token = {};  // of the query
};

struct Refusal {
  int status;
  std::string text;  // why, and what to do
};

class Access {
 public:
  // `token`: what the address has that stoxctl prints, and the page keeps; `session`: what the browser needs
  // to load the page again. Both random, hexadecimal. `port`: the page's own. `may_act`: requests that change
  // something are taken.
  Access(std::string token, std::string session, int port, bool may_act);

  // Nothing if it may pass. By its Host no other name than loopback's is taken, so that no page of a stranger
  // reaches us by a name of its own that leads here. The page itself is given for the token or the cookie. A
  // browser tells a cookie to whoever listens on another port of loopback: what there is to see is given for
  // the token alone, in a header. What changes something must come from the page: by its Origin, and as JSON,
  // which no form can send.
  std::optional<Refusal> refusal(const WebRequest&) const;

  // The value of Set-Cookie for who came with the token.
  std::string set_cookie() const;

 private:
  std::optional<Refusal> refusal_to_act(const WebRequest&) const;

  std::string token_, cookie_;
  bool may_act_;
};

// 32 random bytes, in hexadecimal digits.
std::string random_token();

}  // namespace stox::ctl::web

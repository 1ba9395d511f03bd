#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/web/access.h"

namespace stox::ctl::web {
namespace {

using ::testing::HasSubstr;

class WebAccess : public ::testing::Test {
 protected:
  static WebRequest page() { return {"GET", "/", "127.0.0.1:7380", "", "", ""}; }
  static WebRequest with_cookie() {
    WebRequest out = page();
    out.path = "/api/site";
    out.cookie = "theme=dark; stox_7380=session";
    out.secret = "token";
    return out;
  }
  static WebRequest action() {
    WebRequest out = with_cookie();
    out.method = "POST";
    out.path = "/api/drain";
    out.origin = "http://127.0.0.1:7380";
    out.content_type = "application/json";
    return out;
  }
  static int status(const Access& access, const WebRequest& asked) {
    const auto refusal = access.refusal(asked);
    return refusal ? refusal->status : 200;
  }
  const Access reads_{"token", "session", 7380, false}, acts_{"token", "session", 7380, true};
};

TEST_F(WebAccess, ThePageIsGivenForTheTokenInTheAddressOnce) {
  WebRequest asked = page();
  EXPECT_EQ(status(reads_, asked), 403);
  asked.token = "token";
  EXPECT_EQ(status(reads_, asked), 200);
  asked.path = "/api/site";
  EXPECT_EQ(status(reads_, asked), 403) << "the token is for the first load only";
  EXPECT_EQ(status(reads_, with_cookie()), 200);
  EXPECT_EQ(reads_.set_cookie(), "stox_7380=session; Path=/; HttpOnly; SameSite=Strict");
}

// Whoever listens on another port of this machine is told the cookie.
TEST_F(WebAccess, TheCookieLoadsThePageAgainAndShowsNothing) {
  WebRequest asked = with_cookie();
  asked.secret = "";
  EXPECT_EQ(status(reads_, asked), 403);
  asked.secret = "session";
  EXPECT_EQ(status(reads_, asked), 403);
  asked.path = "/page.js";
  EXPECT_EQ(status(reads_, asked), 200);
  asked.path = "/";
  EXPECT_EQ(status(reads_, asked), 200);
  asked = action();
  asked.secret = "";
  EXPECT_EQ(status(acts_, asked), 403);
}

TEST_F(WebAccess, AWrongTokenIsRefusedWhateverTheCookie) {
  WebRequest asked = with_cookie();
  asked.path = "/";
  asked.token = "tokem";
  EXPECT_EQ(status(reads_, asked), 403);
  asked.token = "";
  EXPECT_EQ(status(reads_, asked), 403);
}

TEST_F(WebAccess, ACookieOfAnotherPortOrSessionIsNone) {
  WebRequest asked = with_cookie();
  for (const char* cookie :
       {"stox_7381=session", "stox_7380=sessiom", "xstox_7380=session", "stox_7380=session2"}) {
    asked.cookie = cookie;
    EXPECT_EQ(status(reads_, asked), 403) << cookie;
  }
}

TEST_F(WebAccess, NoNameButLoopbacksIsTaken) {
  WebRequest asked = with_cookie();
  for (const char* host :
       {"127.0.0.1:7380", "localhost:8080", "LOCALHOST", "[::1]:7380", "[::1]", "127.0.0.2"}) {
    asked.host = host;
    EXPECT_EQ(status(reads_, asked), 200) << host;
  }
  for (const char* host :
       {"", "evil.example:7380", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:7380",
        "127.evil.example:7380", "127.0.0.1:7380@evil", "localhost:evil"}) {
    asked.host = host;
    EXPECT_EQ(status(reads_, asked), 403) << host;
  }
}

TEST_F(WebAccess, ActionsNeedToBeAllowed) {
  EXPECT_THAT(reads_.refusal(action())->text, HasSubstr("--allow-actions"));
  EXPECT_EQ(status(acts_, action()), 200);
}

TEST_F(WebAccess, ActionsComeFromThePageAlone) {
  WebRequest asked = action();
  for (const char* origin :
       {"", "null", "http://evil.example", "http://127.0.0.1:9999", "https://127.0.0.1:7380"}) {
    asked.origin = origin;
    EXPECT_EQ(status(acts_, asked), 403) << origin;
  }
  asked = action();
  asked.content_type = "text/plain";
  EXPECT_EQ(status(acts_, asked), 415) << "what a form can send";
  asked = action();
  asked.cookie = "";
  EXPECT_EQ(status(acts_, asked), 403);
  asked = action();
  asked.method = "PUT";
  EXPECT_EQ(status(acts_, asked), 405);
}

TEST_F(WebAccess, TokensAreLongAndDiffer) {
  EXPECT_EQ(random_token().size(), 64U);
  EXPECT_NE(random_token(), random_token());
}

}  // namespace
}  // namespace stox::ctl::web

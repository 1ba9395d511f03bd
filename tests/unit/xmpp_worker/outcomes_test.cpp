#include "xmpp_worker/outcomes/outcomes.h"

#include <gtest/gtest.h>

namespace stox::worker {
namespace {

// A stream to another domain's server that does not come up.
class DeadPath : public xmpp::Path {
 public:
  explicit DeadPath(std::string condition) : condition_(std::move(condition)) {}

  const std::string& own_domain() const override { return domain_; }
  Sent send(std::string_view, std::string_view) override { return Sent::kNotUp; }
  void write_soon() override {}
  void hurry(bool, Time) override {}
  bool has_room() const override { return false; }
  bool is_up() const override { return false; }
  bool is_refused() const override { return false; }
  const std::string& reason() const override { return reason_; }
  std::string_view condition() const override { return condition_; }
  Time down_since() const override { return Time{}; }
  Time retry_at() const override { return kNever; }
  Time last_proof_of_life() const override { return Time{}; }

 private:
  std::string domain_ = "gw.test", reason_ = "cannot connect to 10.0.0.7:5269: Connection refused",
              condition_;
};

TEST(Outcomes, ASenderReadsASentenceAndTheOperatorTheReason) {
  for (const auto& [condition, told] :
       {std::pair("remote-server-timeout", "The recipient's server cannot be reached"),
        std::pair("remote-server-not-found", "The recipient's domain has no XMPP server")}) {
    const pb::Outcome outcome = path_down_outcome(DeadPath(condition), Time{});
    EXPECT_EQ(outcome.stanza_error().condition(), condition);
    EXPECT_EQ(outcome.stanza_error().text(), told);
    EXPECT_NE(describe(outcome).find("10.0.0.7:5269"), std::string::npos) << describe(outcome);
  }
}

}  // namespace
}  // namespace stox::worker

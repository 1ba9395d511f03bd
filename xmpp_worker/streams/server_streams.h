// The streams of backend "server": our own S2S streams with every remote domain, for all domains we serve.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/bucket.h"
#include "common/base/result.h"
#include "common/net/resolver.h"
#include "xmpp_worker/streams/streams.h"
#include "xmpp_worker/xmpp/s2s/s2s_server.h"

namespace stox::worker {

class ServerStreams final : public Streams, private xmpp::S2sEvents {
 public:
  // `secret` is shared by all server workers of these domains. Context and user must outlive it.
  static Result<std::unique_ptr<Streams>> create(const service::Context&, const service::XmppWorkerConfig&,
                                                 const std::string& secret, xmpp::PathsUser&);

  // What `--check` says of its certificate.
  static std::vector<std::string> check(const service::Config&, const service::Identity&);

  xmpp::Path* path(std::string_view from_domain, std::string_view to_domain) override;
  void start() override {}
  void stop() override { server_->stop(); }
  bool is_stopped() const override { return server_->is_stopped(); }
  uint64_t broken() const override { return server_->broken(); }
  // Ready; with a reason while our own certificate is of no use.
  service::Status status() const override;
  pb::Backend backend() const override { return pb::SERVER; }
  void reload(const service::XmppWorkerConfig&) override;
  nlohmann::json list() const override;
  nlohmann::json streams() const override;
  std::size_t close(const std::string& domain, bool reconnect) override;
  void add_metrics(std::vector<service::Metric>&) const override;

 private:
  ServerStreams(const service::Context&, std::string secret, std::unique_ptr<net::Resolver>);

  void stream_event(const std::string& text) override { tell(service::Level::kInfo, text); }
  void stream_trouble(const std::string& text) override { tell(service::Level::kWarn, text); }
  void tell(service::Level, const std::string&);
  xmpp::S2sOptions options_of(const service::XmppWorkerConfig&) const;
  void look_at_certificate(const std::vector<std::string>& serves);

  const service::Context& context_;
  std::string secret_;  // of dialback
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<xmpp::S2sServer> server_;
  Bucket lines_;  // of the log: others decide how many streams come and go
  uint64_t left_out_ = 0;
  std::string not_ours_;  // for which of our domains our certificate does not stand, for people
};

}  // namespace stox::worker

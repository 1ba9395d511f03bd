// The streams of backend "component": one, to the local server, over a TCP connection of its own.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/net/connector.h"
#include "common/net/loop.h"
#include "common/net/resolver.h"
#include "xmpp_worker/streams/streams.h"
#include "xmpp_worker/xmpp/component/component.h"
#include "xmpp_worker/xmpp/stream/paced_socket.h"

namespace stox::worker {

class ComponentStreams final : public Streams, private xmpp::ComponentOwner, private xmpp::PacedSocketUser {
 public:
  // `domain`: the component's name, prepared. Ids and user must outlive it, as must the context.
  static Result<std::unique_ptr<Streams>> create(const service::Context&, const service::XmppWorkerConfig&,
                                                 const std::string& domain, xmpp::StanzaIds&,
                                                 xmpp::PathsUser&);

  xmpp::Path* path(std::string_view from_domain, std::string_view to_domain) override;
  void start() override;
  void stop() override;
  bool is_stopped() const override { return component_.is_stopped(); }
  service::Status status() const override;
  pb::Backend backend() const override { return pb::COMPONENT; }
  bool holds(Time now) const override;
  void set_holder(const std::string& worker) override;
  uint64_t connection() const override { return component_.connection(); }
  uint64_t broken() const override { return component_.broken(); }
  void may_connect() override;
  void renew_connection() override;
  void other_lost() override;
  void keepalive_came_elsewhere(uint64_t number) override;
  void reload(const service::XmppWorkerConfig&) override;
  nlohmann::json list() const override;
  nlohmann::json streams() const override;
  std::optional<Silence> silence() const override;
  std::size_t close(const std::string& domain, bool reconnect) override;
  void add_metrics(std::vector<service::Metric>&) const override;

 private:
  ComponentStreams(const service::Context&, const service::XmppWorkerConfig&, const std::string& domain,
                   std::unique_ptr<net::Resolver>, xmpp::StanzaIds&, xmpp::PathsUser&);

  void connect() override;
  void disconnect() override;
  void abort() override;
  void write_soon() override;
  void state_changed() override;
  std::size_t unsent() const override;
  void socket_received(std::string_view bytes) override;
  void socket_closed(const std::string& why) override;
  void about_to_write() override;

  void arrange();  // after every event: the next alarm, and a write if something waits

  net::Loop& loop_;
  service::Log& log_;
  const service::Identity identity_;
  std::string host_;
  uint16_t port_;
  xmpp::PathsUser& user_;
  std::unique_ptr<net::Resolver> resolver_;
  xmpp::Component component_;
  net::Connector connector_;
  xmpp::PacedSocket socket_;
  net::Alarm alarm_;
  bool waits_to_connect_ = false;
};

}  // namespace stox::worker

// What a front and a worker have in common, as processes at an end of the bus: how they come to it, what they
// show of it, and how they come to an end. The actor derives from it, and adds its protocol.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/zmq/zmq_wire.h"
#include "common/service/process.h"

namespace stox {

class EdgeProcess : public service::Process, protected bus::EdgeUser {
 public:
  service::Status status() const final;
  void drain(std::function<void()> done) final;
  void accept_new(bool) final;
  void reload(const service::Config&) override;  // the mappers' addresses
  nlohmann::json queues() const final;
  nlohmann::json inflight() const override;  // what it has submitted
  nlohmann::json failed() const final;
  Result<std::string> retry(const std::string& id, bool again) final { return origin().retry(id, again); }
  std::size_t forget_failed() final { return origin().forget_given_up(); }
  void send(const nlohmann::json& request, service::Reply) final;
  std::vector<std::string> others() const final;
  void ask(const std::string& process, const std::string& request,
           std::function<void(std::string)> reply) final {
    edge().calls().ask(process, request, std::move(reply));
  }

 protected:
  static constexpr std::size_t kMaxListed = 10'000;

  // How a message that was asked for (send()) ended; `outcome` is for people.
  using Injected = std::function<void(const std::string& trace_id, const std::string& outcome, bool ok)>;
  struct Bounds {
    std::size_t max_in_flight;
    std::optional<int> pace_ms;  // nothing: it is found
  };

  explicit EdgeProcess(const service::Context& context) : context_(context) {}

  // Before all that is below. `epoch`: as EdgeOptions.
  Result<void> join_bus(pb::Role, uint64_t epoch, const Bounds&);
  bool has_joined() const { return bus_ != nullptr; }
  bus::Edge& edge() const { return bus_->edge(); }
  bus::Origin& origin() const { return edge().origin(); }
  bus::Target& target() const { return edge().target(); }
  Time now() const { return context_.loop.now(); }

  // Tells mappers what serving() says; the news of status() to whom it concerns.
  void tell_serving();
  void check_status();
  // Appends the mappers to peers().
  void add_mappers(nlohmann::json& peers) const;
  void trace_presence(const pb::Envelope&, const char* where);

  bool is_draining() const { return draining_; }  // takes nothing new; so it may go on, or end
  bool is_ending() const { return drained_ != nullptr; }
  // Ends the drain if it is one to the end and the bus has nothing more for us, nor we for it.
  void end_when_idle();

  // What the actor does for this. Of its protocol's side, while there is a mapper:
  virtual service::Status own_status() const = 0;
  // Whether another reason for the same state is worth telling.
  virtual bool is_news(const service::Status& told, const service::Status& current) {
    return told.reason != current.reason;
  }
  virtual pb::Serving serving() = 0;  // its state while it does not drain
  // is_draining() or is_ending() is other than before; then, that there is something to look at again.
  virtual void draining_changed() = 0;
  virtual void look_soon() = 0;
  virtual void inject(const std::string& from, const std::string& to, const std::string& text, Injected) = 0;
  // From and to of an envelope of its own, as inflight() lists them.
  virtual std::pair<std::string, std::string> addresses_of(const bus::InFlight&) const = 0;

  // bus::EdgeUser
  void asked(const std::string&, std::string_view text, bus::Calls::TextReply reply) final {
    context_.answer(text, std::move(reply));
  }
  void bus_trouble(const std::string& text) final { context_.log.warn("{}", text); }

  service::Context context_;

 private:
  std::unique_ptr<bus::ZmqEdge> bus_;  // null until join_bus()
  service::Status told_;
  bool draining_ = false;
  std::function<void()> drained_;  // to be called once
};

}  // namespace stox

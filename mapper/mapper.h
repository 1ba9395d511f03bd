// The mapper process: a MapperNode on ZeroMQ, a Translation, and what the skeleton asks of a process. Keeps
// nothing that a restart could lose.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "common/bus/zmq/zmq_wire.h"
#include "common/net/loop.h"
#include "common/service/process.h"
#include "mapper/translation.h"

namespace stox {

class Mapper : public service::Process, private bus::MapperUser {
 public:
  static Result<std::unique_ptr<service::Process>> create(const service::Context&);
  Mapper(const service::Context&, Translation::Rules);  // half of create()

  service::Status status() const override;
  void drain(std::function<void()> done) override;
  void accept_new(bool) override;
  void reload(const service::Config&) override;
  nlohmann::json peers() const override;
  nlohmann::json queues() const override;
  nlohmann::json inflight() const override;
  void send(const nlohmann::json& request, service::Reply) override;
  std::vector<service::Metric> metrics() const override;
  std::vector<std::string> others() const override;
  void ask(const std::string& process, const std::string& request,
           std::function<void(std::string)> reply) override {
    wire_->node().ask(process, request, std::move(reply));
  }

 private:
  bus::Placement place(pb::Envelope&) override;
  void translate(pb::Outcome&) override;
  void came(const pb::Member&) override;
  void refused(const std::string& text) override;
  void asked(const std::string&, std::string_view text, std::function<void(std::string)> reply) override {
    context_.answer(text, std::move(reply));
  }
  void look_at_members();
  std::string who_is_missing() const;  // or has other values of the shared keys; for people, empty: nobody
  std::string others_differ() const;   // whose restart is pending, for people; empty: nobody's
  void look();                         // now and then: has the status changed, is the drain over?

  const service::Context& context_;
  Translation translation_;
  std::unique_ptr<bus::ZmqMapper> wire_;
  net::Alarm alarm_;
  uint64_t members_version_ = 0;
  bool members_known_ = false;
  bool was_ready_ = false;
  std::string was_missing_, nobody_;
  Time last_passed_{};
  std::string refused_;  // who was not let in, and why, as said last
  Time refused_at_{}, refused_said_{};
  uint64_t refused_unsaid_ = 0;
  std::function<void()> drained_;
  bool draining_ = false;
};

}  // namespace stox

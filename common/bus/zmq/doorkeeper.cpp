#include "common/bus/zmq/doorkeeper.h"

#include <algorithm>
#include <array>
#include <utility>

namespace stox::bus {
namespace {

// Of a request's frames, behind those that lead back.
enum { kVersion, kRequestId, kDomain, kAddress, kIdentity, kMechanism, kKey, kFrames };

// As the configuration has it; empty if it is none.
std::string text_of(const std::string& key) {
  std::array<char, 41> text{};
  if (key.size() != 32 ||
      zmq_z85_encode(text.data(), reinterpret_cast<const uint8_t*>(key.data()), 32) == nullptr)
    return {};
  return text.data();
}

bool is_of(const std::string& section, const std::string& name) {
  return name == section || name.starts_with(section + "@");
}

}  // namespace

Doorkeeper::Doorkeeper(net::Loop& loop, zmq::context_t& context, std::vector<EdgeKey> keys,
                       std::function<void(const std::string& address)> refused)
    : socket_(context, zmq::socket_type::router), refused_(std::move(refused)), keys_(std::move(keys)) {
  socket_.set(zmq::sockopt::linger, 0);
  socket_.bind("inproc://zeromq.zap.01");
  readable_ = std::make_unique<Readiness>(loop, socket_, [this] { answer(); });
}

bool Doorkeeper::knows(const std::string& public_key) const {
  return std::any_of(keys_.begin(), keys_.end(),
                     [&](const EdgeKey& one) { return one.public_key == public_key; });
}

std::string Doorkeeper::objection(const std::string& public_key, const pb::Member& who) const {
  bool is_section = false;
  std::string owners;
  for (const EdgeKey& one : keys_) {
    const bool same = is_of(one.section, who.name()) && one.role == who.role();
    if (same && one.public_key == public_key) return {};
    is_section = is_section || same;
    if (one.public_key == public_key) owners += (owners.empty() ? "" : " and ") + one.section;
  }
  if (!is_section)
    return std::string("no [[") + (who.role() == pb::FRONT ? "sip_front" : "xmpp_worker") +
           "]] here has this name and a key in [bus.curve.keys]; if it is new, send the mappers HUP";
  if (owners.empty()) return "its key was taken out of [bus.curve.keys]";
  return "its key is that of " + owners + " in [bus.curve.keys]";
}

void Doorkeeper::answer() {
  do {
    for (std::vector<std::string> request = next(); !request.empty(); request = next()) answer(request);
  } while (has_input(socket_));
  readable_->wait();
}

std::vector<std::string> Doorkeeper::next() {
  std::vector<std::string> frames;
  bool more = true;
  while (more) {
    Message frame;
    if (!frame.receive(socket_)) return {};
    frames.emplace_back(frame.bytes());
    more = frame.more();
  }
  return frames;
}

void Doorkeeper::answer(const std::vector<std::string>& frames) {
  const auto empty = std::find(frames.begin(), frames.end(), "");  // the end of the way back
  if (frames.end() - empty != kFrames + 1) return;
  const auto* request = &*empty + 1;
  const std::string key = request[kMechanism] == "CURVE" ? text_of(request[kKey]) : "";
  const bool known = knows(key);
  std::vector<std::string> reply(frames.begin(), empty + 1);
  reply.insert(reply.end(), {"1.0", request[kRequestId], known ? "200" : "400",
                             known ? "OK" : "this key is not known", known ? key : "", ""});
  for (std::size_t i = 0; i < reply.size(); ++i) {
    zmq_send(socket_.handle(), reply[i].data(), reply[i].size(),
             ZMQ_DONTWAIT | (i + 1 < reply.size() ? ZMQ_SNDMORE : 0));
  }
  if (!known) refused_(request[kAddress]);
}

}  // namespace stox::bus

#include "common/bus/zmq/mapper_finder.h"

#include <algorithm>
#include <utility>

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::bus {
namespace {

constexpr std::string_view kTcp = "tcp://";

bool is_service(std::string_view place) { return place.starts_with('_'); }

// Of tcp://NAME:PORT and tcp://_SERVICE..., which are names; addresses are not looked up.
bool is_name(std::string_view endpoint) {
  if (!endpoint.starts_with(kTcp)) return false;
  const std::string_view place = endpoint.substr(kTcp.size());
  if (is_service(place)) return true;
  return place.find_first_not_of("0123456789.:") != std::string_view::npos && !place.starts_with('[');
}

// One family: a host with both is one mapper.
std::vector<std::string> endpoints_of(const std::vector<std::string>& addresses, uint16_t port) {
  std::vector<std::string> out;
  const auto is_v6 = [](const std::string& address) { return address.find(':') != std::string::npos; };
  for (const std::string& address : addresses) {
    if (is_v6(address) == is_v6(addresses.front()))
      out.push_back(std::string(kTcp) + host_port(address, port));
  }
  return out;
}

}  // namespace

MapperFinder::MapperFinder(net::Loop& loop, net::Resolver* resolver, std::function<void()> changed,
                           Times times)
    : resolver_(resolver), changed_(std::move(changed)), times_(times), loop_(loop), alarm_(loop, [this] {
        look();
      }) {}

void MapperFinder::look_for(const std::vector<std::string>& connect) {
  connect_ = connect;
  std::erase_if(names_, [&](const auto& name) {
    return std::find(connect_.begin(), connect_.end(), name.first) == connect_.end();
  });
  for (const std::string& one : connect_) {
    if (is_name(one) && resolver_ != nullptr) names_.try_emplace(one);
  }
  update();
  look();
}

std::string MapperFinder::trouble() const {
  for (const auto& [connect, name] : names_) {
    if (name.endpoints.empty() && !name.trouble.empty()) return name.trouble;
  }
  return {};
}

void MapperFinder::look() {
  if (names_.empty()) return alarm_.set(kNever);
  bool none = false;
  for (auto& [connect, name] : names_) {
    none = none || name.endpoints.empty();
    if (!std::exchange(name.asked, true)) ask(connect);
  }
  alarm_.set(loop_.now() + (none ? times_.again_if_none : times_.again));
}

void MapperFinder::ask(const std::string& connect) {
  const std::string place = connect.substr(kTcp.size());
  if (is_service(place)) return ask_service(connect, place);
  const auto colon = place.rfind(':');
  const auto port = static_cast<uint16_t>(parse_number(place.substr(colon + 1), 1, 65535).value_or(0));
  resolver_->addresses(place.substr(0, colon), [this, connect, port, alive = std::weak_ptr<char>(alive_)](
                                                   net::Resolved<std::vector<std::string>> addresses) {
    if (alive.expired()) return;
    if (addresses) *addresses = endpoints_of(*addresses, port);
    found(connect, std::move(addresses));
  });
}

// Waits for all targets.
struct MapperFinder::Gathering {
  std::size_t open = 0;
  std::vector<std::string> endpoints;
  net::ResolveError last{net::ResolveError::Kind::kNoRecord, ""};
  bool failed = false;
};

void MapperFinder::ask_service(const std::string& connect, const std::string& service) {
  resolver_->srv(service, [this, connect, service, alive = std::weak_ptr<char>(alive_)](
                              net::Resolved<std::vector<net::SrvRecord>> records) {
    if (alive.expired()) return;
    if (!records) return found(connect, tl::make_unexpected(records.error()));
    std::erase_if(*records, [](const net::SrvRecord& r) { return r.target == "."; });
    if (records->empty()) {
      return found(connect, tl::make_unexpected(net::ResolveError{net::ResolveError::Kind::kNoRecord,
                                                                  "DNS: " + service + " is not offered"}));
    }
    const auto all = std::make_shared<Gathering>();  // by the answers that are on their way
    all->open = records->size();
    for (const net::SrvRecord& record : *records) {
      resolver_->addresses(record.target, [this, connect, all, alive, port = record.port](
                                              net::Resolved<std::vector<std::string>> addresses) {
        if (alive.expired()) return;
        if (addresses) {
          for (std::string& one : endpoints_of(*addresses, port)) all->endpoints.push_back(std::move(one));
        } else {
          all->last = addresses.error();
          all->failed = all->failed || addresses.error().kind == net::ResolveError::Kind::kFailed;
        }
        if (--all->open > 0) return;
        // With an answer missing, what is known stays.
        if (all->failed || all->endpoints.empty()) return found(connect, tl::make_unexpected(all->last));
        found(connect, std::move(all->endpoints));
      });
    }
  });
}

void MapperFinder::found(const std::string& connect, net::Resolved<std::vector<std::string>> endpoints) {
  const auto name = names_.find(connect);
  if (name == names_.end()) return;  // no longer looked for
  name->second.asked = false;
  const std::string before = trouble();
  if (endpoints) {
    name->second.trouble.clear();
    name->second.endpoints = std::move(*endpoints);
  } else {
    name->second.trouble = connect + ": " + endpoints.error().text;
  }
  if (before != trouble()) changed_();
  update();
}

void MapperFinder::update() {
  std::vector<std::string> now;
  for (const std::string& connect : connect_) {
    const auto name = names_.find(connect);
    if (name == names_.end()) {
      now.push_back(connect);
    } else {
      now.insert(now.end(), name->second.endpoints.begin(), name->second.endpoints.end());
    }
  }
  std::sort(now.begin(), now.end());
  now.erase(std::unique(now.begin(), now.end()), now.end());
  if (now == endpoints_) return;
  endpoints_ = std::move(now);
  changed_();
}

}  // namespace stox::bus

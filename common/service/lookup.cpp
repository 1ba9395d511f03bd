#include "common/service/lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "common/base/text.h"
#include "common/net/loop.h"
#include "common/service/config_values.h"

namespace stox::service {
namespace {

// https://data.iana.org/root-anchors/: those of 2017 and 2024.
const std::vector<std::string> kRootKeys = {
    ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"};

// ask(resolver, done) puts one question.
template <class T, class Ask>
net::Resolved<T> answer_of(const DnsConfig& dns, const std::string& name, const Ask& ask,
                           bool proven = false) {
  using Kind = net::ResolveError::Kind;
  net::Loop loop;
  const auto resolver =
      net::Resolver::create(loop, {dns.servers, true, proven ? kRootKeys : std::vector<std::string>()});
  if (!resolver) return tl::make_unexpected(net::ResolveError{Kind::kFailed, resolver.error().text});
  auto answer = std::make_shared<std::optional<net::Resolved<T>>>();  // the question may outlive this call
  ask(**resolver, [answer](net::Resolved<T> came) { *answer = std::move(came); });
  const Time until = loop.now() + kProbeTime;
  while (!*answer && loop.now() < until) loop.io().run_one_for(until - loop.now());
  if (*answer) return **answer;
  return tl::make_unexpected(net::ResolveError{Kind::kFailed, name + ": no DNS server answers"});
}

}  // namespace

net::Resolved<std::vector<std::string>> look_up(const DnsConfig& dns, const std::string& host) {
  return answer_of<std::vector<std::string>>(
      dns, host, [&](net::Resolver& resolver, auto done) { resolver.addresses(host, std::move(done)); });
}

net::Resolved<std::vector<net::SrvRecord>> look_up_services(const DnsConfig& dns, const std::string& name,
                                                            bool proven) {
  return answer_of<std::vector<net::SrvRecord>>(
      dns, name, [&](net::Resolver& resolver, auto done) { resolver.srv(name, std::move(done)); }, proven);
}

net::Resolved<std::vector<net::TlsaRecord>> look_up_tlsa(const DnsConfig& dns, const std::string& name,
                                                         bool proven) {
  return answer_of<std::vector<net::TlsaRecord>>(
      dns, name, [&](net::Resolver& resolver, auto done) { resolver.tlsa(name, std::move(done)); }, proven);
}

std::vector<net::SrvRecord> by_priority(std::vector<net::SrvRecord> records) {
  std::erase_if(records, [](const auto& one) { return one.target == "."; });
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.priority < b.priority; });
  return records;
}

Result<Probe> connect_to(const DnsConfig& dns, const Place& place, bool udp) {
  std::vector<net::SrvRecord> targets;
  if (place.port == 0 && !is_address(place.host)) {
    const auto found = look_up_services(dns, place.service + "." + place.host);
    if (found) targets = by_priority(*found);
    if (found && !found->empty() && targets.empty())
      return error(fmt::format("{} says that it has no {}", place.host, place.service));
  }
  if (targets.empty())
    targets.push_back({0, 0, place.port != 0 ? place.port : place.default_port, place.host});
  std::string why;
  const auto until = std::chrono::steady_clock::now() + 3 * kProbeTime;
  const auto is_over = [&] { return std::chrono::steady_clock::now() >= until; };
  for (const net::SrvRecord& target : targets) {
    if (is_over()) break;
    const auto addresses = look_up(dns, target.target);
    if (!addresses) why += (why.empty() ? "" : ", ") + addresses.error().text;
    for (const std::string& address : addresses.value_or(std::vector<std::string>())) {
      if (is_over()) break;
      auto probe = Probe::connect(address, target.port, udp);
      if (probe) return probe;
      why += (why.empty() ? "" : ", ") + probe.error().text;
    }
  }
  return error(why);
}

}  // namespace stox::service

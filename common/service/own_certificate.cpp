#include "common/service/own_certificate.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "common/base/shortened.h"
#include "common/net/tls.h"

namespace stox::service {
namespace {

constexpr int kMaxFlights = 10;
constexpr int64_t kDay_s = 86'400;

// As a client of our own sees it, in a handshake that leaves no trace.
net::PeerCertificate as_seen(const net::TlsContext& ours, const net::TlsContext& theirs) {
  net::TlsSession server(ours, {net::TlsOptions::Role::kServer, "", "", false});
  net::TlsSession client(theirs, {net::TlsOptions::Role::kClient, "", ""});
  std::string to_server, to_client, plain;
  if (!client.start(to_server)) return {};
  for (int i = 0; i < kMaxFlights && !client.is_established(); ++i) {
    const std::string flight = std::exchange(to_server, {});
    if (!server.received(flight, plain, to_client)) return {};
    const std::string answer = std::exchange(to_client, {});
    if (!client.received(answer, plain, to_server)) return {};
  }
  return client.is_established() ? client.take_peer() : net::PeerCertificate();
}

std::string remedy_for(const std::string& problem) {
  if (problem.find("purpose") != std::string::npos || problem.find("usage") != std::string::npos)
    return "ask its authority for one with the extended key usage serverAuth";
  if (problem.find("self") != std::string::npos)
    return "take one of an authority that they trust; if they know this one, name it in `ca`";
  return "its file must hold the certificates between, too, behind its own (certbot's fullchain.pem); if its "
         "authority is one that they alone know, name that in `ca`";
}

}  // namespace

std::vector<Finding> check_own_certificate(const TlsConfig& files, const std::string& others) {
  if (files.certificate.empty()) return {};
  const auto ours = net::TlsContext::create({files.certificate, files.key, files.ca});
  const auto theirs = net::TlsContext::create({"", "", files.ca});
  if (!ours || !theirs || !ours->has_certificate()) return {};
  const net::PeerCertificate seen = as_seen(*ours, *theirs);
  const std::string subject = shortened(ours->certificate().subject, 100);
  if (!seen.present) return {};
  if (!seen.valid && !seen.has_expired(std::time(nullptr)))
    return {{Finding::Kind::kWarning,
             fmt::format("{} do not believe its certificate \"{}\": {}", others, subject, seen.problem),
             remedy_for(seen.problem)}};
  const int64_t days = (seen.not_after_s - std::time(nullptr)) / kDay_s;
  return {
      {Finding::Kind::kOk, fmt::format("its certificate \"{}\" of \"{}\" is believed, and ends in {} days",
                                       subject, shortened(seen.issuer, 100), days)}};
}

}  // namespace stox::service

// How a worker is made of its section, and what it takes from the configuration.
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "common/base/jid.h"
#include "common/base/text.h"
#include "xmpp_worker/page/kept_file.h"
#include "xmpp_worker/services/contact_address.h"
#include "xmpp_worker/streams/component_streams.h"
#include "xmpp_worker/streams/server_streams.h"
#include "xmpp_worker/worker.h"

namespace stox::worker {
namespace {

// In the state directory.
constexpr const char* kSecretFile = "server.secret";
constexpr const char* kNewIdsFile = "stanza-ids.since";  // Unix time at which ids got their present form here
constexpr Duration kReadsOldIds = std::chrono::hours(7 * 24);

std::vector<std::string> prepared(const std::vector<std::string>& domains) {
  std::vector<std::string> out;
  for (const std::string& each : domains) {
    const auto jid = Jid::make({}, each);
    out.push_back(jid ? jid->domain() : each);
  }
  return out;
}

char separator_of(const service::GatewayConfig& gateway) {
  return gateway.gwmap.empty() ? gateway.domain_separator.front() : '\0';
}

// What all workers of these domains share. Servers that were given none have one for all of this host, which
// outlives them: answers to what they have written come later.
std::string secret_of(const service::XmppWorkerConfig& config, const service::Context& context) {
  if (config.backend != "server") return config.xmpp_password;
  if (!config.dialback_secret.empty()) return config.dialback_secret;
  std::array<unsigned char, 32> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  const std::string fresh = to_hex({reinterpret_cast<const char*>(random.data()), random.size()});
  auto kept = kept_file(context.config.runtime.state_directory + "/" + kSecretFile, fresh);
  if (kept) return *kept;
  context.log.warn(
      "{}; until this process ends it has a secret of its own, and no other worker reads its ids",
      kept.error().text);
  return fresh;
}

// For a week from the start of this site's first worker that writes the present form. Zero: not any more.
Duration reads_old_ids_for(const service::XmppWorkerConfig& config, const service::Context& context) {
  if (config.backend == "server" && config.dialback_secret.empty()) return {};  // their secret is gone
  const int64_t now_s = context.loop.clock().wall_us() / 1'000'000;
  const auto since =
      kept_file(context.config.runtime.state_directory + "/" + kNewIdsFile, std::to_string(now_s) + "\n");
  if (!since) return {};
  const auto since_s = parse_number(trim(*since), 0, INT64_MAX);
  if (!since_s) return {};
  const auto left = std::chrono::seconds(static_cast<int64_t>(*since_s) - now_s) + kReadsOldIds;
  return std::clamp<Duration>(left, Duration{}, kReadsOldIds);
}

std::unique_ptr<StanzaJournal> make_journal(const service::Context& context,
                                            const service::XmppWorkerConfig& config) {
  if (!config.journal) return nullptr;
  return std::make_unique<StanzaJournal>(
      context.config.runtime.state_directory + "/" + context.identity.full + ".journal",
      config.journal_sync_full ? journal::Sync::kMachine : journal::Sync::kProcess, context.loop.clock(),
      context.log);
}

}  // namespace

Result<std::unique_ptr<service::Process>> Worker::create(const service::Context& context) {
  const auto* section = find_section(context.config, context.identity.section);
  if (section == nullptr) return error("no [[xmpp_worker]] is named " + context.identity.section);
  const bool is_server = section->backend == "server";
  const auto epoch = static_cast<uint64_t>(context.loop.clock().wall_us());
  const std::string secret = secret_of(*section, context);
  const auto id_key = xmpp::StanzaIds::derive_key(secret, context.config.gateway.xmpp_domain);
  if (!id_key) return tl::make_unexpected(id_key.error());
  std::unique_ptr<Worker> worker(new Worker(context, *section, *id_key, epoch));
  if (const Duration left = reads_old_ids_for(*section, context); left > Duration{}) {
    worker->ids_.read_old_form(secret);
    worker->old_ids_until_ = worker->now() + left;
  }
  auto streams =
      is_server ? ServerStreams::create(worker->context_, *section, secret, *worker)
                : ComponentStreams::create(context, *section, worker->serves_.front(), worker->ids_, *worker);
  if (!streams) return tl::make_unexpected(streams.error());
  worker->streams_ = std::move(*streams);
  worker->presence_to_xmpp_.write_again_after_breaks(is_server);
  const auto joined = worker->join_bus(pb::WORKER, epoch, {section->max_in_flight, section->pace_ms});
  if (!joined) return tl::make_unexpected(joined.error());
  // What cannot be written now is tried again; a second process of this name must not run at all.
  if (const auto opened = worker->open_journal(); !opened && worker->journal_->is_taken())
    return tl::make_unexpected(opened.error());
  worker->open_rooms();
  worker->streams_->start();
  worker->tell_serving();
  worker->tick_ = worker->now() + kTick;  // nobody listens to a status yet
  worker->turn();
  return worker;
}

Worker::Worker(const service::Context& context, const service::XmppWorkerConfig& config,
               const std::string& id_key, uint64_t epoch)
    : EdgeProcess(context),
      serves_(prepared(config.serves)),
      claims_(prepared(config.domains)),
      ids_(id_key, context.identity.full, epoch),
      others_(context.identity.full, serves_),
      moved_(context.loop.clock(), *this),
      services_(STOX_VERSION, context.loop.clock(), *this),
      contacts_(context.loop.clock()),
      names_(separator_of(context.config.gateway), ids_, contacts_, *this),
      notices_(ids_, contacts_, services_, *this),
      to_xmpp_(config.max_in_flight, ids_, contacts_, context.loop.clock(), context.log, context.trace,
               *this),
      journal_(make_journal(context, config)),
      to_sip_({.serves = serves_,
               .separator = separator_of(context.config.gateway),
               .max_in_flight = config.max_in_flight},
              context.loop.clock(), context.log, context.trace, *this, journal_.get()),
      has_presence_(context.config.gateway.presence),
      presence_to_sip_(config.max_in_flight / 4, context.loop.clock(), context.log, context.trace, services_,
                       *this),
      presence_to_xmpp_(context.loop.clock(), context.log, *this),
      rooms_(context.config.runtime.state_directory + "/" + context.identity.full + ".rooms", ids_,
             context.loop.clock(), context.log, context.trace, services_, *this),
      alarm_(context.loop, [this] { turn(); }),
      end_of_turn_(context.loop, [this] {
        to_sip_.hand_on();
        rooms_.publish();  // after what it has seen is safe
        moved_.turn();
        arrange();
      }) {
  services_.info().contact = [this](std::string_view typed) {
    return contact_address(typed, context_.config.gateway, serves_);
  };
  take_settings(context.config.gateway);
}

const service::XmppWorkerConfig* Worker::find_section(const service::Config& config,
                                                      const std::string& name) {
  for (const auto& section : config.xmpp_workers) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

void Worker::take_settings(const service::GatewayConfig& gateway) {
  using Unsupported = xmpp::ServiceInfo::Unsupported;
  notices_.take_200_for_receipt(gateway.receipt_on_200);
  contacts_.recent_words().keep(gateway.quote_reactions);
  names_.ask(gateway.display_names == "vcard");
  const std::vector<std::string> room_domains = prepared(gateway.room_domains);
  rooms_.set({gateway.rooms == "any"                               ? Rooms::Which::kAny
              : gateway.rooms == "listed" && !room_domains.empty() ? Rooms::Which::kListed
                                                                   : Rooms::Which::kOff,
              room_domains, gateway.room_command.front(), separator_of(gateway)});
  xmpp::ServiceInfo& info = services_.info();
  info.unsupported = gateway.presence_unsupported == "online"   ? Unsupported::kOnline
                     : gateway.presence_unsupported == "strict" ? Unsupported::kStrict
                                                                : Unsupported::kGrant;
  info.name_of = nullptr;
  if (gateway.display_names != "off") {
    info.name_of = [this](std::string_view user, std::string_view sip_user) {
      return names_.of_sip_user(user, sip_user);
    };
  }
  presence_to_xmpp_.set_caps_version(xmpp::user_caps_version(info));
}

}  // namespace stox::worker

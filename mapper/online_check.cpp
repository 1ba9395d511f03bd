#include "mapper/online_check.h"

#include <string>
#include <string_view>

#include "common/base/text.h"

namespace stox {

using service::Finding;

std::vector<Finding> check_mapper_online(const service::Config& config, const service::Identity& identity,
                                         bool runs) {
  static constexpr std::string_view kTcp = "tcp://";
  for (const service::MapperConfig& mapper : config.mappers) {
    if (mapper.name != identity.section || !mapper.bind.starts_with(kTcp)) continue;
    if (runs) return {{Finding::Kind::kOk, mapper.bind + " is this process's, which runs"}};
    const std::string place = mapper.bind.substr(kTcp.size());
    const std::size_t colon = place.rfind(':');
    std::string host = place.substr(0, colon);
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const auto port = static_cast<uint16_t>(parse_number(place.substr(colon + 1), 0, 65'535).value_or(0));
    if (const auto free = service::try_bind(host, port, false); !free)
      return {{Finding::Kind::kFailure, "cannot listen: " + free.error().text,
               "end what uses it, or choose another address of this host for `bind`"}};
    return {{Finding::Kind::kOk, mapper.bind + " is free"}};
  }
  return {};
}

}  // namespace stox

// The Unix socket at which stoxctl asks a process: one JSON object a line, one JSON object back for each, in
// order. What a client does cannot hurt the loop: lines and clients are bounded, at the bound the client that
// has been silent longest is closed.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/result.h"
#include "common/net/loop.h"
#include "common/service/process.h"

namespace stox::service {

class ControlSocket {
 public:
  static constexpr std::size_t kMaxLine = 256 * 1024;
  static constexpr std::size_t kMaxClients = 32;

  // Called with each request, an object. The reply may come later, or never; it does nothing once the client
  // has gone.
  using Answer = std::function<void(const nlohmann::json& request, Reply)>;

  // A socket left behind by a killed process is replaced; one that is in use is an error that names the
  // process. Mode 0660. The loop must outlive it.
  static Result<std::unique_ptr<ControlSocket>> create(net::Loop&, const std::string& path, Answer);
  virtual ~ControlSocket() = default;  // removes the socket
};

// <runtime directory>/<full name>.ctl
std::string control_path(const RuntimeConfig&, const std::string& full_name);

}  // namespace stox::service

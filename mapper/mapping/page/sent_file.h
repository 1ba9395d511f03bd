// A file that an HTTP server has, as SIP clients are told of it (GSMA RCC.07 3.5.4.8).
#pragma once

#include <string>
#include <string_view>

#include "proto/message.pb.h"

namespace stox::mapping {

constexpr std::string_view kFileInfoType = "application/vnd.gsma.rcs-ft-http+xml";

bool is_web_address(std::string_view url);     // http and https: what a SIP client can get
bool is_encrypted_file(std::string_view url);  // XEP-0454: the address holds its key, for XMPP clients alone

// A body of kFileInfoType. Name and media type are as the sender tells, else as the URL does.
std::string write_file_info(const pb::XmppOob&);

}  // namespace stox::mapping

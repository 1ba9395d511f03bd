// Files as SIP clients send them: the body says where the file lies. Linphone and RCS (GSMA RCC.07:
// application/vnd.gsma.rcs-ft-http+xml), liblinphone's external body (message/external-body with
// access-type=URL, RFC 2017), Acrobits (application/x-acro-filetransfer+json), text/uri-list (RFC 2483). Only
// http and https; encrypted files are refused, as nobody on XMPP could read them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "mapper/mapping/page/mime.h"
#include "proto/message.pb.h"

namespace stox::mapping {

struct SipRefusal {
  int status;  // 400: it is broken; 413: too large; 415: it is not understood
  std::string text;
};

struct FileBody {
  std::string text;  // words beside the files: UTF-8, as written; empty = none
  std::vector<pb::XmppFile> files;
};

bool is_file_type(const MediaType&);
// Of a body of such a type; at least one file or a text.
tl::expected<FileBody, SipRefusal> read_files(const MediaType&, std::string_view body);

}  // namespace stox::mapping

// Writes SIP messages into buffers that are used again. Whatever is passed in, no CR or LF gets into a header
// value, and nothing leaves < > of an address.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"

namespace stox::sip {

constexpr std::string_view kAccept =
    "text/plain, text/html, message/cpim, multipart/mixed, multipart/alternative, multipart/related, "
    "application/im-iscomposing+xml, message/imdn+xml, message/external-body, text/uri-list, "
    "application/vnd.gsma.rcs-ft-http+xml, application/x-acro-filetransfer+json";
constexpr std::string_view kAcceptEncoding = "deflate, gzip, identity";

// What all responses to one request have in common (8.2.6.2): its Via list with received and rport
// (18.2.1, RFC 3581), From, To with our tag, Call-ID, CSeq. It outlives the request.
struct ResponseHead {
  std::string lines;
  uint32_t tag_at = 0, tag_size = 0;  // ";tag=..." in lines; size 0: the request's To had one
};

// `request` may be one with a fault, if its top Via was read; what it lacks is left out.
void write_response_head(const Message& request, const Endpoint& source, std::string_view to_tag,
                         ResponseHead&);

// Headers that only some responses have.
struct ResponseHeaders {
  std::string lines = {};        // whole header lines, each with its CRLF, written as they are
  bool accept = false;           // 415, OPTIONS
  bool accept_encoding = false;  // 415, OPTIONS
  bool supported = false;        // OPTIONS; any language with it
  std::string unsupported = {};  // 420: the option tags
  std::string warning = {};      // for people, without quotation marks; empty = none
  std::string contact = {};      // 301, 302: where to; an addr-spec
  uint32_t retry_after_s = 0;    // 0 = none
};

// Replaces `out`. An empty reason means the usual one for the status.
void write_response(std::string& out, const ResponseHead&, uint16_t status, std::string_view reason = {},
                    const ResponseHeaders& = {});
std::string_view usual_reason(uint16_t status);

// A secret that serves for nothing else.
using TagKey = std::array<uint64_t, 2>;

// The same for all responses to one request, however often it comes (8.2.7), and to its CANCEL (9.2), and not
// to be guessed. It is a keyed hash (SipHash), so that tags, which everybody sees, do not give the key away.
std::string to_tag(const Message& request, const TagKey&);

// A request of any method, outside of a dialog or within one. URIs are addr-spec, and what is empty is left
// out where it may be.
struct Request {
  Method method = Method::kMessage;
  std::string_view request_uri, from_uri, from_display, from_tag, to_uri, to_tag, call_id;
  uint32_t cseq = 1;
  Transport transport = Transport::kUdp;
  std::string_view sent_by, branch;
  std::string_view route;                  // a URI with lr
  std::span<const std::string> route_set;  // of its dialog: values of Route, a line for each
  std::string_view answers;                // whole header lines: digest.h
  std::string_view contact;
  std::string_view subject, language;
  int64_t date_s = 0;                                // Unix time; 0 = none
  std::string_view lines;                            // whole header lines that the caller has made
  std::string_view content_type, disposition, body;  // without a type there is no body
};

// Replaces `out`. An Error names the value that cannot be written.
Result<void> write_request(std::string& out, const Request&);

}  // namespace stox::sip

#include "mapper/mapping/page/file_body.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/xml/small_xml.h"
#include "mapper/mapping/page/sent_file.h"

namespace stox::mapping {
namespace {

using Files = tl::expected<FileBody, SipRefusal>;
using nlohmann::json;

constexpr std::string_view kRcsNs = "urn:gsma:params:xml:ns:rcs:rcs:fthttp";
constexpr std::string_view kAcrobitsType = "application/x-acro-filetransfer+json";
constexpr std::string_view kExternalType = "message/external-body";
constexpr std::string_view kUriListType = "text/uri-list";
constexpr std::size_t kMaxUrl = 2048;
constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxFiles = 16;
constexpr int kMaxJsonDepth = 8;

tl::unexpected<SipRefusal> refuse(int status, std::string text) {
  return tl::make_unexpected(SipRefusal{status, std::move(text)});
}

tl::unexpected<SipRefusal> refuse_address(std::string_view type) {
  return refuse(415, std::string(type) + " names no http or https address");
}

// Nothing in it could leave the place that an address has in XML or on a screen.
bool is_clean(std::string_view url) {
  return is_utf8(url) && xml_legal(url) == url && std::all_of(url.begin(), url.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte > 0x20 && byte != 0x7f && c != '<' && c != '>' && c != '"';
         });
}

// Nothing when the address is none.
std::optional<pb::XmppFile> make_file(std::string_view url, std::string_view name,
                                      std::string_view media_type) {
  if (url.size() > kMaxUrl || !is_web_address(url) || !is_clean(url)) return std::nullopt;
  pb::XmppFile file;
  file.set_url(std::string(url));
  if (is_utf8(name)) file.set_name(one_line(xml_legal(name), kMaxName));
  if (const auto media = parse_media_type(media_type)) file.set_media_type(media->type);
  return file;
}

Files read_rcs(std::string_view body) {
  const auto elements = read_small_xml(body, kRcsNs);
  if (!elements) return refuse(400, std::string(kFileInfoType) + ": " + elements.error().text);
  FileBody out;
  for (auto info = elements->begin(); info != elements->end(); ++info) {
    if (info->path != "/file/file-info") continue;
    const std::string_view what = info->attribute("type");
    if (!what.empty() && what != "file") continue;  // a thumbnail
    const auto next = std::find_if(info + 1, elements->end(),
                                   [](const SmallElement& each) { return each.path == "/file/file-info"; });
    const std::vector<SmallElement> inside(info + 1, next);
    if (has(inside, "/file/file-info/file-key"))
      return refuse(415, "an encrypted file cannot be passed on to XMPP");
    const auto data = std::find_if(inside.begin(), inside.end(), [](const SmallElement& each) {
      return each.path == "/file/file-info/data";
    });
    auto file = data == inside.end()
                    ? std::nullopt
                    : make_file(data->attribute("url"), text_at(inside, "/file/file-info/file-name"),
                                text_at(inside, "/file/file-info/content-type"));
    if (!file || out.files.size() == kMaxFiles) return refuse_address(kFileInfoType);
    file->set_size(parse_number(text_at(inside, "/file/file-info/file-size"), 0, INT64_MAX).value_or(0));
    out.files.push_back(std::move(*file));
  }
  if (out.files.empty()) return refuse_address(kFileInfoType);
  return out;
}

// The phantom body (RFC 2046 5.2.3) holds the headers of what is meant.
Files read_external(const MediaType& media, std::string_view body) {
  if (!ascii_iequal(media.param("access-type"), "URL"))
    return refuse(415, std::string(kExternalType) + " of this access-type is not understood");
  std::string url(media.param("url"));
  std::erase_if(url, [](char c) { return c == ' ' || c == '\t'; });  // RFC 2017 3.1: it may be folded
  const auto phantom = parse_entity(body);
  auto file = make_file(url, {}, phantom ? phantom->content_type : std::string());
  if (!file) return refuse_address(kExternalType);
  file->set_size(parse_number(media.param("size"), 0, INT64_MAX).value_or(0));
  FileBody out;
  out.files.push_back(std::move(*file));
  return out;
}

Files read_uri_list(std::string_view body) {
  FileBody out;
  while (!body.empty()) {
    const auto end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty() || line.starts_with('#')) continue;
    auto file = make_file(trim(line), {}, {});
    if (!file || out.files.size() == kMaxFiles) return refuse_address(kUriListType);
    out.files.push_back(std::move(*file));
  }
  if (out.files.empty()) return refuse_address(kUriListType);
  return out;
}

// The string of this name, or nothing.
std::string string_at(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Files read_acrobits(std::string_view body) {
  // What is nested deeper is left out while reading.
  const json read = json::parse(
      body, [](int depth, json::parse_event_t, json&) { return depth <= kMaxJsonDepth; }, false);
  if (!read.is_object()) return refuse(400, std::string(kAcrobitsType) + ": not the JSON that it should be");
  FileBody out;
  out.text = string_at(read, "body");
  const auto attachments = read.find("attachments");
  if (attachments != read.end() && attachments->is_array()) {
    for (const json& each : *attachments) {
      if (!each.is_object()) return refuse_address(kAcrobitsType);
      if (!string_at(each, "encryption-key").empty())
        return refuse(415, "an encrypted file cannot be passed on to XMPP");
      auto file = make_file(string_at(each, "content-url"), string_at(each, "filename"),
                            string_at(each, "content-type"));
      if (!file || out.files.size() == kMaxFiles) return refuse_address(kAcrobitsType);
      const auto size = each.find("content-size");
      if (size != each.end() && size->is_number_unsigned()) file->set_size(size->get<uint64_t>());
      out.files.push_back(std::move(*file));
    }
  }
  if (out.text.empty() && out.files.empty()) return refuse_address(kAcrobitsType);
  return out;
}

}  // namespace

bool is_file_type(const MediaType& media) {
  return media.type == kFileInfoType || media.type == kAcrobitsType || media.type == kExternalType ||
         media.type == kUriListType;
}

tl::expected<FileBody, SipRefusal> read_files(const MediaType& media, std::string_view body) {
  if (media.type == kFileInfoType) return read_rcs(body);
  if (media.type == kExternalType) return read_external(media, body);
  if (media.type == kUriListType) return read_uri_list(body);
  return read_acrobits(body);
}

}  // namespace stox::mapping

#include "mapper/mapping/page/sent_file.h"

#include <algorithm>
#include <iterator>

#include "common/base/text.h"
#include "common/xml/small_xml.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxName = 128;

// By the ending of a name: what people send each other. A client shows pictures, plays sounds, and offers the
// rest to be saved.
constexpr struct TypeRow {
  std::string_view ending, type;
} kTypes[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"amr", "audio/amr"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"heic", "image/heic"},
    {"ics", "text/calendar"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"m4a", "audio/mp4"},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"opus", "audio/ogg"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"txt", "text/plain"},
    {"vcf", "text/vcard"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"zip", "application/zip"},
};

bool has_scheme(std::string_view url, std::string_view scheme) {
  return url.size() > scheme.size() + 3 && ascii_iequal(url.substr(0, scheme.size()), scheme) &&
         url.substr(scheme.size(), 3) == "://";
}

// As a name that a folder may hold; empty: it is none.
std::string clean_name(std::string name) {
  std::erase_if(name, [](char c) { return c == '/' || c == '\\'; });
  if (!is_utf8(name)) return {};
  name = one_line(xml_legal(name), kMaxName);
  return name == "." || name == ".." ? std::string() : name;
}

// The last segment of the path.
std::string name_in_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const auto authority = url.find("://") + 3;
  const auto slash = url.rfind('/');
  if (slash == std::string_view::npos || slash < authority) return {};
  return clean_name(percent_decode(url.substr(slash + 1)).value_or(std::string()));
}

std::string name_of_file(const pb::XmppOob& file) {
  std::string name = clean_name(file.name());
  if (name.empty()) name = name_in_url(file.url());
  return name.empty() ? "file" : name;
}

constexpr CharClass kTypeChars("!#$&-^_.+/");  // RFC 6838 4.2, and its slash

bool is_media_type(std::string_view type) {
  const auto slash = type.find('/');
  return type.size() <= 127 && kTypeChars.has_all(type) && slash != 0 && slash + 1 < type.size() &&
         slash == type.rfind('/') && slash != std::string_view::npos;
}

std::string_view type_of_file(std::string_view name) {
  const auto dot = name.rfind('.');
  const std::string ending = dot == std::string_view::npos ? "" : ascii_lower(name.substr(dot + 1));
  const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                 [&](const TypeRow& r) { return r.ending == ending; });
  return row == std::end(kTypes) ? "application/octet-stream" : row->type;
}

}  // namespace

bool is_web_address(std::string_view url) { return has_scheme(url, "http") || has_scheme(url, "https"); }

bool is_encrypted_file(std::string_view url) { return has_scheme(url, "aesgcm"); }

std::string write_file_info(const pb::XmppOob& file) {
  const std::string name = name_of_file(file);
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
      "<file xmlns=\"urn:gsma:params:xml:ns:rcs:rcs:fthttp\">\r\n<file-info type=\"file\">\r\n";
  if (file.size() != 0)
    out.append("<file-size>").append(std::to_string(file.size())).append("</file-size>\r\n");
  out.append("<file-name>").append(xml_escape(name)).append("</file-name>\r\n<content-type>");
  out.append(is_media_type(file.media_type()) ? std::string_view(file.media_type()) : type_of_file(name));
  out.append("</content-type>\r\n<data url=\"")
      .append(xml_escape(file.url()))
      .append("\"/>\r\n</file-info>\r\n</file>\r\n");
  return out;
}

}  // namespace stox::mapping

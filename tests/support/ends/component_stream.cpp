#include "tests/support/ends/component_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace stox::ends {
namespace {

std::string header(const std::string& attributes) {
  return "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
         "xmlns:stream='http://etherx.jabber.org/streams' " +
         attributes + ">";
}

std::string sha1_hex(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

}  // namespace

ComponentStream::ComponentStream(int socket, std::string domain, std::function<void(const ReadStanza&)> take,
                                 std::string secret)
    : socket_(socket),
      domain_(std::move(domain)),
      secret_(std::move(secret)),
      take_(std::move(take)),
      parser_(XML_ParserCreate("UTF-8")) {
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  XML_SetUserData(parser_, this);
  XML_SetElementHandler(parser_, start_element, end_element);
  XML_SetCharacterDataHandler(parser_, characters);
  if (!secret_.empty()) out_ = header("to='" + domain_ + "'");
}

ComponentStream::~ComponentStream() {
  ::close(socket_);
  XML_ParserFree(parser_);
}

bool ComponentStream::read() {
  static char buffer[65536];
  while (!closed_) {
    const auto count = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN;
    if (count == 0 || XML_Parse(parser_, buffer, static_cast<int>(count), 0) == XML_STATUS_ERROR)
      return false;
  }
  return false;
}

void ComponentStream::flush() {
  if (out_.empty()) return;
  const auto count = send(socket_, out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count > 0) out_.erase(0, static_cast<std::size_t>(count));
}

void ComponentStream::answer_ping(const ReadStanza& ping) {
  out_ += "<iq type='result' id='" + ping.id + "' from='" + ping.to + "' to='" + ping.from + "'/>";
}

void ComponentStream::start_element(void* self, const char* name, const char** attributes) {
  static_cast<ComponentStream*>(self)->started(name, attributes);
}

void ComponentStream::end_element(void* self, const char*) { static_cast<ComponentStream*>(self)->ended(); }

void ComponentStream::characters(void* self, const char* bytes, int length) {
  if (auto* text = static_cast<ComponentStream*>(self)->text_)
    text->append(bytes, static_cast<std::size_t>(length));
}

void ComponentStream::started(std::string_view name, const char** attributes) {
  ++depth_;
  if (depth_ == 1) {
    if (secret_.empty()) {
      out_ += header("id='end' from='" + domain_ + "'");
      return;
    }
    for (; *attributes; attributes += 2) {
      if (std::string_view(attributes[0]) == "id")
        out_ += "<handshake>" + sha1_hex(attributes[1] + secret_) + "</handshake>";
    }
  } else if (depth_ == 2) {
    current_ = {};
    current_.name = name;
    for (; *attributes; attributes += 2) {
      const std::string_view key = attributes[0];
      if (key == "from") current_.from = attributes[1];
      if (key == "to") current_.to = attributes[1];
      if (key == "id") current_.id = attributes[1];
      if (key == "type") current_.type = attributes[1];
    }
  } else if (depth_ == 3) {
    text_ = name == "body" ? &current_.body : name == "status" ? &current_.status : nullptr;
    in_error_ = name == "error";
    current_.ping = current_.ping || name == "ping";
    current_.delayed = current_.delayed || name == "delay";
  } else if (depth_ == 4 && in_error_) {
    if (current_.condition.empty()) current_.condition = name;
    text_ = name == "text" ? &current_.text : nullptr;
  }
}

void ComponentStream::ended() {
  --depth_;
  if (depth_ <= 3) text_ = nullptr;
  if (depth_ == 0) closed_ = true;
  if (depth_ != 1) return;
  if (current_.name == "handshake") {
    if (secret_.empty()) out_ += "<handshake/>";
    ready_ = true;
  } else {
    take_(current_);
  }
}

}  // namespace stox::ends

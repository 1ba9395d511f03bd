// One end of an XEP-0114 stream, which hands on stanzas. The server's end takes the handshake, any secret
// will do; the component's end, which has a secret, begins the stream and shows it.
#pragma once

#include <expat.h>

#include <functional>
#include <string>
#include <string_view>

namespace stox::ends {

struct ReadStanza {
  std::string name, from, to, id, type, body, status;
  std::string condition;  // of an error: the name of the first child of <error/>
  std::string text;       // of an error
  bool ping = false;
  bool delayed = false;  // XEP-0203
};

class ComponentStream {
 public:
  // Owns the connected socket. `take` is called from read().
  ComponentStream(int socket, std::string domain, std::function<void(const ReadStanza&)> take,
                  std::string secret = {});
  ~ComponentStream();
  ComponentStream(const ComponentStream&) = delete;
  ComponentStream& operator=(const ComponentStream&) = delete;

  int descriptor() const { return socket_; }
  bool ready() const { return ready_; }  // the handshake is done
  bool wants_to_write() const { return !out_.empty(); }
  std::string& out() { return out_; }

  // False: the other end has closed the stream, or what came is no XML.
  bool read();
  void flush();
  void answer_ping(const ReadStanza&);

 private:
  static void start_element(void* self, const char* name, const char** attributes);
  static void end_element(void* self, const char* name);
  static void characters(void* self, const char* bytes, int length);
  void started(std::string_view name, const char** attributes);
  void ended();

  int socket_;
  std::string domain_, secret_;
  std::function<void(const ReadStanza&)> take_;
  XML_Parser parser_;
  bool ready_ = false, closed_ = false;
  int depth_ = 0;
  std::string out_;
  ReadStanza current_;
  std::string* text_ = nullptr;  // where characters go
  bool in_error_ = false;
};

}  // namespace stox::ends

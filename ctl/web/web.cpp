// `stoxctl web`: the server on loopback that gives the page and what it asks for.
#include <fmt/format.h>
#include <httplib.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "common/service/json_text.h"
#include "common/service/log.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/web/access.h"
#include "ctl/web/answers.h"
#include "ctl/web/page_files.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using namespace web;

constexpr std::size_t kMaxBody = 16'384;
constexpr unsigned kEndsWithin = 5;  // seconds after the signal, come what may
constexpr int kThreads = 8;          // a browser opens up to six connections

struct Listen {
  std::string host;
  int port;
};

// Nothing if it is no address of loopback, or no port.
std::optional<Listen> parse_listen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool ipv4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  if (!ipv4 && host != "::1") return std::nullopt;
  unsigned port = 65'536;
  const char* end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data() + colon + 1, end, port);
  if (failure != std::errc() || stopped != end || port > 65'535) return std::nullopt;
  return Listen{host, static_cast<int>(port)};
}

const httplib::Headers kHeaders = {
    {"Content-Security-Policy",
     "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-store"}};

WebRequest asked_of(const httplib::Request& request) {
  WebRequest out{request.method,
                 request.path,
                 request.get_header_value("Host"),
                 request.get_header_value("Origin"),
                 request.get_header_value("Cookie"),
                 request.get_header_value("Content-Type"),
                 request.get_header_value("X-Stox-Token")};
  if (request.has_param("token")) out.token = request.get_param_value("token");
  return out;
}

void give(httplib::Response& response, const std::optional<Found>& found, int when_not_fine) {
  if (!found) {
    response.status = 404;
    response.set_content("there is no such thing\n", "text/plain; charset=utf-8");
    return;
  }
  json value = found->value;
  value["complaints"] = found->complaints;
  response.status = found->code == kFine ? 200 : when_not_fine;
  response.set_content(value.dump(-1, ' ', false, json::error_handler_t::replace), "application/json");
}

const char* type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

// The page itself at "/", where who has the token gets the cookie.
void give_files(httplib::Server& server, const Access& access) {
  for (const PageFile& file : page_files()) {
    const bool is_page = file.name == "index.html";
    server.Get(is_page ? "/" : fmt::format("/{}", file.name),
               [&access, &file](const httplib::Request& request, httplib::Response& response) {
                 if (request.has_param("token")) response.set_header("Set-Cookie", access.set_cookie());
                 response.set_content(file.content.data(), file.content.size(), type_of(file.name));
               });
  }
}

void serve(httplib::Server& server, const Access& access, const service::Config& config, bool may_act) {
  using httplib::Request;
  using httplib::Response;
  using Passed = httplib::Server::HandlerResponse;
  // It becomes the server's own.
  server.new_task_queue = [] { return std::make_unique<httplib::ThreadPool>(kThreads).release(); };
  server.set_keep_alive_max_count(1);  // an idle browser keeps no thread
  server.set_payload_max_length(kMaxBody);
  server.set_default_headers(kHeaders);
  server.set_pre_routing_handler([&access](const Request& request, Response& response) {
    const auto refusal = access.refusal(asked_of(request));
    if (!refusal) return Passed::Unhandled;
    response.status = refusal->status;
    response.set_content(refusal->text, "text/plain; charset=utf-8");
    return Passed::Handled;
  });
  give_files(server, access);
  server.Get("/api/([a-z]+)", [&config, may_act](const Request& request, Response& response) {
    const Query query(request.params.begin(), request.params.end());
    give(response, look(config, may_act, request.matches[1], query), 200);
  });
  server.Post("/api/([a-z]+)", [&config](const Request& request, Response& response) {
    const json asked = service::parse_json(request.body);
    const std::string what = request.matches[1];
    const auto done = act(config, what, asked.is_object() ? asked : json::object());
    fmt::print(stderr, "{} {}: {}\n", what, service::printable(request.body, 200),
               !done || done->code != kFine ? "failed" : "done");
    give(response, done, what == "reload" ? 200 : 409);  // that a file is bad is an answer
  });
}

// Until a signal asks to end, or the server cannot go on.
void run_until_signal(httplib::Server& server) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  std::signal(SIGALRM, [](int) { _exit(kFine); });
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before there are threads, which inherit it
  const auto serving = std::async(std::launch::async, [&server] {
    server.listen_after_bind();
    kill(getpid(), SIGTERM);
  });
  int came = 0;
  sigwait(&ends, &came);
  alarm(kEndsWithin);  // threads may wait for a process that hangs, or for a client that says nothing
  do {                 // a server that has not begun yet is not stopped by it
    server.stop();
  } while (serving.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready);
}

}  // namespace

ExitCode serve_page(const Options& options, const WebOptions& wanted) {
  const auto listen = parse_listen(wanted.listen);
  if (!listen) {
    complain(
        fmt::format("\"{}\": an address of loopback and a port, please, such as 127.0.0.1:7380: the page is "
                    "not encrypted. From another machine: ssh -L 7380:127.0.0.1:7380 THIS_MACHINE",
                    wanted.listen));
    return kUsage;
  }
  httplib::Server server;
  server.set_socket_options([](socket_t one) {  // without the SO_REUSEPORT that is usual there
    const int on = 1;
    setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  int port = listen->port;
  const bool bound = port == 0 ? (port = server.bind_to_any_port(listen->host)) > 0
                               : server.bind_to_port(listen->host, port);
  if (!bound) {
    complain(fmt::format("cannot listen on {}: it is in use; --listen takes another, 127.0.0.1:0 a free one",
                         wanted.listen));
    return kTrouble;
  }
  const std::string token = random_token();
  const Access access(token, random_token(), port, wanted.allow_actions);
  serve(server, access, options.config, wanted.allow_actions);
  const std::string host = listen->host == "::1" ? "[::1]" : listen->host;
  const std::string address = fmt::format("http://{}:{}/?token={}", host, port, token);
  if (options.json) {
    print_json_line({{"address", address}});
  } else {
    print_text(fmt::format(
        "{}\n{}; Ctrl-C ends it\n", address,
        wanted.allow_actions
            ? "who has this address may look, drain, retry, reconnect, reload and forget what failed"
            : "who has this address may look; --allow-actions allows more"));
    std::fflush(stdout);
  }
  run_until_signal(server);
  return kFine;
}

}  // namespace stox::ctl

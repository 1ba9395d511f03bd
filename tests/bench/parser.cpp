// What reading one usual MESSAGE and writing its 200 costs: stox-parser-bench [ROUNDS]. Under
// `valgrind --tool=callgrind` with few rounds the instructions are what counts.
#include "sip_front/sip/message/parser.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "sip_front/sip/message/writer.h"

namespace {

using namespace stox::sip;

// As a phone behind one proxy sends it.
const std::string kUsual =
    "MESSAGE sip:juliet*xmpp.example.org@sip-xmpp.example.org SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKcydzigwkX;rport\r\n"
    "Via: SIP/2.0/UDP 192.0.2.77:5060;received=198.51.100.7;branch=z9hG4bK776sgdkse;rport=41523\r\n"
    "Max-Forwards: 69\r\n"
    "From: \"Romeo Montague\" <sip:romeo@sip.example.org>;tag=49583x8\r\n"
    "To: <sip:juliet*xmpp.example.org@sip-xmpp.example.org>\r\n"
    "Call-ID: asd88asd77a-1c2d-4e5f@192.0.2.77\r\n"
    "CSeq: 1 MESSAGE\r\n"
    "User-Agent: baresip v1.0.0 (x86_64/linux)\r\n"
    "Content-Type: text/plain;charset=UTF-8\r\n"
    "Content-Length: 34\r\n"
    "\r\n"
    "Art thou not Romeo, and a Montague";

// CPU time, as others may be at work.
double ns_each(std::clock_t since, int rounds) {
  return static_cast<double>(std::clock() - since) / CLOCKS_PER_SEC * 1e9 / rounds;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 2'000'000;
  std::string text = kUsual;
  Message message;
  std::size_t sum = 0;
  std::clock_t begin = std::clock();
  for (int i = 0; i < rounds; ++i) {
    if (!parse_datagram(text, message)) return 1;
    sum += message.body.size();
  }
  std::printf("parse a MESSAGE of %zu bytes  %.0f ns\n", kUsual.size(), ns_each(begin, rounds));

  const Endpoint source = *Endpoint::parse("192.0.2.10", 5060);
  ResponseHead head;
  std::string out;
  begin = std::clock();
  for (int i = 0; i < rounds; ++i) {
    write_response_head(message, source, "8f3b1c2d4e5f6a7b", head);
    write_response(out, head, 200);
    sum += out.size();
  }
  std::printf("write its 200               %.0f ns\n", ns_each(begin, rounds));
  return sum == 0 ? 1 : 0;
}

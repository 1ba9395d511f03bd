#include "xmpp_worker/xmpp/stream/paced_socket.h"

#include <array>
#include <utility>

namespace stox::xmpp {
namespace {

constexpr std::size_t kReadAtOnce = 65'536, kReadsPerWakeup = 8;
constexpr int kRestingBytes = 65'536;  // more than these wake us all the same
// What is still in the kernel when this process is killed is in doubt, or will be sent again: it must not
// come to the peer behind what the next process sends on another connection.
constexpr net::StreamSocket::Options kOptions{
    .unacknowledged = std::chrono::seconds(30), .keepalive = std::chrono::seconds(60), .resets = true};

}  // namespace

PacedSocket::PacedSocket(net::Loop& loop, PacedSocketUser& user)
    : loop_(loop),
      user_(user),
      write_alarm_(loop, [this] { write(); }),
      end_of_turn_(loop, [this] { end_of_turn(); }) {}

PacedSocket::~PacedSocket() { abort(); }

void PacedSocket::adopt(int descriptor) {
  close();
  socket_ = net::StreamSocket(loop_, descriptor, *this, kOptions);
  socket_.wait_readable();
}

void PacedSocket::start_tls(const net::TlsContext& context, net::TlsOptions options, std::string_view begun) {
  if (!socket_) return;
  user_.about_to_write();
  if (socket_) socket_.start_tls(context, std::move(options), begun);
}

void PacedSocket::close() {
  write();
  if (socket_) {
    socket_.end();
    socket_.flush();
    socket_.leave();
  }
  abort();
}

void PacedSocket::ended(End how, const std::string& why) {
  abort();
  const bool by_peer = how == End::kCut || how == End::kFinished;
  user_.socket_closed(by_peer ? "the server closed the connection" : why);
}

void PacedSocket::abort() {
  socket_ = {};
  write_alarm_.set(kNever);
  if (std::exchange(resting_, false)) loop_.pace().forget(*this);
}

void PacedSocket::readable() {
  const Time now = loop_.now();
  if (const Time next = last_read_ + loop_.pace().time(); now < next) {
    socket_.wake_from(kRestingBytes);
    resting_ = true;
    return loop_.pace().rest(*this, next - now);
  }
  read();
  if (socket_) socket_.wait_readable();
}

void PacedSocket::wait() {
  resting_ = false;
  socket_.wake_from(1);
  socket_.wait_readable();
}

PacedSocket::Came PacedSocket::read() {
  last_read_ = loop_.now();
  std::array<char, kReadAtOnce> buffer;
  std::string plain;
  auto came = net::StreamSocket::Read::kFull;
  std::size_t reads = 0;
  for (; reads < kReadsPerWakeup && came == net::StreamSocket::Read::kFull; ++reads)
    came = socket_.read(buffer, plain);
  return reads > 1 || came != net::StreamSocket::Read::kNothing ? Came::kAll : Came::kNothing;
}

Result<void> PacedSocket::secured(net::TlsSession& session) {
  user_.tls_established(session);
  if (socket_) write_soon();
  return {};
}

void PacedSocket::write_soon() { end_of_turn_.ask(); }

void PacedSocket::end_of_turn() {
  if (!socket_) return;
  // A wakeup that comes a little early, with others of the process, need not be followed by one of our own.
  const Duration pace = loop_.pace().time();
  if (loop_.now() >= last_write_ + pace * 3 / 4) return write();
  write_alarm_.set(last_write_ + pace);
}

void PacedSocket::send(std::string_view bytes) {
  if (socket_) socket_.send(bytes);
}

void PacedSocket::write() {
  if (!socket_ || socket_.is_securing()) return;
  last_write_ = loop_.now();
  user_.about_to_write();
  // A failure is reported by the wait for reading, behind what the peer has still said.
  if (socket_) socket_.flush();
}

}  // namespace stox::xmpp

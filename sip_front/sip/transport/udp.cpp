#include "sip_front/sip/transport/udp.h"

#include <linux/errqueue.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sip_front/sip/message/socket_address.h"

namespace stox::sip {
namespace {

constexpr std::size_t kBatch = 64;
constexpr int kBatchesPerTurn = 16;  // then others get their turn
constexpr std::size_t kLargestDatagram = 65535;
constexpr int kSocketBuffer = 8 * 1024 * 1024;
constexpr Duration kFull = std::chrono::milliseconds(1);  // until the system may take more
constexpr std::size_t kMaxQueued = 16 * 1024 * 1024;      // bytes, while the system takes none

// Room for one control message that names an address of ours.
struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> bytes{};
};

// The address of ours that a datagram came to; all zero if it does not say.
Endpoint local_of(msghdr& header) {
  Endpoint out;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      std::memcpy(out.ip.data(), &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      std::memcpy(out.ip.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
      out.v6 = true;
    }
  }
  return out;
}

// Makes a datagram leave from `local`.
void set_local(msghdr& header, Control& control, const Endpoint& local) {
  header.msg_control = control.bytes.data();
  header.msg_controllen = local.v6 ? CMSG_SPACE(sizeof(in6_pktinfo)) : CMSG_SPACE(sizeof(in_pktinfo));
  cmsghdr* const part = CMSG_FIRSTHDR(&header);
  if (local.v6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.ip.data(), sizeof info.ipi6_addr);
    part->cmsg_level = IPPROTO_IPV6;
    part->cmsg_type = IPV6_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
  } else {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.ip.data(), sizeof info.ipi_spec_dst);
    part->cmsg_level = IPPROTO_IP;
    part->cmsg_type = IP_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
  }
}

// In words for people.
std::string why_not(int error_number) {
  switch (error_number) {
    case ECONNREFUSED:
      return "nobody listens there";
    case EINVAL:
      return "nothing leaves to there from the address that we listen on: add one to `listen` that leads "
             "there";
    default:
      return std::strerror(error_number);
  }
}

bool is_any(const Endpoint& endpoint) { return endpoint.ip == Endpoint{}.ip; }

}  // namespace

struct UdpSocket::Buffers {
  // Pages that no datagram reaches are never touched. The odd step keeps the starts of the buffers from
  // falling into the same cache lines.
  static constexpr std::size_t kStep = kLargestDatagram + 1 + 4096 + 192;
  std::unique_ptr<char[]> bytes = std::make_unique_for_overwrite<char[]>(kBatch * kStep);
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> parts{};
  std::array<SocketAddress, kBatch> addresses{};
  std::array<Control, kBatch> controls{};
  Message message;

  Buffers() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {bytes.get() + i * kStep, kLargestDatagram};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_name = &addresses[i];
    }
  }
};

UdpSocket::UdpSocket(net::Loop& loop, uint16_t listener, TransportUser& user, std::function<void()> dirty)
    : loop_(loop),
      listener_(listener),
      user_(user),
      dirty_(std::move(dirty)),
      buffers_(std::make_unique<Buffers>()),
      full_(loop, [this] { flush(); }) {}

UdpSocket::~UdpSocket() {
  loop_.pace().forget(*this);
  input_.reset();
  if (fd_ >= 0) close(fd_);
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(net::Loop& loop, const Endpoint& bind, uint16_t listener,
                                                   TransportUser& user, std::function<void()> dirty) {
  std::unique_ptr<UdpSocket> self(new UdpSocket(loop, listener, user, std::move(dirty)));
  const int fd = self->fd_ =
      socket(bind.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0 && bind.v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  const SocketAddress address(bind);
  if (fd < 0 || ::bind(fd, &address.any, address.size()) != 0) {
    const int why = errno;
    std::string name;
    bind.append_ip(name);
    return error(describe_listen_failure(Transport::kUdp, name, bind.port, why));
  }

  // The privileged form first: it may exceed net.core.rmem_max.
  for (const auto& [forced, plain] :
       {std::pair(SO_RCVBUFFORCE, SO_RCVBUF), std::pair(SO_SNDBUFFORCE, SO_SNDBUF)}) {
    if (setsockopt(fd, SOL_SOCKET, forced, &kSocketBuffer, sizeof kSocketBuffer) != 0)
      setsockopt(fd, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer);
  }
  int granted = 0;
  socklen_t size = sizeof granted;
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &size);
  self->receive_buffer_ = static_cast<std::size_t>(granted / 2);  // the kernel counts its own share too
  // ICMP errors with the address they concern.
  setsockopt(fd, bind.v6 ? IPPROTO_IPV6 : IPPROTO_IP, bind.v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof on);

  self->wildcard_ = is_any(bind);
  if (self->wildcard_) {
    setsockopt(fd, bind.v6 ? IPPROTO_IPV6 : IPPROTO_IP, bind.v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
               sizeof on);
  }

  SocketAddress bound;
  size = sizeof bound;
  getsockname(fd, &bound.any, &size);
  self->bound_ = bound.endpoint();
  self->input_.emplace(loop, fd, [socket = self.get()] { socket->readable(); });
  self->input_->wait();
  return self;
}

// The first wakeup comes at once, the next not earlier than the time of the pace after it.
void UdpSocket::readable() {
  const Time now = loop_.now();
  if (const Time next = last_read_ + loop_.pace().time(); now < next) return rest(next - now);
  if (read() == Came::kPart) return rest({});
  wait();
}

void UdpSocket::rest(Duration first) {
  input_->silence();
  loop_.pace().rest(*this, first);
}

UdpSocket::Came UdpSocket::read() {
  last_read_ = loop_.now();
  bool any = false;
  for (int round = 0; round < kBatchesPerTurn; ++round) {
    const int count = receive_batch();
    any |= count > 0;
    // A burst: its messages have not come by the bus yet, which counts them else.
    if (count == static_cast<int>(kBatch)) loop_.pace().count(kBatch);
    if (count < static_cast<int>(kBatch)) return any ? Came::kAll : Came::kNothing;
  }
  return Came::kPart;
}

// Returns how many datagrams came.
int UdpSocket::receive_batch() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    msghdr& header = buffers_->headers[i].msg_hdr;
    header.msg_namelen = sizeof(SocketAddress);
    if (!wildcard_) continue;
    header.msg_control = buffers_->controls[i].bytes.data();
    header.msg_controllen = buffers_->controls[i].bytes.size();
  }
  int count = -1;
  for (int tries = 0; count < 0 && tries < 8; ++tries) {
    count = recvmmsg(fd_, buffers_->headers.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) read_errors();
  }
  for (std::size_t i = 0; static_cast<int>(i) < count; ++i) {
    ++received_;
    handle({static_cast<char*>(buffers_->parts[i].iov_base), buffers_->headers[i].msg_len},
           buffers_->addresses[i].endpoint(),
           wildcard_ ? local_of(buffers_->headers[i].msg_hdr) : Endpoint{});
  }
  return count;
}

void UdpSocket::handle(std::span<char> datagram, const Endpoint& from, const Endpoint& local) {
  // Keep-alives: line breaks, or a few zero bytes.
  if (std::all_of(datagram.begin(), datagram.end(),
                  [](char c) { return c == '\r' || c == '\n' || c == '\0'; }))
    return;
  const Flow flow{Transport::kUdp, listener_, 0, from, local};
  if (const Parsed parsed = parse_datagram(datagram, buffers_->message)) {
    user_.received(buffers_->message, flow);
  } else {
    user_.faulty(buffers_->message, parsed.error(), flow);
  }
}

// What ICMP said about datagrams of ours.
void UdpSocket::read_errors() {
  while (true) {
    SocketAddress to;
    alignas(cmsghdr) std::array<char, 512> control{};
    std::array<char, 1024> start;  // of the datagram, as far as ICMP gives it back
    iovec part_of_it{start.data(), start.size()};
    msghdr header{};
    header.msg_iov = &part_of_it;
    header.msg_iovlen = 1;
    header.msg_name = &to;
    header.msg_namelen = sizeof to;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const auto size = recvmsg(fd_, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (size < 0) break;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_type != IP_RECVERR && part->cmsg_type != IPV6_RECVERR) continue;
      sock_extended_err what{};
      std::memcpy(&what, CMSG_DATA(part), sizeof what);
      if (what.ee_errno == EMSGSIZE) continue;
      user_.unreachable(to.endpoint(), {start.data(), static_cast<std::size_t>(size)},
                        why_not(static_cast<int>(what.ee_errno)));
    }
  }
}

void UdpSocket::send(const Endpoint& to, const Endpoint& from, std::string_view bytes) {
  if (out_.size() + bytes.size() > kMaxQueued) {
    ++failures_;  // as if lost on the way
    return;
  }
  if (outgoing_.empty()) dirty_();
  outgoing_.push_back({out_.size(), bytes.size(), to, from});
  out_ += bytes;
}

void UdpSocket::flush() {
  if (full_.at() != kNever) return;
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> parts{};
  std::array<SocketAddress, kBatch> addresses{};
  std::array<Control, kBatch> controls;
  struct Refused {
    Endpoint to;
    std::string datagram;
    int why;
  };
  std::vector<Refused> refused;
  std::size_t done = 0;
  bool retried = false;
  while (done < outgoing_.size()) {
    const std::size_t count = std::min(kBatch, outgoing_.size() - done);
    for (std::size_t i = 0; i < count; ++i) {
      const Outgoing& one = outgoing_[done + i];
      addresses[i] = SocketAddress(one.to);
      parts[i] = {out_.data() + one.offset, one.size};
      headers[i].msg_hdr = {};
      headers[i].msg_hdr.msg_name = &addresses[i];
      headers[i].msg_hdr.msg_namelen = addresses[i].size();
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      if (wildcard_ && !is_any(one.from)) set_local(headers[i].msg_hdr, controls[i], one.from);
    }
    const int sent = sendmmsg(fd_, headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      sent_ += static_cast<std::size_t>(sent);
      retried = false;
    } else if (errno == EAGAIN || errno == ENOBUFS) {
      full_.set(loop_.now() + kFull);
      break;
    } else if (errno == EINTR || errno == ECONNREFUSED) {
      continue;  // by ICMP, of an earlier datagram: read_errors() hears of it, too
    } else if (!std::exchange(retried, true)) {
      continue;  // as this may have been
    } else {
      ++failures_;
      const int why = errno;
      const Outgoing& one = outgoing_[done++];
      refused.push_back({one.to, out_.substr(one.offset, one.size), why});
      retried = false;
    }
  }
  if (done == outgoing_.size()) {
    outgoing_.clear();
    out_.clear();
  } else {
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(done));
  }
  for (const Refused& one : refused) user_.unreachable(one.to, one.datagram, why_not(one.why));
}

}  // namespace stox::sip

// Ids of the stanzas that we write: worker.epoch.number.flags.payload.mac, all of it token characters
// (RFC 3261 25.1), so that it may serve as IMDN Message-ID, too. Who gets such an id back knows without a
// table which worker wrote it and for what; the MAC, over the id and the two bare addresses, shows that we
// wrote it between these two: nobody else can forge a receipt or a bounce.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

struct evp_mac_ctx_st;

namespace stox::xmpp {

struct StanzaId {
  // Letters of `flags`.
  // What it is: first and only one of these. kStatus: typing or a receipt; kAsked: no stanza of ours, but the
  // Message-ID by which SIP knows one that came from XMPP.
  // kVcard: asks for an XMPP user's name. kRoom: to a room, other than a message; the payload says what.
  static constexpr char kMessage = 'm', kPing = 'p', kKeepalive = 'k', kStatus = 't', kAsked = 'a',
                        kVcard = 'v', kRoom = 'o';
  static constexpr char kCallId = 'c';  // payload is the Call-ID
  static constexpr char kImdn = 'i';    // payload is the IMDN Message-ID and more (receipts.h)
  static constexpr char kHashed = 'h';  // payload is a hash of what was too long
  // Who sent it wants to hear that it was received, displayed, or refused after all; it was of type chat.
  static constexpr char kReceived = 'r', kDisplayed = 'd', kRefused = 'n', kChat = 'j';

  std::string worker;
  uint64_t epoch = 0;
  uint64_t number = 0;
  std::string flags;
  std::string payload;

  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

class StanzaIds {
 public:
  static constexpr std::size_t kKeyBytes = 16;

  // The key of all workers that have the same secret and domain, so that each can read the others' ids. Slow
  // (scrypt, some 50 ms) on purpose: strangers get to see ids, and must not be able to find the secret by
  // trying many.
  static Result<std::string> derive_key(std::string_view secret, std::string_view domain);

  // `worker` and `epoch` name this process.
  StanzaIds(std::string_view key, std::string_view worker, uint64_t epoch);
  ~StanzaIds();

  // Ids of the form before this one are read, too: their MAC is HMAC-SHA256, keyed with the secret itself.
  // Only for a while after an upgrade, until the receipts and errors of what was written before have come:
  // whoever has such an id can try secrets as fast as his machine computes them.
  void read_old_form(std::string_view secret);
  void forget_old_form() { old_mac_.reset(); }

  // Appends the id of a stanza from one address to another. Payload: any bytes.
  void append(std::string& out, uint64_t number, std::string_view flags, std::string_view payload,
              std::string_view from, std::string_view to);

  static bool fits(std::string_view payload);  // else the id holds its hash alone
  // Nothing when it is none of ours, or was not written between these two.
  std::optional<StanzaId> read(std::string_view id, std::string_view from, std::string_view to);
  // The same for an answer to a stanza: its addresses are swapped.
  // COMPAT(jabberd2 2.7): the router bounces with the addresses as they were.
  std::optional<StanzaId> read_answer(std::string_view id, std::string_view from, std::string_view to);

  bool is_own(const StanzaId& id) const { return id.epoch == epoch_ && id.worker == worker_; }

 private:
  struct Free {
    void operator()(evp_mac_ctx_st*) const;
  };
  void append_mac(std::string& out, std::string_view id, std::string_view from, std::string_view to);
  void append_old_mac(std::string& out, std::string_view id, std::string_view from, std::string_view to);
  void join(std::string_view id, std::string_view from, std::string_view to);  // into authentic_

  std::string worker_;
  uint64_t epoch_;
  std::string prefix_;  // encoded worker.epoch.
  std::array<unsigned char, kKeyBytes> key_{};
  std::unique_ptr<evp_mac_ctx_st, Free> old_mac_;  // null: ids of the old form are none
  std::string scratch_, authentic_;                // reused; what the MAC is of
};

}  // namespace stox::xmpp

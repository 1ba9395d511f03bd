// What the gateway answers for itself and for the SIP users behind it: ping (XEP-0199), disco (XEP-0030),
// version (XEP-0092), last (XEP-0012), how contacts are written (XEP-0100), presence that asks, invitations
// to group chats. Whatever is asked and not known gets its error; what is no question gets nothing, so
// nothing loops.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/xml_writer.h"

namespace stox::xmpp {

struct ServiceInfo {
  std::string version;
  std::string name = "SIP gateway (stox)";
  Duration uptime{};
  // The JID of a SIP address as a person types it, or why it is none. Not set: not offered.
  std::function<Result<std::string>(std::string_view typed)> contact = {};
  // What a SIP user is called, for this XMPP user; JIDs. Not set: that is told to nobody.
  std::function<std::string(std::string_view user, std::string_view sip_user)> name_of = {};
  // SIP users of whom no presence is known: granted and offline, granted and available, or refused (RFC
  // 8048).
  enum class Unsupported { kGrant, kOnline, kStrict } unsupported = Unsupported::kGrant;
};

// The version of the features that SIP users have (XEP-0115), for their presence to carry.
std::string user_caps_version(const ServiceInfo&);

// It asks a user of ours for his features (XEP-0030), or shows him those of its sender (XEP-0115).
bool is_about_features(const Stanza&);

// The name in an answer to a request that asks for the vCard of a user (XEP-0054); empty if it has none.
std::string_view name_in_vcard(const Stanza&);
void write_vcard_request(XmlWriter&, std::string_view from, std::string_view to, std::string_view id);

// A presence by which somebody would come into a room (XEP-0045 7.2), which nobody of ours is.
bool asks_to_join(const Stanza&);

// Writes the answer to an IQ or presence stanza, if it is owed one. False: nothing was written.
bool answer(const Stanza&, const ServiceInfo&, XmlWriter&);
// The same for a message that invites to a group chat, mediated (XEP-0045 7.8.2) or direct (XEP-0249): it is
// declined with the reason. False: it is no invitation.
bool decline_invitation(const Stanza& message, XmlWriter&);
// The same for one that announces a call (XEP-0353, XEP-0482): who calls hears at once that nobody will
// answer.
bool decline_call(const Stanza& message, XmlWriter&);

}  // namespace stox::xmpp

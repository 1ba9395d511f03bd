// Namespaces of XMPP, and the cuts of a JID as it stands on the wire.
#pragma once

#include <string_view>

namespace stox::xmpp {

namespace ns {
constexpr std::string_view kStreams = "http://etherx.jabber.org/streams";
constexpr std::string_view kStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams";
constexpr std::string_view kStanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas";
constexpr std::string_view kComponent = "jabber:component:accept";
constexpr std::string_view kClient = "jabber:client";
constexpr std::string_view kServer = "jabber:server";
constexpr std::string_view kDialback = "jabber:server:dialback";
constexpr std::string_view kDialbackFeature = "urn:xmpp:features:dialback";
constexpr std::string_view kTls = "urn:ietf:params:xml:ns:xmpp-tls";
constexpr std::string_view kSasl = "urn:ietf:params:xml:ns:xmpp-sasl";
constexpr std::string_view kBidi = "urn:xmpp:bidi";
constexpr std::string_view kBidiFeature = "urn:xmpp:features:bidi";
constexpr std::string_view kStreamManagement = "urn:xmpp:sm:3";
constexpr std::string_view kXml = "http://www.w3.org/XML/1998/namespace";
constexpr std::string_view kXmlns = "http://www.w3.org/2000/xmlns/";
constexpr std::string_view kPing = "urn:xmpp:ping";
constexpr std::string_view kDelay = "urn:xmpp:delay";
constexpr std::string_view kOob = "jabber:x:oob";
constexpr std::string_view kReply = "urn:xmpp:reply:0";
constexpr std::string_view kFileSharing = "urn:xmpp:sfs:0";
constexpr std::string_view kFileMetadata = "urn:xmpp:file:metadata:0";
constexpr std::string_view kUrlData = "http://jabber.org/protocol/url-data";
constexpr std::string_view kFallback = "urn:xmpp:fallback:0";
constexpr std::string_view kCorrect = "urn:xmpp:message-correct:0";
constexpr std::string_view kChatStates = "http://jabber.org/protocol/chatstates";
constexpr std::string_view kReceipts = "urn:xmpp:receipts";
constexpr std::string_view kMarkers = "urn:xmpp:chat-markers:0";
constexpr std::string_view kHints = "urn:xmpp:hints";
constexpr std::string_view kDiscoInfo = "http://jabber.org/protocol/disco#info";
constexpr std::string_view kDiscoItems = "http://jabber.org/protocol/disco#items";
constexpr std::string_view kVersion = "jabber:iq:version";
constexpr std::string_view kLast = "jabber:iq:last";
constexpr std::string_view kGateway = "jabber:iq:gateway";
constexpr std::string_view kConference = "jabber:x:conference";
constexpr std::string_view kMuc = "http://jabber.org/protocol/muc";
constexpr std::string_view kMucUser = "http://jabber.org/protocol/muc#user";
constexpr std::string_view kMucOwner = "http://jabber.org/protocol/muc#owner";
constexpr std::string_view kReactions = "urn:xmpp:reactions:0";
constexpr std::string_view kRetract0 = "urn:xmpp:message-retract:0";
constexpr std::string_view kRetract1 = "urn:xmpp:message-retract:1";
constexpr std::string_view kFasten = "urn:xmpp:fasten:0";
constexpr std::string_view kOmemo = "eu.siacs.conversations.axolotl";
constexpr std::string_view kOmemo2 = "urn:xmpp:omemo:2";
constexpr std::string_view kOpenPgp = "urn:xmpp:openpgp:0";
constexpr std::string_view kOldPgp = "jabber:x:encrypted";
constexpr std::string_view kE2e = "urn:ietf:params:xml:ns:xmpp-e2e";
constexpr std::string_view kEncryption = "urn:xmpp:eme:0";
constexpr std::string_view kJingleMessage = "urn:xmpp:jingle-message:0";
constexpr std::string_view kCallInvites = "urn:xmpp:call-invites:0";
constexpr std::string_view kJingle = "urn:xmpp:jingle:1";
constexpr std::string_view kEncryptedFile = "urn:xmpp:esfs:0";
constexpr std::string_view kReference = "urn:xmpp:reference:0";
constexpr std::string_view kMediaSharing = "urn:xmpp:sims:1";
constexpr std::string_view kPlace = "http://jabber.org/protocol/geoloc";
constexpr std::string_view kStickers = "urn:xmpp:stickers:0";
constexpr std::string_view kAttention = "urn:xmpp:attention:0";
constexpr std::string_view kXhtml = "http://jabber.org/protocol/xhtml-im";
constexpr std::string_view kForms = "jabber:x:data";
constexpr std::string_view kVcardTemp = "vcard-temp";
constexpr std::string_view kVcard4 = "urn:ietf:params:xml:ns:vcard-4.0";
constexpr std::string_view kRosterItems = "http://jabber.org/protocol/rosterx";
constexpr std::string_view kStanzaIds = "urn:xmpp:sid:0";
constexpr std::string_view kCaps = "http://jabber.org/protocol/caps";
constexpr std::string_view kPubsub = "http://jabber.org/protocol/pubsub";
constexpr std::string_view kNick = "http://jabber.org/protocol/nick";
}  // namespace ns

// The namespaces in which stanzas and their own children come; servers mix them.
constexpr bool is_content_namespace(std::string_view uri) {
  return uri == ns::kComponent || uri == ns::kClient || uri == ns::kServer;
}

// RFC 7622 3.1, without preparing: slices of what was written.
constexpr std::string_view bare_of(std::string_view jid) { return jid.substr(0, jid.find('/')); }
constexpr std::string_view domain_of(std::string_view jid) {
  jid = bare_of(jid);
  const auto at = jid.find('@');
  return at == std::string_view::npos ? jid : jid.substr(at + 1);
}
constexpr std::string_view resource_of(std::string_view jid) {
  const auto slash = jid.find('/');
  return slash == std::string_view::npos ? std::string_view() : jid.substr(slash + 1);
}
constexpr bool has_resource(std::string_view jid) { return jid.find('/') != std::string_view::npos; }

}  // namespace stox::xmpp

// What SIP users are told in words of the rooms they are in. Texts of peers in it are cut, and all of it is
// one line; what the gateway says by itself begins with "* ". `start` is the character that commands begin
// with (command.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "xmpp_worker/xmpp/stanza/rooms.h"
#include "xmpp_worker/xmpp/stream/errors.h"

namespace stox::worker {

// Of the user's own presence, unavailable: why he is out. Empty: nothing to tell, as he left by himself, has
// another nick now, or is to come back without being asked (332).
std::string out_sentence(const xmpp::RoomPresence&, char start);
std::string nick_sentence(std::string_view new_nick);
std::string topic_sentence(std::string_view nick, std::string_view topic);  // empty topic: taken away
std::string topic_answer(std::string_view topic);
std::string members_answer(const std::vector<std::string_view>& nicks);
std::string invitation_sentence(const xmpp::RoomInvitation&, char start);
std::string left_out_sentence(uint64_t messages);

// Without "* ", for a SIP reason phrase: what the room said when he wanted to come in; when he said
// something.
std::string join_refusal(const xmpp::StanzaError&, char start);
std::string speech_refusal(const xmpp::StanzaError&, char start);

}  // namespace stox::worker

// A SIP user on liblinphone, for interop tests: has chat rooms as Linphone's applications have them, and
// prints what they would show, and what becomes of what it sends.
//
//   stox-linphone-user CONFIGURATION DOWNLOADS [cpim]
//
// CONFIGURATION is a linphonerc with an account; files that come are put into the folder DOWNLOADS. cpim:
// what it sends is in CPIM, and asks what becomes of it. Input, a line each: "say URI TEXT", "reply URI TEXT"
// (to the room's last message), "file URI PATH", "type URI", "read URI", "rooms". Output: "registered", "URI
// shows: TEXT", "URI shows a file: NAME", "URI has the file: NAME", "URI is typing", "URI stopped", "TEXT:
// STATE" of what was sent, "rooms: URI ...".
#include <linphone/core.h>
#include <poll.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <string>

namespace {

std::string downloads;
std::map<std::string, std::string> last_from;  // by room, the id of its last message

std::string uri_of(LinphoneChatRoom* room) {
  char* const text = linphone_address_as_string_uri_only(linphone_chat_room_get_peer_address(room));
  std::string out = text;
  bctbx_free(text);
  return out;
}

std::string uri_of(const LinphoneChatMessage* message) {
  return uri_of(linphone_chat_message_get_chat_room(message));
}

// The message's file, or its text.
LinphoneContent* file_in(const LinphoneChatMessage* message) {
  for (const bctbx_list_t* each = linphone_chat_message_get_contents(message); each != nullptr;
       each = each->next) {
    auto* const content = static_cast<LinphoneContent*>(each->data);
    if (linphone_content_is_file(content) || linphone_content_is_file_transfer(content)) return content;
  }
  return nullptr;
}

std::string name_of(const LinphoneChatMessage* message) {
  if (const LinphoneContent* const file = file_in(message)) return linphone_content_get_name(file);
  const char* const text = linphone_chat_message_get_utf8_text(message);
  return text == nullptr ? "" : text;
}

void changed(LinphoneChatMessage* message, LinphoneChatMessageState state) {
  if (linphone_chat_message_is_outgoing(message)) {
    std::cout << name_of(message) << ": "
              << (linphone_chat_message_state_to_string(state) + sizeof "LinphoneChatMessageState" - 1)
              << std::endl;
  } else if (state == LinphoneChatMessageStateFileTransferDone) {
    std::cout << uri_of(message) << " has the file: " << name_of(message) << std::endl;
  }
}

void watch(LinphoneChatMessage* message) {
  LinphoneChatMessageCbs* const callbacks = linphone_factory_create_chat_message_cbs(linphone_factory_get());
  linphone_chat_message_cbs_set_msg_state_changed(callbacks, changed);
  linphone_chat_message_add_callbacks(message, callbacks);
  linphone_chat_message_cbs_unref(callbacks);
}

void received(LinphoneCore*, LinphoneChatRoom* room, LinphoneChatMessage* message) {
  LinphoneContent* const file = file_in(message);
  std::cout << uri_of(room) << (file == nullptr ? " shows: " : " shows a file: ") << name_of(message)
            << std::endl;
  last_from[uri_of(room)] = linphone_chat_message_get_message_id(message);
  if (file == nullptr) return;
  watch(message);
  linphone_content_set_file_path(file, (downloads + "/" + name_of(message)).c_str());
  linphone_chat_message_download_content(message, file);
}

void is_composing(LinphoneCore*, LinphoneChatRoom* room) {
  std::cout << uri_of(room) << (linphone_chat_room_is_remote_composing(room) ? " is typing" : " stopped")
            << std::endl;
}

void registered(LinphoneCore*, LinphoneAccount*, LinphoneRegistrationState state, const char* why) {
  if (state == LinphoneRegistrationOk) std::cout << "registered" << std::endl;
  if (state == LinphoneRegistrationFailed) std::cout << "not registered: " << why << std::endl;
}

void send(LinphoneChatMessage* message) {
  watch(message);
  linphone_chat_message_send(message);
}

void send_file(LinphoneCore* core, LinphoneChatRoom* room, const std::string& path) {
  LinphoneContent* const content = linphone_core_create_content(core);
  linphone_content_set_type(content, "image");
  linphone_content_set_subtype(content, "png");
  linphone_content_set_name(content, path.substr(path.rfind('/') + 1).c_str());
  linphone_content_set_file_path(content, path.c_str());
  send(linphone_chat_room_create_file_transfer_message(room, content));
  linphone_content_unref(content);
}

// The room that is there, or a new one.
LinphoneChatRoom* room_with(LinphoneCore* core, const std::string& uri) {
  LinphoneAddress* const person = linphone_factory_create_address(linphone_factory_get(), uri.c_str());
  LinphoneChatRoomParams* const params = linphone_core_create_default_chat_room_params(core);
  bctbx_list_t* const people = bctbx_list_append(nullptr, person);
  LinphoneChatRoom* room = linphone_core_search_chat_room(core, nullptr, nullptr, person, nullptr);
  if (room == nullptr) room = linphone_core_create_chat_room_6(core, params, nullptr, people);
  bctbx_list_free(people);
  linphone_chat_room_params_unref(params);
  linphone_address_unref(person);
  return room;
}

void obey(LinphoneCore* core, const std::string& line) {
  const auto first = line.find(' '), second = line.find(' ', first + 1);
  const std::string what = line.substr(0, first);
  if (what == "rooms") {
    std::cout << "rooms:";
    for (const bctbx_list_t* each = linphone_core_get_chat_rooms(core); each != nullptr; each = each->next)
      std::cout << ' ' << uri_of(static_cast<LinphoneChatRoom*>(each->data));
    std::cout << std::endl;
    return;
  }
  const std::string uri = line.substr(first + 1, second - first - 1);
  const std::string text = second == std::string::npos ? "" : line.substr(second + 1);
  LinphoneChatRoom* const room = room_with(core, uri);
  if (what == "say") {
    send(linphone_chat_room_create_message_from_utf8(room, text.c_str()));
  } else if (what == "reply") {
    LinphoneChatMessage* const about = linphone_chat_room_find_message(room, last_from[uri].c_str());
    LinphoneChatMessage* const message = linphone_chat_room_create_reply_message(room, about);
    linphone_chat_message_add_utf8_text_content(message, text.c_str());
    send(message);
  } else if (what == "file") {
    send_file(core, room, text);
  } else if (what == "type") {
    linphone_chat_room_compose(room);
  } else if (what == "read") {
    linphone_chat_room_mark_as_read(room);
  }
}

void use_cpim(LinphoneCore* core) {
  LinphoneAccount* const account = linphone_core_get_default_account(core);
  LinphoneAccountParams* const params = linphone_account_params_clone(linphone_account_get_params(account));
  linphone_account_params_enable_cpim_in_basic_chat_room(params, 1);
  linphone_account_set_params(account, params);
  linphone_account_params_unref(params);
}

// False at the end of the input. What is there is read whole, as poll() knows nothing of what std::cin keeps.
bool read_input(LinphoneCore* core, std::string& rest) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, 20) <= 0) return true;
  char some[4096];
  const auto size = read(STDIN_FILENO, some, sizeof some);
  if (size <= 0) return false;
  rest.append(some, static_cast<std::size_t>(size));
  for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
    obey(core, rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  return true;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::cerr << "usage: stox-linphone-user CONFIGURATION DOWNLOADS [cpim]\n";
    return 2;
  }
  downloads = words[2];
  LinphoneFactory* const factory = linphone_factory_get();
  LinphoneCore* const core = linphone_factory_create_core_3(factory, words[1], nullptr, nullptr);
  if (core == nullptr) {
    std::cerr << "liblinphone does not take " << words[1] << '\n';
    return 1;
  }
  LinphoneCoreCbs* const callbacks = linphone_factory_create_core_cbs(factory);
  linphone_core_cbs_set_message_received(callbacks, received);
  linphone_core_cbs_set_is_composing_received(callbacks, is_composing);
  linphone_core_cbs_set_account_registration_state_changed(callbacks, registered);
  linphone_core_add_callbacks(core, callbacks);
  linphone_core_set_user_agent(core, "Montague/1.0", "LinphoneSDK/5.1");  // as applications do
  linphone_core_start(core);
  if (count > 3) use_cpim(core);
  std::string rest;
  while (read_input(core, rest)) linphone_core_iterate(core);
  linphone_core_unref(core);
  return 0;
}

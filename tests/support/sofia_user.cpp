// A SIP user on the sofia-sip stack, for interop tests: listens with UDP and TCP, prints each MESSAGE that
// comes and answers it 200, sends one for each line on its standard input. Who subscribes to its presence is
// taken, and told what the standard input says.
//
//   stox-sofia-user ADDRESS PORT OUR_URI PROXY_URI
//
// Input: "TO_URI TEXT", "= SUBSCRIPTION_STATE [BASIC]". Output: "ready", "from URI: TEXT", "answered STATUS",
// "watched by URI for SECONDS", "told STATUS".
#include <sofia-sip/nua.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_wait.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

namespace {

nua_handle_t* watcher = nullptr;  // the last one that has come

void was_subscribed(nua_t* nua, nua_handle_t* handle, int status, const sip_t* sip) {
  watcher = handle;
  if (status < 200) nua_respond(handle, SIP_200_OK, NUTAG_WITH_THIS(nua), TAG_END());
  std::cout << "watched by " << url_as_string(nullptr, sip->sip_from->a_url) << " for "
            << (sip->sip_expires != nullptr ? sip->sip_expires->ex_delta : 0) << std::endl;
}

void took(nua_event_t event, int status, const char*, nua_t* nua, nua_magic_t*, nua_handle_t* handle,
          nua_hmagic_t*, const sip_t* sip, tagi_t*) {
  if (event == nua_i_message && sip != nullptr) {  // the stack has answered it
    std::cout << "from " << url_as_string(nullptr, sip->sip_from->a_url) << ": ";
    if (const sip_payload_t* const body = sip->sip_payload)
      std::cout.write(body->pl_data, static_cast<int>(body->pl_len));
    std::cout << std::endl;
    nua_handle_destroy(handle);
  } else if (event == nua_r_message && status >= 200) {
    std::cout << "answered " << status << std::endl;
    nua_handle_destroy(handle);
  } else if (event == nua_i_subscribe && sip != nullptr) {
    was_subscribed(nua, handle, status, sip);
  } else if (event == nua_r_notify && status >= 200) {
    std::cout << "told " << status << std::endl;
  }
}

void notify(const std::string& what) {
  const std::string state = what.substr(0, what.find(' '));
  const std::string basic = state.size() < what.size() ? what.substr(state.size() + 1) : std::string();
  const std::string document =
      "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:sofia@sip.test'><tuple "
      "id='t'><status><basic>" +
      basic + "</basic></status></tuple></presence>";
  const bool is_over = state.starts_with("terminated");
  nua_notify(watcher,
             NUTAG_SUBSTATE(is_over                        ? nua_substate_terminated
                            : state.starts_with("pending") ? nua_substate_pending
                                                           : nua_substate_active),
             SIPTAG_EVENT_STR("presence"), TAG_IF(is_over, SIPTAG_SUBSCRIPTION_STATE_STR(state.c_str())),
             TAG_IF(!basic.empty(), SIPTAG_CONTENT_TYPE_STR("application/pidf+xml")),
             TAG_IF(!basic.empty(), SIPTAG_PAYLOAD_STR(document.c_str())), TAG_END());
}

int say(su_root_magic_t* root_magic, su_wait_t*, su_wakeup_arg_t* user) {
  auto* const nua = reinterpret_cast<nua_t*>(user);
  std::string to, text;
  if (!(std::cin >> to) || !std::getline(std::cin >> std::ws, text)) {
    su_root_break(reinterpret_cast<su_root_t*>(root_magic));
    return 0;
  }
  if (to == "=") {
    notify(text);
    return 0;
  }
  nua_handle_t* const handle =
      nua_handle(nua, nullptr, NUTAG_URL(to.c_str()), SIPTAG_TO_STR(to.c_str()), TAG_END());
  nua_message(handle, SIPTAG_CONTENT_TYPE_STR("text/plain;charset=UTF-8"), SIPTAG_PAYLOAD_STR(text.c_str()),
              TAG_END());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) {
    std::cerr << "usage: stox-sofia-user ADDRESS PORT OUR_URI PROXY_URI\n";
    return 2;
  }
  su_init();
  su_root_t* const root = su_root_create(nullptr);
  su_root_magic_t* const magic = reinterpret_cast<su_root_magic_t*>(root);
  su_root_set_magic(root, magic);
  const std::string listen = std::string("sip:") + words[1] + ":" + words[2];
  nua_t* const nua = nua_create(root, took, nullptr, NUTAG_URL(listen.c_str()), NUTAG_PROXY(words[4]),
                                SIPTAG_FROM_STR(words[3]), NUTAG_ALLOW("MESSAGE, SUBSCRIBE, NOTIFY"),
                                NUTAG_ALLOW_EVENTS("presence"), NUTAG_ENABLEMESSAGE(1), TAG_END());
  if (nua == nullptr) {
    std::cerr << "cannot listen at " << listen << '\n';
    return 1;
  }
  su_wait_t input;
  su_wait_create(&input, 0, SU_WAIT_IN);
  su_root_register(root, &input, say, reinterpret_cast<su_wakeup_arg_t*>(nua), 0);
  std::cout << "ready" << std::endl;
  su_root_run(root);
  return 0;
}

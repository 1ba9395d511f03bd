// A SIP user on the sofia-sip stack, for interop tests: listens with UDP and TCP, prints each MESSAGE that
// comes and answers it 200, sends one for each line on its standard input.
//
//   stox-sofia-user ADDRESS PORT OUR_URI PROXY_URI
//
// Input: "TO_URI TEXT". Output: "ready", "from URI: TEXT", "answered STATUS".
#include <sofia-sip/nua.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_wait.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

namespace {

void took(nua_event_t event, int status, const char*, nua_t*, nua_magic_t*, nua_handle_t* handle,
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
  }
}

int say(su_root_magic_t* root_magic, su_wait_t*, su_wakeup_arg_t* user) {
  auto* const nua = reinterpret_cast<nua_t*>(user);
  std::string to, text;
  if (!(std::cin >> to) || !std::getline(std::cin >> std::ws, text)) {
    su_root_break(reinterpret_cast<su_root_t*>(root_magic));
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
                                SIPTAG_FROM_STR(words[3]), NUTAG_ALLOW("MESSAGE"), TAG_END());
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

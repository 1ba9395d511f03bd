# stox_newer_schema(TARGET): the schema of messages, outcomes and envelopes as a later version may have it: each of
# them with a field `novelty` more, the envelope with a body `unheard_of`. Package stox.newer, made from proto/.
function(stox_newer_schema target)
  set(sources)
  foreach(name message delivery presence envelope)
    set(proto ${PROJECT_SOURCE_DIR}/proto/${name}.proto)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${proto})
    file(READ ${proto} text)
    string(REPLACE "package stox.pb;" "package stox.newer;" text "${text}")
    string(REPLACE "\"proto/" "\"newer/" text "${text}")
    foreach(message SipMessage XmppMessage Outcome Envelope)
      string(REPLACE "\nmessage ${message} {" "\nmessage ${message} {\n  bytes novelty = 900;" text "${text}")
    endforeach()
    string(REPLACE "\n  optional SipMessage" "\n  optional XmppMessage unheard_of = 901;\n  optional SipMessage" text "${text}")
    set(out ${CMAKE_CURRENT_BINARY_DIR}/newer/${name})
    file(CONFIGURE OUTPUT ${out}.proto CONTENT "${text}" @ONLY)
    add_custom_command(
      OUTPUT ${out}.pb.cc ${out}.pb.h
      COMMAND protobuf::protoc --cpp_out=${CMAKE_CURRENT_BINARY_DIR} -I ${CMAKE_CURRENT_BINARY_DIR} newer/${name}.proto
      WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
      DEPENDS ${out}.proto)
    list(APPEND sources ${out}.pb.cc)
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
endfunction()

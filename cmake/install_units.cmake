# Run by cmake --install: the systemd units, for the prefix that it has.

set(AT "@")
if(NOT "$ENV{DESTDIR}" STREQUAL "")
  set(generated ${generated}/destdir)  # an installation of the same build may go on beside this one
endif()
set(BINDIR ${CMAKE_INSTALL_PREFIX}/${bin_dir})
set(LIBEXECDIR ${CMAKE_INSTALL_PREFIX}/${libexec_dir})
set(DOCUMENTS ${CMAKE_INSTALL_PREFIX}/${documents_dir})
set(unit_dir ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(unit_dir /lib/systemd/system)  # where Debian has them
endif()

function(stox_unit ROLE DOES example)
  set(PROGRAM stox-${ROLE})
  string(REPLACE "-" "_" variables ${PROGRAM})
  string(TOUPPER ${variables} variables)
  set(EXAMPLE ${variables}_${example})
  configure_file(${source}/stox-role@.service.in ${generated}/${PROGRAM}@.service @ONLY)
endfunction()
stox_unit(mapper "maps between SIP and XMPP" "BIND=tcp://10.0.0.6:7300 (connect is a name then)")
stox_unit(sip-front "speaks SIP"
          "LISTEN=udp:10.0.0.6:5060,tcp:10.0.0.6:5060 (responses find a front by its address)")
stox_unit(xmpp-worker "speaks XMPP" "XMPP_HOST=10.0.0.6")
configure_file(${source}/stox.target.in ${generated}/stox.target @ONLY)
configure_file(${source}/stox-start.service.in ${generated}/stox-start.service @ONLY)
configure_file(${source}/start.in ${generated}/start @ONLY)

file(INSTALL ${generated}/stox-mapper@.service ${generated}/stox-sip-front@.service ${generated}/stox-xmpp-worker@.service
             ${generated}/stox.target ${generated}/stox-start.service DESTINATION ${unit_dir})
file(INSTALL ${generated}/start DESTINATION ${LIBEXECDIR}/stox TYPE PROGRAM)

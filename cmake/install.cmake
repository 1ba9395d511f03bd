# cmake --install: programs, systemd units, man pages, shell completion, documents and a configuration to begin with.
# Installed on a running system, it also makes the user and the folders; with DESTDIR (a package), that is left to the
# package's scripts.

include(GNUInstallDirs)
set(STOX_UNIT_DIR "${CMAKE_INSTALL_PREFIX}/lib/systemd/system" CACHE PATH "where systemd units go")
set(STOX_DOC_DIR "${CMAKE_INSTALL_FULL_DATADIR}/doc/stox")
set(generated ${CMAKE_BINARY_DIR}/install)

set(AT "@")
set(BINDIR ${CMAKE_INSTALL_FULL_BINDIR})
set(LIBEXECDIR ${CMAKE_INSTALL_FULL_LIBEXECDIR})
set(DOCUMENTS ${STOX_DOC_DIR})

# The units and man pages have the paths in them.
install(CODE "
  if(NOT CMAKE_INSTALL_PREFIX STREQUAL \"${CMAKE_INSTALL_PREFIX}\")
    message(FATAL_ERROR \"this build is for ${CMAKE_INSTALL_PREFIX}: configure it with -DCMAKE_INSTALL_PREFIX=\${CMAKE_INSTALL_PREFIX}\")
  endif()")

install(TARGETS stox-mapper stox-sip-front stox-xmpp-worker stoxctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

function(stox_unit role does example)
  string(REPLACE "-" "_" variables ${role})
  string(TOUPPER STOX_${variables} variables)
  set(ROLE ${role})
  set(DOES ${does})
  set(PROGRAM stox-${role})
  set(EXAMPLE ${variables}_${example})
  configure_file(deploy/systemd/stox-role@.service.in ${generated}/stox-${role}@.service @ONLY)
  install(FILES ${generated}/stox-${role}@.service DESTINATION ${STOX_UNIT_DIR})
endfunction()
stox_unit(mapper "maps between SIP and XMPP" "BIND=tcp://10.0.0.6:7300 (connect is a name then)")
stox_unit(sip-front "speaks SIP"
          "LISTEN=udp:10.0.0.6:5060,tcp:10.0.0.6:5060 (responses find a front by its address)")
stox_unit(xmpp-worker "speaks XMPP" "XMPP_HOST=10.0.0.6")

configure_file(deploy/systemd/stox.target.in ${generated}/stox.target @ONLY)
configure_file(deploy/systemd/stox-start.service.in ${generated}/stox-start.service @ONLY)
configure_file(deploy/systemd/start.in ${generated}/start @ONLY)
install(FILES ${generated}/stox.target ${generated}/stox-start.service DESTINATION ${STOX_UNIT_DIR})
install(PROGRAMS ${generated}/start DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/stox)
install(FILES deploy/systemd/stox.sysusers DESTINATION lib/sysusers.d RENAME stox.conf)
install(FILES deploy/systemd/stox.tmpfiles DESTINATION lib/tmpfiles.d RENAME stox.conf)

install(FILES deploy/completion/stoxctl.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME stoxctl)
install(FILES deploy/completion/stoxctl.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _stoxctl)

foreach(program stox-mapper stox-sip-front stox-xmpp-worker stoxctl)
  set(section 8)
  if(program STREQUAL stoxctl)
    set(section 1)
  endif()
  set(page ${generated}/${program}.${section})
  add_custom_command(OUTPUT ${page} COMMAND ${PROJECT_SOURCE_DIR}/deploy/man/make-page $<TARGET_FILE:${program}> ${section}
                     ${page} DEPENDS ${program} deploy/man/make-page VERBATIM)
  list(APPEND pages ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
add_custom_target(man_pages ALL DEPENDS ${pages})
install(FILES deploy/man/stox.toml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)

file(GLOB documents CONFIGURE_DEPENDS doc/*.md)
install(FILES README.md ${documents} DESTINATION ${STOX_DOC_DIR})
install(DIRECTORY deploy/examples DESTINATION ${STOX_DOC_DIR})
install(DIRECTORY deploy/supervisord DESTINATION ${STOX_DOC_DIR}/examples)
install(FILES deploy/stox.toml DESTINATION ${STOX_DOC_DIR}/examples)

# Never over a configuration that is there.
install(CODE "
  set(configuration \"\$ENV{DESTDIR}/etc/stox/stox.toml\")
  if(NOT EXISTS \"\${configuration}\")
    file(INSTALL DESTINATION \"/etc/stox\" TYPE FILE PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ RENAME stox.toml
         FILES \"${PROJECT_SOURCE_DIR}/deploy/site/first.toml\")
  endif()
  if(\"\$ENV{DESTDIR}\" STREQUAL \"\")
    execute_process(COMMAND \"${PROJECT_SOURCE_DIR}/deploy/systemd/after-install\" \"${CMAKE_INSTALL_PREFIX}\"
                    COMMAND_ERROR_IS_FATAL ANY)
  endif()")

# cmake --install: programs, systemd units, man pages, shell completion, documents and a configuration to begin with.
# Installed on a running system, it also makes the user and the folders; with DESTDIR (a package), that is left to the
# package's scripts.

include(GNUInstallDirs)
set(documents_dir ${CMAKE_INSTALL_DATADIR}/doc/stox)
set(generated ${CMAKE_BINARY_DIR}/install)

install(TARGETS stox-mapper stox-sip-front stox-xmpp-worker stoxctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# The units and what starts them have the paths in them, which are only now known: cmake --install --prefix DIRECTORY.
install(CODE "
  set(source \"${PROJECT_SOURCE_DIR}/deploy/systemd\")
  set(generated \"${generated}\")
  set(bin_dir \"${CMAKE_INSTALL_BINDIR}\")
  set(libexec_dir \"${CMAKE_INSTALL_LIBEXECDIR}\")
  set(documents_dir \"${documents_dir}\")")
install(SCRIPT cmake/install_units.cmake)
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
install(FILES README.md ${documents} DESTINATION ${documents_dir})
install(DIRECTORY doc/images DESTINATION ${documents_dir})
install(DIRECTORY deploy/examples DESTINATION ${documents_dir})
install(DIRECTORY deploy/supervisord DESTINATION ${documents_dir}/examples)
install(FILES deploy/stox.toml DESTINATION ${documents_dir}/examples)

# Never over a configuration that is there.
install(CODE "
  set(configuration \"\$ENV{DESTDIR}/etc/stox/stox.toml\")
  if(NOT EXISTS \"\${configuration}\")
    file(INSTALL DESTINATION \"/etc/stox\" TYPE FILE PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ RENAME stox.toml
         FILES \"${PROJECT_SOURCE_DIR}/deploy/site/first.toml\")
  endif()
  if(\"\$ENV{DESTDIR}\" STREQUAL \"\")
    execute_process(COMMAND \"${PROJECT_SOURCE_DIR}/deploy/systemd/after-install\" \"\${CMAKE_INSTALL_PREFIX}\"
                    COMMAND_ERROR_IS_FATAL ANY)
  endif()")
